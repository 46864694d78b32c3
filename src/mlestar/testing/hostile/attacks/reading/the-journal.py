# the journal
# attempts

open(W['hidden'][0], 'rb').read(1)
