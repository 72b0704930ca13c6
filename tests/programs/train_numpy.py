"""Trains, as a researcher would, with numpy alone: goes on from its checkpoint, and fails in its first attempt if told to.

Arguments: the step after which the first attempt fails (0: never), and seconds that each step takes (default 0: it is saved only
before a failure; otherwise after each step). The last line says how often each patch was read, and by how many attempts.
"""

import collections
import json
import os
import pathlib
import pickle
import sys
import time

from microtome import PatchLoader

fails_after, attempt = int(sys.argv[1]), int(os.environ["MICROTOME_ATTEMPT"])
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
checkpoint = pathlib.Path(os.environ.get("MICROTOME_CHECKPOINTS", ".")) / "last.pickle"
loader = PatchLoader("train")
state = {"seen": [], "attempts": 0}
if checkpoint.exists():
    state = pickle.loads(checkpoint.read_bytes())
    loader.load_state_dict(state["loader"])
state["attempts"] += 1
for _ in loader.remaining_epochs():
    for step, batch in enumerate(loader, 1):
        image = batch["image"]
        assert image.shape[1:] == (256, 256, 3) and str(image.dtype).endswith("uint8"), (image.shape, image.dtype)
        state["seen"] += [int(index) for index in batch["index"]]
        fails = step == fails_after and attempt == 1
        if fails or seconds:
            state["loader"] = loader.state_dict()
            partial = checkpoint.with_suffix(".partial")
            partial.write_bytes(pickle.dumps(state))
            partial.rename(checkpoint)
            print(f"step {step} saved", flush=True)
        if fails:
            sys.exit(3)
        time.sleep(seconds)
counts = collections.Counter(state["seen"])
print(json.dumps({"patches": len(counts), "most": max(counts.values()), "attempts": state["attempts"]}), flush=True)
