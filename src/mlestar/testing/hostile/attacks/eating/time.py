# time
# ends: timeout
# seconds: 1

while True:
    pass
