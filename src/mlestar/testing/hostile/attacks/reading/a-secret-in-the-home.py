# a secret in the home

seek(open(W['secret']).read())
