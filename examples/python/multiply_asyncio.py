"""Multiplies with asyncio streams. Usage: multiply_asyncio.py [PORT [A B]]"""
import asyncio
import sys


async def multiply(port, a, b):
    reader, writer = await asyncio.open_connection("localhost", port)
    # On the wire: b"5 10\n". Without the \n, readline() below would wait for ever: a client that sends
    # no line ends gets none.
    writer.write(f"{a} {b}\n".encode())
    await writer.drain()
    print((await reader.readline()).decode().rstrip("\n"), file=sys.stderr)  # b"Data received\n"
    reply = (await reader.readline()).decode().rstrip("\n")                  # b"50.0\n"
    writer.close()
    await writer.wait_closed()
    return reply


port, a, b = (sys.argv[1:] + ["65432", "5", "10"][len(sys.argv) - 1:])[:3]
try:
    reply = asyncio.run(asyncio.wait_for(multiply(int(port), a, b), timeout=10))
except (OSError, asyncio.TimeoutError) as error:
    sys.exit(f"localhost:{port}: {error}")
if reply.startswith("Error: "):
    sys.exit(reply)
print(reply)
