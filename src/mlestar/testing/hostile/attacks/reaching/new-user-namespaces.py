# new user namespaces
# attempts

assert libc.unshare(0x10000000) == 0

assert libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0) > 0

args = (ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, 17)
pid = libc.syscall(435, args, 88)
pid == 0 and os._exit(0)
assert pid > 0
