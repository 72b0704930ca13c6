"""Writes the first inputs of each fuzz target: TARGET FOLDER, from the project's test slides. Standard library only."""

import pathlib
import struct
import sys
import zlib

SLIDES = pathlib.Path(__file__).resolve().parents[3] / "tests/slides"
SAMPLES = bytes(at * 37 % 256 for at in range(24))
# First byte of a tile's input: which samples it has (RGB, YCbCr, grey), and bit 3 the predictor.
RGB, YCBCR, GREY, DIFFERENCES = 0, 1, 2, 8


def tile(kind, width, height, *parts):
    return bytes([kind, width, height]) + b"".join(parts)


def lzw(samples):
    """Codes of nine bits alone: clear, the samples, end."""
    bits = "".join(f"{code:09b}" for code in [256, *samples, 257])
    return bytes(int(bits[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(bits), 8))


def zstd(samples):
    """A frame of one raw block."""
    return struct.pack("<IBB", 0xFD2FB528, 0x20, len(samples)) + struct.pack("<I", len(samples) << 3 | 1)[:3] + samples


def svs(count):
    """JPEGTables and some tiles of a real slide."""
    data = (SLIDES / "CMU-1-Small-Region.svs").read_bytes()
    (at,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, at)
    rows = [struct.unpack_from("<HHII", data, at + 2 + 12 * entry) for entry in range(entries)]
    field = {tag: (number, value) for tag, _, number, value in rows}
    values = lambda tag: struct.unpack_from(f"<{field[tag][0]}I", data, field[tag][1])
    number, start = field[347]
    places = list(zip(values(324), values(325)))[:count]
    return data[start : start + number], [data[start : start + length] for start, length in places]


def tables(kind, tables, data):
    return tile(kind, 240, 240, struct.pack("<H", len(tables)), tables, data)


def seeds(target):
    if target == "open":
        for path in sorted(SLIDES.rglob("*.tif*")):
            if path.stat().st_size <= 300_000:
                yield path.read_bytes()
    elif target == "jpeg":
        for path in sorted((SLIDES / "jpeg").glob("*.jpg")):
            yield tile(GREY if path.stem == "grey" else RGB, 240, 240, path.read_bytes())
        shared, some = svs(3)
        for data in some:
            yield tile(YCBCR, 240, 240, shared[:-2], data[2:])
    elif target == "jpeg_tables":
        shared, some = svs(4)
        for data in some:
            yield tables(RGB, shared, data)
        yield tables(YCBCR, shared[:-2], some[0])
        yield tables(RGB, b"", shared[:-2] + some[0][2:])
    elif target == "jpeg2000":
        for path in sorted((SLIDES / "jpeg2000").glob("*.j2k")):
            yield tile(YCBCR if "ycbcr" in path.stem else RGB, 16, 12, path.read_bytes())
    else:
        encode = {"raw": bytes, "lzw": lzw, "deflate": zlib.compress, "zstd": zstd}[target]
        for kind in (RGB, RGB | DIFFERENCES, GREY):
            yield tile(kind, 4, 2, encode(SAMPLES))
            yield tile(kind, 4, 2, encode(SAMPLES + bytes(100)))


target, folder = sys.argv[1], pathlib.Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
for number, seed in enumerate(seeds(target)):
    (folder / f"seed-{number}").write_bytes(seed)
