"""The cases of RFC 6455 with Python's `websockets`: `websockets.py ws://HOST:PORT`. The room must take messages of 1 MiB.

Says `ok` and how many cases there were, or which one failed and why. Most cases are for the room: it says to everybody what
somebody said, with the name before it, as a server of echoes would.
"""
import asyncio
import os
import sys

sys.path.pop(0)  # not this file
import websockets
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

URL = sys.argv[1]
TIMEOUT = 60
MASK = b"\x37\xfa\x21\x3d"
cases = 0


def text_of(length, seed):
    """A text of so many bytes; some of its characters take more than one."""
    alphabet = ["a", "é", "€", "🙂", "z", " "]
    out, size, at = ["x"], 1, seed
    while size < length:
        letter = alphabet[at % len(alphabet)]
        at += 1
        if size + len(letter.encode()) > length or size + 1 == length:
            letter = "y"
        out.append(letter)
        size += len(letter.encode())
    return "".join(out)


async def heard(ws):
    return await asyncio.wait_for(ws.recv(), TIMEOUT)


async def member(name, **options):
    """Somebody who has come into the room."""
    ws = await connect(f"{URL}/chat", max_size=2**24, **options)
    assert await heard(ws) == "Greetings from the cave! Now type your name and press enter!"
    await ws.send(name)
    assert (await heard(ws)).startswith(f"Welcome {name}!")
    return ws


def case(what, is_right):
    global cases
    cases += 1
    assert is_right, what


async def lengths_and_fragments():
    ws = await member("ann")
    case("permessage-deflate was offered, and is declined", ws.protocol.extensions == [])
    for length in [1, 2, 125, 126, 127, 128, 1000, 4096, 65535, 65536, 65537, 500_000]:
        text = text_of(length, length)
        await ws.send(text)
        case(f"1.1: text of {length} bytes", await heard(ws) == "ann: " + text)
        await ws.send(text.encode())
        case(f"1.2: binary of {length} bytes", await heard(ws) == "ann: " + text)
        for pieces in [2, 3, 7]:
            size = max(1, len(text) // pieces)
            parts = [text[at : at + size] for at in range(0, len(text), size)]
            await ws.send(parts)
            case(f"5: {length} bytes in {len(parts)} fragments", await heard(ws) == "ann: " + text)
            await ws.send([b"", *(part.encode() for part in parts), b""])
            case(f"5: {length} bytes between empty fragments", await heard(ws) == "ann: " + text)
    await ws.close()
    case("7.1: an ordinary close", (ws.close_code, ws.close_reason) == (1000, ""))


async def pings():
    ws = await member("ben")
    for length in [0, 1, 124, 125]:
        waiter = await ws.ping(os.urandom(length))
        await asyncio.wait_for(waiter, TIMEOUT)
        case(f"2: a ping of {length} bytes", True)
        await ws.pong(os.urandom(length))
        await ws.send("after a pong that nobody asked for")
        case("2.7: it changes nothing", (await heard(ws)).endswith("nobody asked for"))
    waiters = [await ws.ping(bytes([number])) for number in range(100)]
    await asyncio.wait_for(asyncio.gather(*waiters), TIMEOUT)
    case("2.11: a hundred pings at once", True)
    await ws.close()


async def closes():
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]:
        ws = await member(f"c{code}")
        await ws.close(code, "bye " * 30)
        case(f"7.7: a close with {code} is answered with it", ws.protocol.close_rcvd.code == code)
    ws = await connect(f"{URL}/hello")
    await ws.send("Hello from client")
    case("a service", await heard(ws) == "Hello from server")
    try:
        await heard(ws)
        case("7.1.6: the service closes", False)
    except ConnectionClosed as closed:
        case("7.1.6: the service closes", closed.rcvd.code == 1000)


def frame(first, payload, masked=True, length=None):
    size = len(payload) if length is None else length
    flag = 0x80 if masked else 0
    head = bytes([first, flag | size]) if size < 126 else bytes([first, flag | 126]) + size.to_bytes(2, "big")
    return head + (MASK + bytes(b ^ MASK[at % 4] for at, b in enumerate(payload)) if masked else payload)


async def broken_rules():
    split = "κόσμε".encode()
    cases_of = [
        *((f"3: reserved bits {bits:x}", frame(0x81 | bits, b"x"), 1002) for bits in (0x10, 0x20, 0x40, 0x70)),
        *((f"4.1: opcode {op}", frame(0x80 | op, b""), 1002) for op in (3, 4, 5, 6, 7)),
        *((f"4.2: opcode {op}", frame(0x80 | op, b""), 1002) for op in (11, 12, 13, 14, 15)),
        ("2.5: a ping of 126 bytes", frame(0x89, b"x" * 126), 1002),
        ("5.1: a ping in fragments", frame(0x09, b"x") + frame(0x80, b"y"), 1002),
        ("5.9: a continuation of nothing", frame(0x80, b"x"), 1002),
        ("5.18: a text within a text", frame(0x01, b"x") + frame(0x81, b"y"), 1002),
        ("6: text that is none", frame(0x81, split + b"\xed\xa0\x80edited"), 1007),
        ("6.2: the same in fragments", frame(0x01, split) + frame(0x80, b"\xf4\x90\x80\x80"), 1007),
        ("6.4: a character that ends too soon", frame(0x81, split[:-1]), 1007),
        ("7.3.2: a close of one byte", frame(0x88, b"x"), 1002),
        ("7.3.6: a close of 126 bytes", frame(0x88, b"\x03\xe8" + b"x" * 124), 1002),
        ("7.5: a reason that is no text", frame(0x88, b"\x03\xe8\xff"), 1007),
        *((f"7.9: a close with {code}", frame(0x88, code.to_bytes(2, "big")), 1002)
          for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)),
        ("no mask", frame(0x81, b"5 10", masked=False), 1002),
    ]
    for what, sent, code in cases_of:
        ws = await connect(f"{URL}/multiply")
        # Past the library, which would send none of these.
        ws.transport.write(frame(0x81, b"5 10") + sent)
        case(what, [await heard(ws), await heard(ws)] == ["Data received", "50.0"])
        try:
            last = await heard(ws)
            case(f"{what}: {last}", last.startswith("Error: "))
            await heard(ws)
            case(f"{what}: still open", False)
        except ConnectionClosed as closed:
            case(f"{what}: closed with {closed.rcvd}", closed.rcvd and closed.rcvd.code == code)
    ws = await member("big")
    await ws.send("x" * (2**20 + 1))
    try:
        await heard(ws)
        await heard(ws)
        case("1009: still open", False)
    except ConnectionClosed as closed:
        case("1009: a message that is too long", closed.rcvd.code == 1009)


async def byte_by_byte():
    ws = await connect(f"{URL}/multiply")
    for byte in frame(0x01, "5 ".encode()) + frame(0x89, b"?") + frame(0x80, b"10"):
        ws.transport.write(bytes([byte]))
        await asyncio.sleep(0)
    case("5.20: byte by byte", [await heard(ws), await heard(ws)] == ["Data received", "50.0"])
    await ws.close()


async def many():
    ws = await connect(f"{URL}/multiply")
    for number in range(1000):
        await ws.send(f"{number} 2")
    for number in range(1000):
        assert await heard(ws) == "Data received"
        assert await heard(ws) == f"{number * 2}.0", number
    case("9: a thousand messages, each answered in its turn", True)
    await ws.close()


async def main():
    assert websockets.__version__.split(".")[0].isdigit()
    for part in (lengths_and_fragments, pings, closes, broken_rules, byte_by_byte, many):
        await part()
    print("ok", cases, "cases")


asyncio.run(main())
