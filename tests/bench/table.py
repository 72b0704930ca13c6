"""One table from the lines of all readers: patches a second, how many times OpenSlide's rate that is, and the bars.

A bar compares with what the codec alone does in the same run, by the tiles that a patch takes: a grid's tiles count once, so
decoding one twice misses the bar. The other bars compare with OpenSlide.
"""

import json
import sys

OURS = ("Microtome, one by one", "Microtome, batches")
OF_CODEC = {"aligned": 0.92, "random": 0.95, "grid": 0.92}
OF_OPENSLIDE = {"aligned": 3.0, "random": 2.4}

rows, patterns = {}, []
for line in sys.stdin:
    row = json.loads(line)
    rows.setdefault(row["reader"], {})[row["pattern"]] = row
    if row["pattern"] not in patterns:
        patterns.append(row["pattern"])


def rate(reader, pattern):
    return rows.get(reader, {}).get(pattern, {}).get("patches_per_second")


def of_codec(reader, pattern):
    """Our rate by that of the codec, if it had nothing to do but decode the tiles of these patches."""
    row, codec = rows[reader][pattern], rate("Microtome, codec", "aligned")
    tiles = row["tiles_unique" if pattern == "grid" else "tiles_decoded"] / row["patches"]
    return row["patches_per_second"] * tiles / codec


def bar(ratio, least):
    return "–" if least is None else f"{ratio:.2f} of {least:.2f} {'✓' if ratio >= least else '✗'}"


def line(name, cells):
    print(f"{name:40}" + "".join(f"{cell:>18}" for cell in cells))


line("patches/s, 1 thread", patterns)
for reader in rows:
    cells = []
    for pattern in patterns:
        found, base = rate(reader, pattern), rate("OpenSlide", pattern)
        cells.append("–" if found is None else f"{found:.0f} ({found / base:.2f}×)")
    line(reader, cells)
for reader in OURS:
    line(f"÷ codec's rate: {reader}", [bar(of_codec(reader, pattern), OF_CODEC.get(pattern)) for pattern in patterns])
for reader in OURS:
    ratios = [(rate(reader, pattern) / rate("OpenSlide", pattern), OF_OPENSLIDE.get(pattern)) for pattern in patterns]
    line(f"÷ OpenSlide's rate: {reader}", [bar(*ratio) for ratio in ratios])
for reader in OURS:
    row = rows[reader]["grid"]
    once = row["tiles_decoded"] == row["tiles_unique"]
    line(f"grid's tiles decoded: {reader}", [f"{row['tiles_decoded']} of {row['tiles_unique']} {'✓' if once else '✗'}"])
