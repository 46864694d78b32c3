# an orphan, at once
# ends: ok

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve(sleep[0], sleep, {})
    os._exit(0)
os.wait()
