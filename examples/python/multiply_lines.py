"""Multiplies with lines: the reliable way. Usage: multiply_lines.py [PORT [A B]]"""
import socket
import sys

port, a, b = (sys.argv[1:] + ["65432", "5", "10"][len(sys.argv) - 1:])[:3]
try:
    with socket.create_connection(("localhost", int(port)), timeout=10) as connection:
        # A file object over the socket does the buffering: readline() returns whole lines, however they arrive.
        with connection.makefile("rw", encoding="utf-8", newline="\n") as lines:
            lines.write(f"{a} {b}\n")  # on the wire: b"5 10\n"
            lines.flush()              # until here nothing was sent
            print(lines.readline().rstrip("\n"), file=sys.stderr)  # b"Data received\n"
            reply = lines.readline().rstrip("\n")                  # b"50.0\n"
except OSError as error:
    sys.exit(f"localhost:{port}: {error}")
if reply.startswith("Error: "):
    sys.exit(reply)
print(reply)
