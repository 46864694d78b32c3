# output without a line end
# ends: output

while True:
    sys.stdout.buffer.write(bytes(100_000))
