# the root folder
# apart
# attempts

open('/x', 'w').write('x')

open('/dev/x', 'w').write('x')

os.mkdir('/usr/x')
