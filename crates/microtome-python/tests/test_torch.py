"""With real torch: the same batches in this process and under a head, for one rank and for two, and after every stop."""

import copy
import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import PROGRAMS, ROOT, TRAIN, VAL, Run, write_job
from microtome import PatchDataset, PatchLoader, errors

torch = pytest.importorskip("torch", reason="NumPy alone is tested elsewhere")
HASHES = PROGRAMS / "hash_stream.py"


def read(*files: pathlib.Path) -> tuple[list[tuple[int, list[str]]], list[list[str]]]:
    """Steps of `train` and readings of `val`; those of several ranks put together, which must have as many steps each."""
    logs = [[json.loads(line) for line in file.read_text().splitlines()] for file in files]
    assert len({len(log) for log in logs}) == 1, "ranks take equal steps"
    steps: list[tuple[int, list[str]]] = []
    readings: list[list[str]] = []
    for rows in zip(*logs, strict=True):
        if "val" in rows[0]:
            # Each rank has its part of every batch of 50.
            parts = [[row["val"][at : at + 50 // len(rows)] for at in range(0, len(row["val"]), 50 // len(rows))] for row in rows]
            readings.append(sorted(line for part in parts for batch in part for line in batch))
        else:
            steps.append((rows[0]["epoch"], [line for row in rows for line in row["rows"]]))
    return steps, readings


@pytest.fixture
def whole(job: pathlib.Path, tmp_path: pathlib.Path, run: Run) -> list[tuple[int, list[str]]]:
    """The whole stream, read in one process."""
    run(HASHES, "whole")
    steps, readings = read(tmp_path / "whole.0")
    assert len(steps) == 18 and len(readings) == 9
    assert all(reading == readings[0] and len(set(reading)) == 165 for reading in readings)
    return steps


def test_a_head_with_two_workers_gives_the_same(
    job: pathlib.Path, whole: Any, tmp_path: pathlib.Path, under_a_head: Callable[..., str]
) -> None:
    under_a_head(job, HASHES, "head")
    steps, readings = read(tmp_path / "head.0")
    assert steps == whole and len({tuple(reading) for reading in readings}) == 1


@pytest.mark.parametrize("place", ["here", "head"])
def test_two_ranks_share_the_same_steps_and_one_goes_on_alone(
    job: pathlib.Path, whole: Any, tmp_path: pathlib.Path, run: Run, under_a_head: Callable[..., str], place: str
) -> None:
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", HASHES, "ranks"]

    def two(*arguments: Any) -> None:
        if place == "here":
            run(*torchrun, *arguments)
        else:
            under_a_head(job, *torchrun, *arguments)

    two("7", "state.pt")
    steps, readings = read(tmp_path / "ranks.0", tmp_path / "ranks.1")
    assert steps == whole[:7]
    assert all(len(set(reading)) == 165 and reading == readings[0] for reading in readings)
    assert all(len(line["rows"]) == 25 for line in map(json.loads, (tmp_path / "ranks.1").read_text().splitlines()) if "rows" in line)
    # At an epoch's end, then alone.
    two("5", "state.pt")
    run(HASHES, "alone", "0", "state.pt")
    assert read(tmp_path / "ranks.0", tmp_path / "ranks.1")[0] == whole[:12]
    assert read(tmp_path / "alone.0")[0] == whole[12:]


def test_a_world_that_cannot_share_a_batch_is_told_what_could(job: pathlib.Path) -> None:
    loader = PatchLoader("train", job=job, rank=0, world_size=3)
    with pytest.raises(errors.RequestError, match="batchSize: 50 is no multiple of the 3 ranks .* take 48 or 51"):
        len(loader)
    loader.close()


def test_the_sample_trains_here_and_under_a_head(
    tmp_path: pathlib.Path, run: Run, under_a_head: Callable[..., str]
) -> None:
    job = write_job(tmp_path / "patchjob.yaml", {**copy.deepcopy(TRAIN), "epochs": 1}, VAL)
    sample = ROOT / "config/samples/train.py"
    run(sample)
    under_a_head(job, sample)


def test_tensors_look_at_shared_memory(job: pathlib.Path) -> None:
    with PatchLoader("train", job=job) as loader:
        batch = next(iter(loader))
        image = batch["image"]
        assert isinstance(image, torch.Tensor) and image.dtype == torch.uint8 and not image.is_pinned()
        assert image.data_ptr() == image.numpy().__array_interface__["data"][0]
        kept = image.permute(0, 3, 1, 2)
        copied = kept.clone()
        del batch, image
        for _ in loader:
            pass
        assert torch.equal(kept, copied)
    with PatchLoader("train", job=job, device="cpu") as loader:
        assert next(iter(loader))["grade"].tolist() == [2] * 50


def test_torchs_own_loader_takes_the_dataset(job: pathlib.Path) -> None:
    from torch.utils.data import DataLoader

    with PatchLoader("train", job=job) as loader:
        expected = [batch["index"].tolist() for batch in loader]
    dataset = PatchDataset("train", job=job)
    loaded = DataLoader(dataset, batch_size=None)
    assert [batch["index"].tolist() for batch in loaded] == expected
    with pytest.raises(errors.RequestError, match="num_workers=0"):
        next(iter(DataLoader(PatchDataset("train", job=job), batch_size=None, num_workers=1)))
    dataset.loader.close()


def test_a_batch_is_what_a_loss_wants(job: pathlib.Path) -> None:
    with PatchLoader("train", job=job) as loader:
        batch = next(iter(loader))
    scores = torch.zeros(50, 5, requires_grad=True)
    torch.nn.functional.cross_entropy(scores, batch["grade"]).backward()
    assert np.isclose(float(scores.grad.abs().sum()), 1.6)
