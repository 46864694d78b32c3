# files without a name
# ends: disk

kept = []
while True:
    kept.append(open('f', 'wb'))
    kept[-1].write(bytes(10_000_000))
    os.unlink('f')
    time.sleep(0.01)
    if len(kept) * 10_000_000 > 1_000_000_000:
        print('GOT a GB', flush=True)
        break
