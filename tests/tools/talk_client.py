"""The talk client of the course: what is typed is sent, then the other's turn is waited for; bye ends it. HOST PORT."""

import socket
import sys

client = socket.socket()
client.connect((sys.argv[1], int(sys.argv[2])))
message = input()
while message.lower().strip() != "bye":
    client.send(message.encode())
    data = client.recv(1024).decode()
    print("Received:", data, flush=True)
    message = input()
client.send(message.encode())
client.close()
