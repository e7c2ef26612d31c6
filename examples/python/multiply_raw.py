"""Multiplies with one send() for each request, without a line end. Usage: multiply_raw.py [PORT [A B]]"""
import socket
import sys

port, a, b = (sys.argv[1:] + ["65432", "5", "10"][len(sys.argv) - 1:])[:3]
try:
    with socket.create_connection(("localhost", int(port)), timeout=10) as connection:
        # On the wire: b"5 10". No line end: the daemon waits 20 ms, then takes the burst as a whole message.
        connection.sendall(f"{a} {b}".encode())
        # Two messages come back, b"Data received" and b"50.0", each in its own segment. TCP has no
        # messages: one message for each recv() is a courtesy of the daemon, not a rule.
        print(connection.recv(1024).decode(), file=sys.stderr)
        reply = connection.recv(1024).decode()
except OSError as error:
    sys.exit(f"localhost:{port}: {error}")
if reply.startswith("Error: "):
    sys.exit(reply)
print(reply)
