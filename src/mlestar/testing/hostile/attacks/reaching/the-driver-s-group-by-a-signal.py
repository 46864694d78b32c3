# the driver's group, by a signal
# apart
# attempts

os.killpg(os.getpgid(os.getppid()), 0) if os.getppid() > 1 else 1 / 0
