"""Writes the first inputs of the fuzz target: TARGET FOLDER. Standard library only; fields are those of proto/feed.proto."""

import pathlib
import struct
import sys
import zlib


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def data(field, value):
    return varint(field << 3 | 2) + varint(len(value)) + value


def packed(field, values):
    return data(field, b"".join(varint(value << 1) for value in values))


def message(field, *parts):
    return data(field, b"".join(parts))


def of(lease, attempt=1):
    return number(1, lease) + number(2, attempt)


INFO = (b'{"format":"generic-tiff","width":64,"height":64,"mpp_x":null,"mpp_y":null,"levels":'
        b'[{"width":64,"height":64,"downsample":1.0,"tile_width":16,"tile_height":16,"compression":"none"}],"properties":{}}')
PIXELS = bytes(range(12))
selected = [message(4, of(lease), data(3, b'"etag"'), number(4, 9000), data(5, INFO), packed(6, range(8)), packed(7, range(8)))
            for lease in (1, 2)]
crc = struct.pack("<I", zlib.crc32(PIXELS))
part = lambda lease, patches: message(2, of(lease), data(3, crc * patches), data(4, PIXELS * patches))
done = lambda lease: message(3, of(lease), data(5, b'"etag"'))
cut = [seed for lease in range(3, 8) for seed in (part(lease, 2), part(lease, 2), done(lease))]
failed = message(5, of(3), data(3, b"Storage"), data(4, b"no"))
bad = message(3, of(3), message(3, number(1, 1), data(2, b"Malformed"), data(3, b"tile")))
framed = lambda *messages: b"\0" + b"".join(struct.pack(">H", len(one)) + one for one in messages)
SEEDS = [
    framed(*selected, *cut), framed(*selected, failed), framed(*selected, part(3, 4), bad), framed(message(6)),
    framed(*selected, message(7, of(3)), message(6)), framed(message(8, of(1), data(3, b"[]"))),
    b"\1" + b"".join(b"\0" + struct.pack(">I", len(one)) + one for one in (*selected, *cut)),
    b"\1\1\0\0\0\4abcd", b"\1\0\xff\xff\xff\xff",
]

folder = pathlib.Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
for at, seed in enumerate(SEEDS):
    (folder / f"seed-{at}").write_bytes(seed)
