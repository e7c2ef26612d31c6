"""Clients that close without reading what they asked for: HOST PORT REQUEST TIMES."""

import socket
import sys

host, port, request, times = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
for _ in range(times):
    s = socket.socket()
    s.connect((host, port))
    s.sendall(request.encode())
    s.close()
