# what the job before left behind
# apart

for place in ('/tmp', '/dev/shm', '/var/tmp', '.'):
    try:
        open(place + '/left', 'w').write('x')
    except OSError:
        pass

# --- the next job
# attempts
open('/tmp/left').read()

open('/dev/shm/left').read()

open('/var/tmp/left').read()

open('./left').read()
