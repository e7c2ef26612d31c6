"""The greeting client of the course: HOST PORT."""

import socket
import sys

client = socket.socket()
client.connect((sys.argv[1], int(sys.argv[2])))
client.send("Hi".encode())
print(client.recv(1024))
client.close()
