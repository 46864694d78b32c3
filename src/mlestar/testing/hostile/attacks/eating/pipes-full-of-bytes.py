# pipes full of bytes

kept, total = [], 0
while True:
    r, w = os.pipe()
    kept += [r, w]
    os.set_blocking(w, False)
    import fcntl
    fcntl.fcntl(w, 1031, 1 << 20)
    total += os.write(w, bytes(1 << 20))
    if total > 3 * W["memory"]:
        print('GOT', total >> 20, 'MiB', flush=True)
        raise SystemExit
