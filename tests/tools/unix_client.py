"""The multiply client over a Unix socket: PATH."""

import socket
import sys

with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
    s.connect(sys.argv[1])
    for request in (b"5 10", b"1.5 2"):
        s.sendall(request)
        print(s.recv(1024))
        print(s.recv(1024))
