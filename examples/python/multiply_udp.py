"""Multiplies over UDP: a datagram is a message. Usage: multiply_udp.py [PORT [A B]]"""
import socket
import sys

port, a, b = (sys.argv[1:] + ["65432", "5", "10"][len(sys.argv) - 1:])[:3]
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
    datagrams.connect(("127.0.0.1", int(port)))  # sends nothing: only sets the destination
    datagrams.settimeout(2)  # UDP loses datagrams silently: a receiver needs a timeout
    try:
        datagrams.send(f"{a} {b}".encode())
        reply = datagrams.recv(2048).decode()
        if reply == "Data received":  # an error comes alone, a result after this
            print(reply, file=sys.stderr)
            reply = datagrams.recv(2048).decode()
    except OSError as error:  # refused (nobody is there), or timed out (lost)
        sys.exit(f"127.0.0.1:{port}: {error}")
if reply.startswith("Error: "):
    sys.exit(reply)
print(reply)
