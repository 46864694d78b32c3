# the page cache
# ends: ok
# seconds: 60

for _ in range(60):
    with open('f', 'wb') as file:
        file.write(bytes(15_000_000))
    os.unlink('f')
