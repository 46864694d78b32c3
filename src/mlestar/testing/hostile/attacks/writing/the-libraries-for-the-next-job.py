# the libraries, for the next job
# apart
# attempts

libraries = glob.glob(sys.prefix + '/lib/python*/site-packages')[0]
open(libraries + '/hostile.pth', 'w').write('import os')

open(os.path.dirname(os.__file__) + '/sitecustomize.py', 'w').write('')

os.makedirs(os.path.expanduser('~/../.local/lib'))
