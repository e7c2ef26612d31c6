"""Multiplies through two POSIX message queues. Usage: multiply_mq.py [NAME [A B]], for NAME.in and NAME.out

Python's library has no message queues, so this uses those of the C library through ctypes. (The module posix_ipc also has them.)"""
import ctypes
import os
import select
import sys

name, a, b = (sys.argv[1:] + ["/multiply", "5", "10"][len(sys.argv) - 1:])[:3]
c = ctypes.CDLL(None, use_errno=True)
c.mq_send.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint]
c.mq_receive.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p]
c.mq_receive.restype = ctypes.c_ssize_t


def check(result):
    if result < 0:
        sys.exit(f"{name}: {os.strerror(ctypes.get_errno())}")
    return result


requests = check(c.mq_open(f"{name}.in".encode(), os.O_WRONLY))
replies = check(c.mq_open(f"{name}.out".encode(), os.O_RDONLY))
request = f"{a} {b}".encode()
check(c.mq_send(requests, request, len(request), 0))  # one message, even with other senders
buffer = ctypes.create_string_buffer(8192)  # not shorter than the longest message of the queue


def receive():
    # On Linux a queue is a file descriptor: select and poll wait for it.
    if not select.select([replies], [], [], 2)[0]:
        sys.exit(f"{name}.out: no answer within 2 s")
    count = check(c.mq_receive(replies, buffer, len(buffer), None))
    return buffer.raw[:count].decode()


# All clients share the one queue of replies: two clients at the same time may take each other's.
print(receive(), file=sys.stderr)
reply = receive()
if reply.startswith("Error: "):
    sys.exit(reply)
print(reply)
