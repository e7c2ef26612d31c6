"""Prints a line for each signal that the daemon queues when something was said in the chat or a machine has reported.
Usage: notify.py [SOCKET [COUNT]]; for the daemon's own user"""
import select
import signal
import socket
import sys
import time

path, count = (sys.argv[1:] + ["/run/ipcd/ipcd.sock", "-1"][len(sys.argv) - 1:])[:2]
number = signal.SIGRTMIN + 1
# Blocked before the first one can come: by default this signal ends the process.
signal.pthread_sigmask(signal.SIG_BLOCK, [number])
server = socket.socket(socket.AF_UNIX)
server.connect(path)
server.sendall(b"control\nnotify\n")
answer = server.recv(200).decode()
if answer != "OK\n":
    sys.exit(answer.strip())
print("waiting for signals", file=sys.stderr)
count = int(count)
asked = time.monotonic()
while count != 0:  # they come as long as the connection is open
    info = signal.sigtimedwait([number], 1)
    if info:
        # Python does not report the value of a signal, which is the number of messages.
        print(f"something new, says pid {info.si_pid}", flush=True)
        count -= 1
    if time.monotonic() - asked > 60:  # the daemon closes a connection that says nothing for five minutes
        server.sendall(b"notify\n")
        asked = time.monotonic()
    if select.select([server], [], [], 0)[0] and not server.recv(200):
        sys.exit("the daemon has ended")
