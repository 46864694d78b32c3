# networks beside its own
# attempts

assert len(socket.if_nameindex()) > 1

assert open('/proc/net/route').read().count('\n') > 1
