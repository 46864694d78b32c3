# a wall's own command line

for name in glob.glob('/proc/[0-9]*/cmdline') + glob.glob('/proc/[0-9]*/environ'):
    try:
        text = open(name, 'rb').read().decode('latin-1')
    except OSError:
        continue
    if W['token'] in text or W['secret'] in text:
        print('GOT', name)
