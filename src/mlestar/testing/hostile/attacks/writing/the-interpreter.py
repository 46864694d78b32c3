# the interpreter
# apart
# attempts

open(sys.executable, 'ab').write(b'')

open(sys.prefix + '/pyvenv.cfg', 'a').write('')
