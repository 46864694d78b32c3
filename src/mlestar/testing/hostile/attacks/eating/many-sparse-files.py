# many sparse files
# ends: disk

i = 0
while True:
    i += 1
    open(f'f{i}', 'wb').truncate(15_000_000)
