# the libraries, for the next job
# apart
# attempts

open(site.getsitepackages()[0] + '/hostile.pth', 'w').write('import os')

open(os.path.dirname(os.__file__) + '/sitecustomize.py', 'w').write('')

os.makedirs(os.path.expanduser('~/../.local/lib'))
