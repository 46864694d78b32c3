# other views
# attempts

os.listdir(os.path.join(os.path.realpath('input'), '..', 'fold-1'))

os.listdir(os.path.join(os.path.dirname(W['view']), 'fold-1'))

os.listdir('input/../../views')
