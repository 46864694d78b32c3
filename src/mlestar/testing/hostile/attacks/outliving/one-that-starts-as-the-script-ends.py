# one that starts as the script ends
# ends: ok

atexit.register(lambda: subprocess.Popen(sleep, start_new_session=True, env={}))
