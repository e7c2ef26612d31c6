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
with connection, connection.makefile("rw", encoding="utf-8", newline="\n") as lines:
    lines.write(name + "\n")  # the first line is the name, whatever comes behind it is said
    lines.flush()
    listener = threading.Thread(target=listen, args=(lines,))
    listener.start()
    for line in sys.stdin:
        lines.write(line)
        lines.flush()
    lines.write("{quit}\n")  # the daemon answers {quit} and closes
    lines.flush()
    listener.join()
