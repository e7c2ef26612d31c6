"""The statistics client of the course: says its name, then figures as text, to the chat. HOST PORT NAME HOW.

HOW is `burst` (name and first figures in one send) or `sends` (one right after the other)."""

import socket
import sys

host, port, name, how = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client.connect((host, port))


def hear(end):
    heard = ""
    while not heard.endswith(end):
        received = client.recv(1024).decode("utf8")
        if not received:
            sys.exit(f"end of file after {heard!r}")
        heard += received
    print(repr(heard))


hear("press enter!\n")
first = str({"cpu": 5, "memory": 42.5, "load": 0.1})  # with the name it is longer than a name can be
if how == "burst":
    client.send(bytes(name + first, "utf8"))
else:
    client.send(bytes(name, "utf8"))
    client.send(bytes(first, "utf8"))
hear(f"{name}: {first}")
for cpu in (6, 7):
    figures = str({"cpu": cpu, "memory": 42.5})
    client.send(bytes(figures, "utf8"))
    hear(f"{name}: {figures}")
client.close()
