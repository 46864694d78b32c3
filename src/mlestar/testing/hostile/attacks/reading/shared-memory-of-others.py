# shared memory of others

seek(open(W['shared']).read())
