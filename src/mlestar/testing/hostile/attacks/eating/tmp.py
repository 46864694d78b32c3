# /tmp
# apart

total = 0
while True:
    total += 10_000_000
    if total > 3 * W["memory"]:
        print('GOT', total >> 20, 'MiB', flush=True)
        raise SystemExit
    open(f'/tmp/{total}', 'wb').write(bytes(10_000_000))
