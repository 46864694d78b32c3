# many small files
# ends: disk

i = 0
while True:
    i += 1
    open(f'f{i}', 'w').write('x')
