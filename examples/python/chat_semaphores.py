"""Puts messages into a bounded buffer in shared memory, with three semaphores; ipcd sends them to the chat.
Usage: chat_semaphores.py [NAME [TEXT…]], for the endpoint shm:///NAME?semaphores

Python's library has no named semaphores, so this uses those of the C library through ctypes. (The module posix_ipc also has them.)"""
import ctypes
import mmap
import os
import struct
import sys

SLOTS, SIZE = 8, 256  # the slots, after two indices of 32 bits: to empty next (by ipcd), to fill next
name = sys.argv[1] if len(sys.argv) > 1 else "/board"
c = ctypes.CDLL(None, use_errno=True)
c.sem_open.restype = ctypes.c_void_p
c.sem_wait.argtypes = c.sem_post.argtypes = [ctypes.c_void_p]


def semaphore(end):
    found = c.sem_open(f"{name}_{end}".encode(), 0)  # ipcd has created it
    if not found:  # SEM_FAILED
        sys.exit(f"{name}_{end}: {os.strerror(ctypes.get_errno())}")
    return found


empty, full, mutex = semaphore("empty"), semaphore("full"), semaphore("mutex")
# shm_open in Python is an open in /dev/shm. multiprocessing.shared_memory would remove the object at the end.
with open(f"/dev/shm{name}", "r+b") as file:
    buffer = mmap.mmap(file.fileno(), 8 + SLOTS * SIZE)
for text in sys.argv[2:]:
    message = text.encode()[:SIZE]
    c.sem_wait(empty)  # wait for a free slot
    c.sem_wait(mutex)  # one writer at a time, from here
    (tail,) = struct.unpack_from("=I", buffer, 4)
    start = 8 + tail * SIZE
    buffer[start:start + SIZE] = message.ljust(SIZE, b"\0")
    struct.pack_into("=I", buffer, 4, (tail + 1) % SLOTS)
    c.sem_post(mutex)  # to here
    c.sem_post(full)  # one more filled slot
