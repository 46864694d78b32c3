# an abstract socket
# attempts

socket.socket(socket.AF_UNIX).connect('\0' + W['abstract'])
