# raw packets
# attempts

socket.socket(17, socket.SOCK_RAW)

socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)
