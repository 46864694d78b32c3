# through a symbolic link
# attempts

os.symlink(W['secret'], 'link')
open('link', 'a').write('x')
