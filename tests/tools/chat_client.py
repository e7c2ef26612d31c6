"""A chat client for the console, as the course writes it: a thread that receives, and lines that are sent bare. HOST PORT."""

import socket
import sys
import threading

client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client.connect((sys.argv[1], int(sys.argv[2])))


def receive():
    # An OSError is all that ends it: at end of file it would print nothing for ever.
    while True:
        try:
            message = client.recv(1024).decode("utf8")
            print(message, end="", flush=True)
        except OSError:
            break


receiver = threading.Thread(target=receive)
receiver.start()
for line in sys.stdin:
    client.send(bytes(line.rstrip("\n"), "utf8"))
receiver.join()
client.close()
