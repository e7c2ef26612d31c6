"""Multiplies over TLS. Usage: multiply_tls.py CA HOST PORT [A B], for example multiply_tls.py ca.pem localhost 65443"""
import socket
import ssl
import sys

if len(sys.argv) < 4:
    sys.exit(__doc__)
ca, host, port, a, b = (sys.argv[1:] + ["5", "10"][max(0, len(sys.argv) - 4):])[:5]
try:
    # Only this authority is trusted, and the certificate must name the host.
    context = ssl.create_default_context(cafile=ca)
    with socket.create_connection((host, int(port)), timeout=10) as plain, \
            context.wrap_socket(plain, server_hostname=host) as connection, \
            connection.makefile("rw", encoding="utf-8", newline="\n") as lines:
        lines.write(f"{a} {b}\n")
        lines.flush()  # until here nothing was encrypted, and nothing sent
        print(lines.readline().rstrip("\n"), file=sys.stderr)  # Data received
        reply = lines.readline().rstrip("\n")                  # 50.0
except OSError as error:  # also ssl.SSLError: it says which check failed
    sys.exit(f"{host}:{port}: {error}")
if reply.startswith("Error: "):
    sys.exit(reply)
print(reply)
