"""The server in Python with the package websockets.

    ws-server.py multiply|chat PORT
"""

import asyncio
import sys

from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed

members = {}


async def multiply(socket):
    async for message in socket:
        a, b = message.split()
        await socket.send("Data received")
        await socket.send(repr(float(a) * float(b)))


async def chat(socket):
    await socket.send("Greetings from the cave! Now type your name and press enter!")
    name = await socket.recv()
    await socket.send(f"Welcome {name}! If you ever want to quit, type {{quit}} to exit.")
    broadcast(members, f"{name} has joined the chat!")
    members[socket] = name
    try:
        async for message in socket:
            broadcast(members, f"{name}: {message}")
    finally:
        del members[socket]
        broadcast(members, f"{name} has left the chat.")


async def main(service, port):
    async def handle(socket):
        try:
            await {"multiply": multiply, "chat": chat}[service](socket)
        except ConnectionClosed:
            pass

    async with serve(handle, "127.0.0.1", int(port), backlog=4096, compression=None, ping_interval=None) as server:
        await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
