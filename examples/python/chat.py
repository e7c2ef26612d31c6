"""Chats in lines: one thread listens, one types. Usage: chat.py [PORT [NAME]]"""
import socket
import sys
import threading

port, name = (sys.argv[1:] + ["33000", "alice"][len(sys.argv) - 1:])[:2]


def listen(lines):
    for line in lines:  # ends when the daemon closes the connection
        print(line, end="", flush=True)


try:
    connection = socket.create_connection(("localhost", int(port)))
except OSError as error:
    sys.exit(f"localhost:{port}: {error}")
# Two files: with one for both ("rw"), a write of one thread would discard what the other has received but not read yet.
text = {"encoding": "utf-8", "newline": "\n"}
with connection, connection.makefile("r", **text) as heard, connection.makefile("w", **text) as said:
    said.write(name + "\n")  # the first line is the name, each further line is a message
    said.flush()
    listener = threading.Thread(target=listen, args=(heard,))
    listener.start()
    for line in sys.stdin:
        said.write(line)
        said.flush()
    said.write("{quit}\n")  # the daemon answers {quit} and closes
    said.flush()
    listener.join()
