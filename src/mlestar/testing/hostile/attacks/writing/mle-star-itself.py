# mle-star itself
# apart
# attempts

open(W['package'] + '/executors/prelude.py', 'a').write('')

os.close(os.open(W['package'] + '/executors/local.py', os.O_WRONLY))

open(W['package'] + '/executors/hostile.py', 'w').write('')
assert 0, 'where it counts, the world sees it: inside, /tmp may hold our package, and is the job\'s own'
