"""A machine that reports itself, with psutil's names where psutil is installed. HOST PORT NAME HOW.

HOW is `raw` (one send and one recv for each report) or `lines` (each ends with LF)."""

import json
import os
import socket
import sys

host, port, name, how = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
client = socket.create_connection((host, port))


def figures():
    try:
        import psutil
    except ImportError:
        return {"getloadavg": os.getloadavg(), "cpu_count": os.cpu_count(), "cpu_freq": None}
    return {
        "cpu_percent": psutil.cpu_percent(),
        "virtual_memory": psutil.virtual_memory()._asdict(),
        "getloadavg": psutil.getloadavg(),
    }


for number in range(3):
    report = json.dumps({"host": name, "number": number, **figures()})
    client.sendall(report.encode() + (b"\n" if how == "lines" else b""))
    print(client.recv(1024).decode().strip())
client.sendall(f"latest {name}".encode() + (b"\n" if how == "lines" else b""))
latest = json.loads(client.recv(65536))
print(latest["host"], latest["number"], latest["age"] >= 0)
