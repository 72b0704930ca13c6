"""A program that reads its stream as fast as it can and keeps nothing. When the stream is at its end it says how many bytes
that were and waits for a line on stdin, so that the head can still be looked at."""

import json
import os
import socket
import sys
import time

buffer = memoryview(bytearray(64 << 20))
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(os.environ["MICROTOME_FEED"])
    connection.sendall(b"{}\n")
    received, first = 0, None
    with connection.makefile("rb", buffering=1 << 20) as stream:
        while True:
            frame = json.loads(stream.readline())
            if "bytes" not in frame:
                break
            first = first or time.monotonic()
            left = frame["bytes"]
            while left:
                left -= stream.readinto(buffer[:left])
            received += frame["bytes"]
print(json.dumps({"bytes": received, "seconds": time.monotonic() - first}), flush=True)
sys.stdin.readline()
