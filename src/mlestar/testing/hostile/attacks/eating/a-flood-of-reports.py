# a flood of reports
# seconds: 60

for fd in range(3, 60):
    try:
        os.readlink(f'/proc/self/fd/{fd}').startswith('pipe') and os.set_blocking(fd, False)
    except OSError:
        continue
    for number in range(100_000):
        try:
            os.write(fd, b'o\tx%d\n' % number * 100)
        except BlockingIOError:
            pass
        except OSError:
            break
