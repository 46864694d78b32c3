# over ..
# attempts

open('../x', 'w').write('x')

open('input/../../x', 'w').write('x')
