"""Which of the processes of a distributed training this is."""

from __future__ import annotations

import hashlib
import os
import pathlib
import sys
import tempfile
from typing import NamedTuple

from .errors import RequestError


class Ranks(NamedTuple):
    """This process and how many there are."""

    rank: int
    world: int


def find(rank: int | None, world: int | None) -> Ranks:
    """As given, or as torch.distributed says, or the variables that torchrun sets; alone otherwise."""
    if (rank is None) != (world is None):
        raise RequestError("give both rank and world_size, or neither")
    if rank is not None and world is not None:
        return Ranks(rank, world)
    distributed = getattr(sys.modules.get("torch"), "distributed", None)
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return Ranks(distributed.get_rank(), distributed.get_world_size())
    return Ranks(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


def meeting_place(ranks: Ranks, what: str) -> pathlib.Path | None:
    """The directory in which the ranks of one machine find the engine that rank 0 runs; `None` if there is one rank."""
    if ranks.world == 1:
        return None
    local = int(os.environ.get("LOCAL_WORLD_SIZE", str(ranks.world)))
    if local != ranks.world:
        raise RequestError(
            f"{ranks.world} ranks on several machines need a head: run the job on the cluster, or one machine's ranks here"
        )
    run = [os.environ.get(name, "") for name in ("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT")]
    key = hashlib.sha256("\0".join([*run, str(os.getppid()), what]).encode()).hexdigest()[:16]
    return pathlib.Path(tempfile.gettempdir(), f"microtome-{os.getuid()}-{key}")
