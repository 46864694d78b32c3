# the journal
# attempts

open(W['hidden'][0], 'ab').write(b'x')

os.truncate(W['hidden'][0], 0)
