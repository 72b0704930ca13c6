"""Waits for a batch that never comes: the engine's only worker cannot cut, for there is none."""

import sys

from microtome import PatchLoader

loader = PatchLoader("train", job=sys.argv[1], workers=0, as_numpy=True)
print("waiting", flush=True)
next(iter(loader))
