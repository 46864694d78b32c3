# a sparse file
# ends: disk

open('f', 'wb').truncate(1 << 42)
