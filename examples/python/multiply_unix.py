"""Multiplies over a Unix socket. Usage: multiply_unix.py [PATH [A B]]"""
import socket
import sys

path, a, b = (sys.argv[1:] + ["/run/ipcd/ipcd.sock", "5", "10"][len(sys.argv) - 1:])[:3]
try:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        with connection.makefile("rw", encoding="utf-8", newline="\n") as lines:
            # One socket, many services: the first line selects one. A line that names no service goes to multiply.
            lines.write(f"multiply\n{a} {b}\n")
            lines.flush()
            print(lines.readline().rstrip("\n"), file=sys.stderr)  # b"Data received\n"
            reply = lines.readline().rstrip("\n")                  # b"50.0\n"
except OSError as error:
    sys.exit(f"{path}: {error}")
if reply.startswith("Error: "):
    sys.exit(reply)
print(reply)
