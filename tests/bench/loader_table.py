"""A table of what `loader.py` measured, with the bars."""

import json
import sys

rates = {row["what"]: row["patches_per_second"] for row in map(json.loads, sys.stdin)}
BARS = [
    ("PatchLoader", "microtome run", 0.97, "≤ 3 % of overhead"),
    ("PatchLoader", "DataLoader over tiffslide, 2 processes", 3.0, "≥ 3×"),
    ("microtome.Slide, regions one by one", "tiffslide, regions one by one", 2.0, "≥ 2×"),
    ("microtome.Slide, regions one by one", "openslide-python, regions one by one", 1.0, "not slower"),
]
for what, rate in rates.items():
    print(f"{what:44}{rate:>8} patches/s")
for ours, theirs, least, said in BARS:
    ratio = rates[ours] / rates[theirs]
    print(f"{ours} ÷ {theirs}: {ratio:.2f}   {said} {'✓' if ratio >= least else '✗'}")
