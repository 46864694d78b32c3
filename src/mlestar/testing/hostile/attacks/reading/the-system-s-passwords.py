# the system's passwords
# attempts

open('/etc/shadow').read()

open('/etc/sudoers').read()
