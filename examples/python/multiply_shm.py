"""Multiplies through shared memory. Usage: multiply_shm.py [SOCKET [A B]]; the layout is in ipcd-protocol(7)"""
import mmap
import os
import select
import socket
import sys
import threading

path, a, b = (sys.argv[1:] + ["/run/ipcd/multiply.shm", "5", "10"][len(sys.argv) - 1:])[:3]
RING = 16384  # words of one ring
REQUESTS, REPLIES = 0, 64  # the words with the position of each side, and who sleeps
WRITTEN, READ, READER_WAITS, WRITER_WAITS = 0, 16, 32, 48
WORDS = {REQUESTS: 1024, REPLIES: 1024 + RING}  # and the messages

server = socket.socket(socket.AF_UNIX)
server.connect(path)
# One message with a line and three descriptors: the memory, the daemon's eventfd, ours.
line, descriptors, _, _ = socket.recv_fds(server, 512, 3)
if not line.startswith(b"ipcd-rings 1 65536 ") or len(descriptors) != 3:
    sys.exit(line.decode().strip() or "no shared memory")  # "Error: too many connections", perhaps
memory, theirs, ours = descriptors
shared = mmap.mmap(memory, 4096 + 2 * RING * 4)
words = memoryview(shared).cast("I")  # an assignment to a word of it is one store, as both sides need it

# The eventfd always has the count 1, so it works only edge-triggered: each write to it is an event.
events = select.epoll()
events.register(ours, select.EPOLLIN | select.EPOLLET)
events.register(server, select.EPOLLRDHUP)  # the daemon is gone
lock = threading.Lock()
sent = heard = 0


def fence():
    """Completes our stores before our next loads: taking a lock does that, and Python has no cheaper way."""
    with lock:
        pass


def send(message):
    global sent
    ring = WORDS[REQUESTS]
    padded = message + bytes(-len(message) % 4)
    for at, word in enumerate([len(message), *memoryview(padded).cast("I")], sent):
        words[ring + at % RING] = word
    sent = (sent + 1 + len(padded) // 4) % 2**32
    words[REQUESTS + WRITTEN] = sent
    fence()
    if words[REQUESTS + READER_WAITS]:  # it sleeps: wake it
        words[REQUESTS + READER_WAITS] = 0
        os.write(theirs, bytes(8))


def receive():
    global heard
    while words[REPLIES + WRITTEN] == heard:
        words[REPLIES + READER_WAITS] = 1  # first announce that we sleep, then check once more
        fence()
        if words[REPLIES + WRITTEN] == heard and not events.poll(5):
            sys.exit(f"{path}: no answer within 5 s")
    ring = WORDS[REPLIES]
    length = words[ring + heard % RING]
    count = (length + 3) // 4
    message = b"".join(words[ring + at % RING].to_bytes(4, sys.byteorder) for at in range(heard + 1, heard + 1 + count))
    heard = (heard + 1 + count) % 2**32
    words[REPLIES + READ] = heard
    fence()
    if words[REPLIES + WRITER_WAITS]:  # it had no room
        words[REPLIES + WRITER_WAITS] = 0
        os.write(theirs, bytes(8))
    return message[:length].decode()


send(f"{a} {b}".encode())
for last in False, True:  # "Data received", then "50.0"
    reply = receive()
    if reply.startswith("Error: "):
        sys.exit(reply)
    print(reply, file=sys.stdout if last else sys.stderr)
