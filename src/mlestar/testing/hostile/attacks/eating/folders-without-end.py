# folders without end
# ends: disk or exception

while True:
    os.mkdir('d')
    os.chdir('d')
