# the virtual machine's host (vsock)
# attempts

socket.socket(40, socket.SOCK_STREAM)
