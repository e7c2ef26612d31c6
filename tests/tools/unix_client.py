"""The multiply client over a Unix socket: PATH."""

import socket
import sys
import time

with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
    s.connect(sys.argv[1])
    late = 0
    for request in (b"5 10", b"1.5 2"):
        while True:
            begun = time.monotonic()
            s.sendall(request)
            first = s.recv(1024)
            is_late = time.monotonic() - begun >= 0.3
            if first == b"Data received" or not is_late or late == 20:
                break
            # Both wait for a client that the machine kept from calling recv() for longer than the gap: once more.
            late += 1
        print(first)
        print(s.recv(1024))
