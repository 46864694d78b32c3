# the driver, by a signal
# attempts

os.kill(W['driver'], 0)

os.kill(W['neighbour'], 0)

assert os.pidfd_open(W['neighbour']) > 0
