"""The clients of packaging/test-boot. Each mode prints what it saw, and fails if a client would expect something else."""

import socket
import subprocess
import sys
import threading
import time

CHAT = ("127.0.0.1", 33000)
MULTIPLY = ("127.0.0.1", 65432)
MUX = "/run/ipcd/ipcd.sock"
PATIENCE = 10


class Member:
    """A member of the chat room."""

    def __init__(self, name):
        self.name = name
        self.heard = b""
        self.socket = socket.create_connection(CHAT, timeout=PATIENCE)
        self.say(name)
        self.hear(f"Welcome {name}!")

    def say(self, text):
        self.socket.sendall(text.encode() + b"\n")

    def hear(self, text):
        """Waits until this text arrives."""
        end = time.monotonic() + PATIENCE
        while text.encode() not in self.heard:
            if time.monotonic() > end:
                sys.exit(f"{self.name} never heard {text!r} but {self.heard!r}")
            try:
                data = self.socket.recv(4096)
            except OSError as error:
                sys.exit(f"{self.name} waited for {text!r}, heard {self.heard!r}, then: {error}")
            if not data:
                sys.exit(f"{self.name} waited for {text!r}, heard {self.heard!r}, then the end")
            self.heard += data

    def end(self):
        """Reads everything until the end of the connection."""
        try:
            while data := self.socket.recv(4096):
                self.heard += data
        except OSError as error:
            self.heard += f" [{error}]".encode()
        return self.heard.decode()


def run(command):
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command}: status {done.returncode}: {done.stdout}{done.stderr}")
    return time.monotonic() - started


def survive(command):
    """A member that is in the room before the command is still there afterwards, with the same name."""
    alice = Member("alice")
    took = run(command)
    bob = Member("bob")
    alice.say("still here")
    bob.hear("alice: still here")
    alice.hear("bob has joined")
    for sign in (b"shutting down", b"alice has left"):
        if sign in alice.heard + bob.heard:
            sys.exit(f"alice heard {alice.heard!r}, bob {bob.heard!r}")
    for member in (alice, bob):
        member.say("{quit}")
        member.end()
    print(f"{took:.2f} s, and alice is still in the room")


def goodbye(command):
    """A member is told that the server stops."""
    alice = Member("alice")
    took = run(command)
    heard = alice.end()
    if "Server is shutting down." not in heard:
        sys.exit(f"alice heard {heard!r}")
    print(f"{took:.2f} s, and alice was told")


def stream(command):
    """A steady stream of connections while the command runs: each one gets its answer."""
    stop = threading.Event()
    outcomes = {}
    lock = threading.Lock()

    def count(outcome):
        with lock:
            outcomes[outcome] = outcomes.get(outcome, 0) + 1

    def visit(address):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        while not stop.is_set():
            with socket.socket(family) as peer:
                peer.settimeout(PATIENCE)
                try:
                    peer.connect(address)
                    peer.sendall(b"6 7\n")
                    heard = b""
                    while b"42.0\n" not in heard:
                        data = peer.recv(4096)
                        if not data:
                            raise ConnectionError(f"ended after {heard!r}")
                        heard += data
                    count("answered")
                except OSError as error:
                    count(str(error))
            # A steady stream, not a flood: the machine has other work.
            time.sleep(0.002)

    threads = [threading.Thread(target=visit, args=(address,)) for address in (MULTIPLY, MUX, MULTIPLY)]
    for thread in threads:
        thread.start()
    try:
        took = run(command)
        time.sleep(0.3)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    print(f"{took:.2f} s: {outcomes}")
    if set(outcomes) != {"answered"}:
        sys.exit("not everybody was answered")


def many(number, *command):
    """Many connections from before the command are still open afterwards, and each still gets answers."""
    crowd = [socket.create_connection(MULTIPLY, timeout=PATIENCE) for _ in range(int(number))]
    for peer in crowd:
        peer.sendall(b"6")
    took = run(command)
    for count, peer in enumerate(crowd):
        peer.sendall(b" 7\n")
        heard = b""
        while b"42.0\n" not in heard:
            try:
                data = peer.recv(4096)
            except OSError as error:
                sys.exit(f"number {count} heard {heard!r}, then: {error}")
            if not data:
                sys.exit(f"number {count} heard {heard!r}, then the end")
            heard += data
    print(f"{took:.2f} s, and {number} are still answered")


if __name__ == "__main__":
    mode, *rest = sys.argv[1:]
    if mode == "many":
        many(*rest)
    else:
        {"survive": survive, "goodbye": goodbye, "stream": stream}[mode](rest)
