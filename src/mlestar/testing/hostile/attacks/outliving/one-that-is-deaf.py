# one that is deaf
# ends: ok

subprocess.Popen(sleep, preexec_fn=lambda: [signal.signal(s, signal.SIG_IGN) for s in (1, 2, 15)])
time.sleep(0.5)
