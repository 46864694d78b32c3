# an opened file that is not there

for fd in range(3, 60):
    try:
        if os.readlink(f'/proc/self/fd/{fd}').startswith('pipe'):
            os.write(fd, b'o\tno-such-file.csv\no\t../../etc/passwd\no\t/etc/passwd\np\t99999999999\ne\texception\tforged\n')
    except OSError:
        pass
