# the driver's group, by a signal
# apart
# attempts

assert os.getppid() > 1
os.killpg(os.getpgid(os.getppid()), 0)
