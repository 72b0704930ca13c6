"""Reads so many batches of a head's stream, keeps where it was, and goes on from there the next time, as training would.

Arguments: the file of the checkpoint, the file of what was read so far, and how many batches to read. At the stream's end
it prints the digest of everything that was read, by whichever run.
"""

import hashlib
import json
import os
import pathlib
import socket
import struct
import sys
import zlib

checkpoint, records, batches = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
request = {"checkpoint": json.loads(checkpoint.read_text())} if checkpoint.exists() else {}
with socket.socket(socket.AF_UNIX) as connection, records.open("ab") as log:
    connection.connect(os.environ["MICROTOME_FEED"])
    connection.sendall(json.dumps(request).encode() + b"\n")
    with connection.makefile("rb") as stream:
        for _ in range(batches):
            frame = json.loads(stream.readline())
            if "error" in frame:
                raise SystemExit(f"{frame['category']}: {frame['error']}")
            if "end" in frame:
                print(hashlib.sha256(records.read_bytes()).hexdigest(), flush=True)
                break
            [view] = frame["views"]
            count, height, width, channels = view["shape"]
            for number in range(count):
                place = (frame["slide"][number], frame["x"][number], frame["y"][number])
                log.write(struct.pack("<IiiI", *place, zlib.crc32(stream.read(height * width * channels))))
            log.flush()
            checkpoint.write_text(json.dumps(frame["checkpoint"]))
