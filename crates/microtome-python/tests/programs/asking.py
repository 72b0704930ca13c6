"""Reads a stream, asks for its patches again beside it, and has a source of its own: prints what came, as JSON."""

import json
import sys

import numpy as np
from microtome import PatchLoader, PatchSpec, errors

found: dict[str, object] = {"planned": [], "again": True}
with PatchLoader("train", as_numpy=True, prefetch_factor=1) as loader:
    planned = []
    batches = iter(loader)
    for _, batch in zip(range(3), batches):
        planned.append(batch["index"].tolist())
        specs = [PatchSpec(url, int(x), int(y)) for url, x, y in zip(batch["url"], batch["x"], batch["y"], strict=True)]
        found["again"] = bool(found["again"]) and bool(np.array_equal(loader.read(specs)["image"], batch["image"]))
    found["stats"] = loader.stats()["engine"]
    planned.extend(batch["index"].tolist() for batch in batches)
    found["planned"] = planned
    try:
        loader.read([PatchSpec("elsewhere.svs", 0, 0)])
    except errors.MicrotomeError as error:
        found["unknown"] = type(error).__name__
rounds = [[PatchSpec(sys.argv[1], place, 40)] for place in range(7)]
with PatchLoader("train", as_numpy=True, source=rounds) as loader:
    found["source"] = [[int(batch["x"][0]), int(batch["y"][0])] for batch in loader]
print(json.dumps(found))
