"""Writes the first inputs of each fuzz target: TARGET FOLDER. Standard library only."""

import pathlib
import sys

TILES = sorted((pathlib.Path(__file__).resolve().parents[1] / "tests/tiles").glob("*.jpg"))
# `region` takes eight bytes of choices and a tile; `zune` makes a tile of any bytes.
CHOICES = (b"\1\0\xff\0\xff\1\0\xff", b"\0\x30\xa0\x20\x90\3\3\x40")


def seeds(target):
    for tile in TILES:
        data = tile.read_bytes()
        if target == "region":
            yield from (choice + data for choice in CHOICES)
        else:
            yield data[-2000:]


target, folder = sys.argv[1], pathlib.Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
for number, seed in enumerate(seeds(target)):
    (folder / f"seed-{number}").write_bytes(seed)
