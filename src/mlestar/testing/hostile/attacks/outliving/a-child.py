# a child
# ends: ok

subprocess.Popen(sleep)
time.sleep(0.5)
