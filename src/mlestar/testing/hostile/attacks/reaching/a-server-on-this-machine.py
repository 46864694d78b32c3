# a server on this machine
# attempts

socket.create_connection(('127.0.0.1', W['tcp']), 2)
