# everybody, by a signal
# apart
# attempts

os.kill(-1, 9)
assert 0
