# mle-star itself
# apart
# attempts

open(W['package'] + '/executors/prelude.py', 'a').write('')

open(W['package'] + '/executors/hostile.py', 'w').write('')
