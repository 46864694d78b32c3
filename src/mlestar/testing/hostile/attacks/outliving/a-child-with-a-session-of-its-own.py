# a child with a session of its own
# ends: ok

subprocess.Popen(sleep, start_new_session=True)
time.sleep(0.5)
