"""A table of what `loader.py`, `data_loader.py` and `ray_pipeline.py` measured, with the bars.

Rates are patches a second from the first batch, which does not count, to the last.
"""

import json
import sys

NAMES = {
    "run": "microtome run",
    "stream": "the stream in shared memory, taken in Rust",
    "DataLoader": "DataLoader over tiffslide, 2 processes",
    "tuned": "Ray Data over tiffslide, a handle an actor",
    "Slide": "microtome.Slide, regions one by one",
    "openslide": "openslide-python, regions one by one",
    "tiffslide": "tiffslide, regions one by one",
}
BARS = [
    ("PatchLoader", "stream", "disk", 0.97, "≤ 3 % of overhead"),
    ("PatchLoader", "run", "disk", 0.97, "≤ 3 % of overhead"),
    ("PatchLoader", "tuned", "disk", 5.0, "≥ 5×"),
    ("PatchLoader", "tuned", "Azurite", 5.0, "≥ 5×"),
    ("PatchLoader", "DataLoader", "disk", 3.0, "≥ 3×"),
    ("PatchLoader", "DataLoader", "Azurite", 3.0, "≥ 3×"),
    ("Slide", "tiffslide", "disk", 2.0, "≥ 2×"),
    ("Slide", "openslide", "disk", 1.0, "not slower"),
]


def rate(row):
    if "arrived" not in row:
        return row["patches_per_second"]
    # Less than two batches in the given time give no rate: what is known is that it is low.
    if len(row["arrived"]) < 2:
        return 0.0
    (first, few), (last, patches) = row["arrived"][0], row["arrived"][-1]
    return (patches - few) / (last - first)


rates = {}
for row in map(json.loads, sys.stdin):
    where = "Azurite" if "://" in row["url"] else "disk"
    rates[row["how"], where] = rate(row)
    print(f"{NAMES.get(row['how'], row['how']):44}{where:>9}{rates[row['how'], where]:>8.0f} patches/s")
for ours, theirs, where, least, said in BARS:
    ratio = rates[ours, where] / max(rates[theirs, where], 1e-9)
    print(f"{NAMES.get(ours, ours)} ÷ {NAMES[theirs]}, {where}: {ratio:.2f}   {said} {'✓' if ratio >= least else '✗'}")
