# a file outside
# attempts

open(W['outside'] + '/x', 'w').write('x')

open(W['home'] + '/.bashrc', 'a').write('x')
