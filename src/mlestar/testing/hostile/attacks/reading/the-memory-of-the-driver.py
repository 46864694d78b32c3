# the memory of the driver
# attempts

open(f"/proc/{W['driver']}/mem", 'rb').close()

open(f"/proc/{W['driver']}/maps").read(1)

assert libc.syscall(310, W['neighbour'], None, 0, None, 0, 0) == 0
