# the environment of other processes

for name in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/task/*/environ') + [f"/proc/{W['driver']}/environ"]:
    try:
        seek(open(name, 'rb').read())
    except OSError:
        pass
