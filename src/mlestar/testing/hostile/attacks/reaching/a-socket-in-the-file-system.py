# a socket in the file system
# attempts

socket.socket(socket.AF_UNIX).connect(W['path'])
