# one that stands still
# ends: ok

child = subprocess.Popen(sleep, start_new_session=True)
time.sleep(0.3)
child.send_signal(signal.SIGSTOP)
