"""Reads a job's `train` stream as training would and writes what it got, a line a batch: OUT.RANK [BATCHES [STATE]].

BATCHES: how many to read, then the state is kept; 0: all. STATE: a file of an earlier run's to go on from, and to keep the
next one in. Under torchrun it is one of the ranks, which meet at every step, as training does. Every second step it reads the
whole of `val`.
"""

import hashlib
import json
import os
import pathlib
import sys

import torch
from microtome import PatchLoader

out, most = pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
state = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else None
ranks = int(os.environ.get("WORLD_SIZE", "1"))
if ranks > 1:
    torch.distributed.init_process_group("gloo")
rank = torch.distributed.get_rank() if ranks > 1 else 0


def lines(batch: dict[str, torch.Tensor]) -> list[str]:
    pixels = batch["image"].numpy()
    return [hashlib.sha256(patch.tobytes()).hexdigest()[:16] + f"/{int(n)}" for patch, n in zip(pixels, batch["index"])]


with PatchLoader("train") as train, PatchLoader("val") as val, open(f"{out}.{rank}", "a") as log:
    if state is not None and state.exists():
        train.load_state_dict(torch.load(state))
    taken = 0
    for epoch in train.remaining_epochs():
        for step, batch in enumerate(train):
            log.write(json.dumps({"epoch": epoch, "rows": lines(batch)}) + "\n")
            if step % 2 == 1:
                log.write(json.dumps({"val": [line for part in val for line in lines(part)]}) + "\n")
            if ranks > 1:
                torch.distributed.barrier()
            taken += 1
            if taken == most:
                if state is not None and rank == 0:
                    torch.save(train.state_dict(), state)
                sys.exit()
