# shared memory of System V

libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
total = 0
while True:
    total += 50_000_000
    if total > 3 * W["memory"]:
        print('GOT', total >> 20, 'MiB', flush=True)
        raise SystemExit
    number = libc.shmget(0, 50_000_000, 0o1600)
    assert number >= 0
    ctypes.memset(libc.shmat(number, None, 0), 1, 50_000_000)
