# a name server
# attempts

query = bytes.fromhex('123401000001000000000000046c656164076578616d706c650000010001')
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(query, ('127.0.0.1', W['udp']))
assert 0

open('/etc/resolv.conf').read()
