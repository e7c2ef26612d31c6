"""Multiplies through two named pipes. Usage: multiply_fifo.py [PATH [A B]], for PATH.in and PATH.out"""
import os
import select
import sys

path, a, b = (sys.argv[1:] + ["/run/ipcd/multiply", "5", "10"][len(sys.argv) - 1:])[:3]
try:
    # O_NONBLOCK: otherwise open would wait until the daemon has opened the other end.
    replies = os.open(path + ".out", os.O_RDONLY | os.O_NONBLOCK)
    requests = os.open(path + ".in", os.O_WRONLY | os.O_NONBLOCK)
    os.write(requests, f"{a} {b}\n".encode())  # up to PIPE_BUF bytes stay together, even with other writers
except OSError as error:
    sys.exit(f"{path}: {error.strerror}")
# All clients share the one reply pipe: two clients at the same time may read each other's replies.
text = b""
while text.count(b"\n") < 2:
    if not select.select([replies], [], [], 2)[0]:
        sys.exit(f"{path}.out: no answer within 2 s")
    text += os.read(replies, 4096)
acknowledgement, reply = text.decode().split("\n")[:2]
print(acknowledgement, file=sys.stderr)
if reply.startswith("Error: "):
    sys.exit(reply)
print(reply)
