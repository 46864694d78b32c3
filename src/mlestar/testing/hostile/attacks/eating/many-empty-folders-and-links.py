# many empty folders and links
# ends: disk

i = 0
while True:
    i += 1
    os.mkdir(f'd{i}')
    os.symlink('x', f'l{i}')
