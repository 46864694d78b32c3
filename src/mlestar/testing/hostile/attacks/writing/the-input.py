# the input
# attempts

open('input/train.csv', 'a').write('x')

open('input/new', 'w').write('x')

os.truncate('input/train.csv', 0)

os.unlink('input/train.csv')

os.rename('input/train.csv', 'input/other.csv')

os.utime('input/train.csv', (1, 1))

os.chmod('input/train.csv', 0o777)
