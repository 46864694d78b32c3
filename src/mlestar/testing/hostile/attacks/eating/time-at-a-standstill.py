# time, at a standstill
# ends: timeout
# seconds: 1

os.kill(os.getpid(), signal.SIGSTOP)
