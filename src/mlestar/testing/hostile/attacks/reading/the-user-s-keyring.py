# the user's keyring
# apart
# attempts

assert libc.syscall(250, 0, -4, 0) > 0

assert libc.syscall(248, b'user', b'k', b'v', 1, -3) > 0
