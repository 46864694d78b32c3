# the held labels
# attempts

open(W['hidden'][1], 'rb').read(1)

open(W['hidden'][2], 'rb').read(1)
