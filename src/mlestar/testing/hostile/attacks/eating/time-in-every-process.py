# time, in every process
# ends: timeout or processes
# seconds: 1

for _ in range(8):
    os.fork()
    break
while True:
    pass
