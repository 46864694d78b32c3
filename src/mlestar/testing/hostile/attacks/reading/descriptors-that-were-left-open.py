# descriptors that were left open

for name in os.listdir('/proc/self/fd'):
    try:
        path = os.readlink('/proc/self/fd/' + name)
    except OSError:
        continue
    if path.startswith('/') and not path.startswith(('/proc', '/dev', os.getcwd())):
        print('GOT', path)
