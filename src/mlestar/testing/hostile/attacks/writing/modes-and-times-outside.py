# modes and times outside
# apart
# attempts

os.chmod(W['secret'], 0o777)

os.utime(W['secret'], (1, 1))
