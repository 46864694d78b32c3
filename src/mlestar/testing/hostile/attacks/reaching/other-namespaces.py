# other namespaces
# attempts

assert libc.unshare(0x40000000) == 0

assert libc.setns(os.open('/proc/1/ns/net', 0), 0) == 0
