# the names in the home
# attempts

os.listdir(W['home'])
