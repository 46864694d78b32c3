# an orphan that dropped its environment
# ends: ok

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve(sleep[0], sleep, {})
    os._exit(0)
time.sleep(0.5)
