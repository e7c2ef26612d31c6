"""The server as courses write it: a thread for each connection, recv(1024).

    threaded.py multiply|greeting|chat tcp PORT
    threaded.py multiply|greeting|chat unix PATH

It cuts lines, and answers each in one piece, only so far that the same bytes come as from the others.
"""

import socket
import sys
import threading

members = {}
lock = threading.Lock()


def lines(connection):
    rest = b""
    while data := connection.recv(1024):
        *whole, rest = (rest + data).split(b"\n")
        yield from (line.decode() for line in whole)


def multiply(connection):
    for line in lines(connection):
        a, b = line.split()
        connection.sendall(f"Data received\n{float(a) * float(b)}\n".encode())


def greeting(connection):
    connection.sendall(b"Message received. Thank you for connecting\r\n")


def everybody(text):
    for member in list(members):
        member.sendall(text.encode())


def chat(connection):
    connection.sendall(b"Greetings from the cave! Now type your name and press enter!\n")
    said = lines(connection)
    name = next(said)
    with lock:
        connection.sendall(f"Welcome {name}! If you ever want to quit, type {{quit}} to exit.\n".encode())
        everybody(f"{name} has joined the chat!\n")
        members[connection] = name
    for line in said:
        with lock:
            everybody(f"{name}: {line}\n")


def serve(service, connection):
    try:
        with connection:
            service(connection)
    except OSError:
        pass
    finally:
        members.pop(connection, None)


def main():
    service = {"multiply": multiply, "greeting": greeting, "chat": chat}[sys.argv[1]]
    if sys.argv[2] == "unix":
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(sys.argv[3])
    else:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(("127.0.0.1", int(sys.argv[3])))
    listener.listen(4096)
    threading.stack_size(64 * 1024)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(service, connection), daemon=True).start()


main()
