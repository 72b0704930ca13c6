"""Reads JOB's batches with so much MEMORY and prints, in bytes, as JSON: what the engine held at most, what a batch is, and by how
much this process grew at most."""

import json
import pathlib
import sys

from microtome import PatchLoader


def status(name: str) -> int:
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))


before = status("VmRSS:")
with PatchLoader("train", job=sys.argv[1], memory=int(sys.argv[2]), workers=2, as_numpy=True) as loader:
    largest, batches = 0, 0
    for _ in loader.remaining_epochs():
        for batch in loader:
            largest = max(largest, batch["image"].nbytes)
            batches += 1
    engine = loader.stats()["engine"]
print(json.dumps({"batches": batches, "batch": largest, "held": engine["peak_bytes"], "grown": status("VmHWM:") - before}))
