# a neighbour's priority
# attempts

os.setpriority(os.PRIO_PROCESS, W['neighbour'], 19)
