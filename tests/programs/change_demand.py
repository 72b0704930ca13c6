"""Trains in steps whose time changes: slow, four times as fast, slow again. Prints, for each second, what it waited for patches.

Arguments: seconds of a slow step, seconds of each phase. The protocol is that of read_stream.py beside this file.
"""

import json
import os
import socket
import sys
import time

slow, phase = float(sys.argv[1]), float(sys.argv[2])
steps = [slow, slow / 4, slow]
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(os.environ["MICROTOME_FEED"])
    connection.sendall(b"{}\n")
    with connection.makefile("rb") as stream:
        stream.read(json.loads(stream.readline())["bytes"])  # the first batch is there when training begins
        began = second = time.monotonic()
        waited, batches = 0.0, 0
        while (now := time.monotonic()) < began + phase * len(steps):
            if now >= second + 1:
                print(json.dumps({"at": now - began, "waited": waited / (now - second), "batches": batches}), flush=True)
                second, waited, batches = now, 0.0, 0
            asked = time.monotonic()
            head = json.loads(stream.readline())  # comes when the batch is there; to copy it out of the socket is work, not waiting
            waited += time.monotonic() - asked
            stream.read(head["bytes"])
            batches += 1
            time.sleep(steps[int((now - began) / phase)])
