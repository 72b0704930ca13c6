"""Reads the whole stream of a head with nothing but Python's standard library, and prints what it was.

The frames are documented in crates/microtome-feed/src/handoff.rs, the digest in crates/microtome-feed/src/digest.rs.
Arguments: the exit code to end with (default 0), and seconds to spend on each batch (default 0), as training would.
"""

import hashlib
import json
import os
import socket
import struct
import sys
import time
import zlib


def frames(path):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(b"{}\n")
        with connection.makefile("rb") as stream:
            while True:
                frame = json.loads(stream.readline())
                if "error" in frame:
                    raise SystemExit(f"{frame['category']}: {frame['error']}")
                if "end" in frame:
                    return
                yield frame, stream.read(frame["bytes"])


def main():
    exit_code = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    digest, patches, batches = hashlib.sha256(), 0, 0
    for frame, pixels in frames(os.environ["MICROTOME_FEED"]):
        count, height, width, channels = frame["shape"]
        size = height * width * channels
        for number in range(count):
            crc32 = zlib.crc32(pixels[number * size : (number + 1) * size])
            digest.update(struct.pack("<IiiI", frame["slide"][number], frame["x"][number], frame["y"][number], crc32))
        patches, batches = patches + count, batches + 1
        if batches == 1:
            print(f"first batch at {time.time():.3f}", flush=True)
        if batches % 10 == 0:
            print(f"batch {batches}", flush=True)
        time.sleep(seconds)
    print(json.dumps({"patches": patches, "batches": batches, "stream_digest": digest.hexdigest()}), flush=True)
    sys.exit(exit_code)


main()
