# memory files that are not mapped

kept, total = [], 0
while True:
    total += 20_000_000
    if total > 3 * W["memory"]:
        print('GOT', total >> 20, 'MiB', flush=True)
        raise SystemExit
    kept.append(os.memfd_create('m'))
    os.write(kept[-1], bytes(20_000_000))
