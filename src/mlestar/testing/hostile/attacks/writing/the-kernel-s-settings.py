# the kernel's settings
# apart
# attempts

open('/proc/sys/kernel/core_pattern', 'w')

open('/proc/sysrq-trigger', 'w')
