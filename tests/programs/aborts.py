"""Connections over the loopback that a server aborts, one after the other: aborts.py linger-0|unread|backlog|..."""
import socket
import struct
import sys

listener = socket.create_server(("127.0.0.1", 0))
for why in sys.argv[1:]:
    client = socket.create_connection(listener.getsockname())
    if why == "backlog":
        # The listener ends a connection that no one has accepted, and counts no abort.
        listener.close()
    else:
        server, _ = listener.accept()
        if why == "unread":
            client.sendall(b"unread")
            server.recv(1, socket.MSG_PEEK)
        else:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        server.close()
    try:
        client.recv(1)
    except ConnectionResetError:
        pass
    client.close()
