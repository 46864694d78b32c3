# the kernel's log and memory
# attempts

open('/dev/kmsg').read(1)

open('/proc/kcore', 'rb').read(1)

open('/dev/mem', 'rb').read(1)
