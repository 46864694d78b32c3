# mounts
# apart
# attempts

assert libc.mount(b'none', b'/mnt', b'tmpfs', 0, None) == 0

assert libc.mount(b'none', os.path.realpath('input').encode(), None, 0x20 | 0x1000, None) == 0

assert libc.umount2(os.path.realpath('input').encode(), 2) == 0
