# time, deaf to signals
# ends: timeout
# seconds: 1

for s in range(1, 65):
    try:
        signal.signal(s, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
time.sleep(100)
