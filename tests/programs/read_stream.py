"""Reads the whole stream of a head with nothing but Python's standard library, and prints what it was.

The frames are documented in crates/microtome-feed/src/handoff.rs, the digest in crates/microtome-feed/src/digest.rs.
Arguments: the exit code to end with (default 0), seconds to spend on each batch (default 0), as training would, and the
dataset to read (default: the job's first).
"""

import hashlib
import json
import os
import socket
import struct
import sys
import time
import zlib


def frames(path, request):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as stream:
            while True:
                frame = json.loads(stream.readline())
                if "error" in frame:
                    raise SystemExit(f"{frame['category']}: {frame['error']}")
                if "end" in frame:
                    return
                yield frame, stream.read(frame["bytes"])


def checksums(frame, pixels):
    """CRC-32 of each patch: all its views one after another. A frame holds view after view, all patches of it."""
    sums, start = [0] * len(frame["slide"]), 0
    for view in frame["views"]:
        count, height, width, channels = view["shape"]
        size = height * width * channels
        for number in range(count):
            sums[number] = zlib.crc32(pixels[start : start + size], sums[number])
            start += size
    return sums


def main():
    exit_code = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    digest, patches, batches = hashlib.sha256(), 0, 0
    request = {"dataset": sys.argv[3]} if len(sys.argv) > 3 else {}
    for frame, pixels in frames(os.environ["MICROTOME_FEED"], request):
        for record in zip(frame["slide"], frame["x"], frame["y"], checksums(frame, pixels)):
            digest.update(struct.pack("<IiiI", *record))
        patches, batches = patches + len(frame["slide"]), batches + 1
        if batches == 1:
            print(f"first batch at {time.time():.3f}", flush=True)
        if batches % 10 == 0:
            print(f"batch {batches}", flush=True)
        time.sleep(seconds)
    print(json.dumps({"patches": patches, "batches": batches, "stream_digest": digest.hexdigest()}), flush=True)
    sys.exit(exit_code)


main()
