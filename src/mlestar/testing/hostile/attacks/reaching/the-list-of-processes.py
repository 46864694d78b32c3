# the list of processes
# attempts

assert len([p for p in os.listdir('/proc') if p.isdigit()]) > 12

open(f"/proc/{W['neighbour']}/stat")
