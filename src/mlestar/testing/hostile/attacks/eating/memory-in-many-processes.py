# memory in many processes
# ends: memory

for _ in range(12):
    if os.fork() == 0:
        kept = bytearray(os.urandom(64)) * 1_000_000
        time.sleep(60)
time.sleep(60)
