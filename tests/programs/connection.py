"""One connection over the loopback that ends as told, then an exit status: connection.py fin|rst|none STATUS"""
import socket
import struct
import sys

how, status = sys.argv[1], int(sys.argv[2])
if how != "none":
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    if how == "rst":
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.close()
    try:
        client.recv(1)
    except ConnectionResetError:
        pass
    client.close()
    listener.close()
sys.exit(status)
