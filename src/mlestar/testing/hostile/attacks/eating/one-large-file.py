# one large file
# ends: disk

file = open('f', 'wb')
while True:
    file.write(bytes(1_000_000))
