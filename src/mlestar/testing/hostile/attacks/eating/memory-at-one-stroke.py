# memory at one stroke
# ends: memory

data = bytearray(W["memory"] * 4)
print('GOT it')
