# through a hard link
# attempts

os.link(W['secret'], 'hard')
open('hard', 'a').write('x')
