# a double fork
# ends: ok

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 100)
        os.execv(sleep[0], sleep)
    os._exit(0)
time.sleep(0.5)
