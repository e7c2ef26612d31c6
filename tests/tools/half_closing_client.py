"""A client that ends its requests by shutting down its sending side, and reads to the end: HOST PORT REQUEST."""

import socket
import sys

s = socket.socket()
s.connect((sys.argv[1], int(sys.argv[2])))
s.sendall(sys.argv[3].encode())
s.shutdown(socket.SHUT_WR)
heard = b""
while True:
    received = s.recv(1024)
    if not received:
        break
    heard += received
print(heard)
