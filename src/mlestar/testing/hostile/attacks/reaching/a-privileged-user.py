# a privileged user
# attempts

os.setuid(0) if os.getuid() else 1 / 0

os.chroot('/')

os.setgroups([0])
assert os.getuid() != 0
