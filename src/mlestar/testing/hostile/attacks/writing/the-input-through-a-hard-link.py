# the input through a hard link
# attempts

os.link('input/train.csv', 'hard')
os.chmod('hard', 0o666)
open('hard', 'a').write('x')
