# a neighbour, by ptrace
# attempts

assert libc.ptrace(0x4206, W['neighbour'], 0, 0) == 0
