"""The loader in one process: what it yields, where it goes on, and what becomes of its memory."""

import gc
import json
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
from conftest import PROGRAMS, SLIDE, TRAIN, Run, write_job
from microtome import PatchDataset, PatchLoader, Slide, errors


def open_loader(job: pathlib.Path, dataset: str = "train", **options: Any) -> PatchLoader:
    return PatchLoader(dataset, job=job, as_numpy=True, workers=2, **options)


def numbers(loader: PatchLoader) -> list[int]:
    return [int(number) for batch in loader for number in batch["index"]]


def test_batches_hold_the_slides_pixels_and_labels(job: pathlib.Path) -> None:
    slide = Slide(SLIDE)
    with open_loader(job) as loader:
        assert (len(loader), loader.batch_size, loader.epochs) == (6, 50, 3)
        batches = list(loader)
    assert len(batches) == 6
    for batch in batches:
        assert batch["image"].shape == (50, 64, 64, 3) and batch["image"].dtype == np.uint8
        places = np.stack([batch["x"], batch["y"]], axis=1)
        assert (batch["image"] == slide.read_patches(places, 64)).all()
        assert (batch["grade"] == 2).all() and batch["grade"].dtype == np.int64
        assert (batch["age"] == 61.5).all() and batch["age"].dtype == np.float32
        assert batch["site"] == ["left"] * 50 and batch["url"] == [str(SLIDE)] * 50
    assert sorted(int(number) for batch in batches for number in batch["index"]) == list(range(300))


def test_epochs_follow_each_other_and_differ(job: pathlib.Path) -> None:
    with open_loader(job) as loader:
        epochs = [(epoch, numbers(loader)) for epoch in loader.remaining_epochs()]
        assert [epoch for epoch, _ in epochs] == [0, 1, 2]
        orders = [order for _, order in epochs]
        assert orders[0] != orders[1] != orders[2] and sorted(orders[1]) == list(range(300))
        assert list(loader.remaining_epochs()) == []
        # As torch's loaders, it can be read on; and any epoch again.
        assert sorted(numbers(loader)) == list(range(300))
        loader.set_epoch(1)
        assert numbers(loader) == orders[1]


def test_who_leaves_an_epoch_reads_the_next_one_then(job: pathlib.Path) -> None:
    with open_loader(job) as loader:
        second = open_loader(job)
        second.set_epoch(1)
        expected = numbers(second)
        second.close()
        first = iter(loader)
        next(first)
        assert numbers(loader) == expected
        with pytest.raises(errors.RequestError, match="another iterator"):
            next(first)


@pytest.mark.parametrize("taken", [0, 1, 4, 6, 7, 12, 17, 18])
def test_a_loader_goes_on_from_any_batch(job: pathlib.Path, taken: int) -> None:
    def read(loader: PatchLoader, most: int) -> list[tuple[int, list[int]]]:
        found: list[tuple[int, list[int]]] = []
        for epoch in loader.remaining_epochs():
            for batch in loader:
                found.append((epoch, batch["index"].tolist()))
                if len(found) == most:
                    return found
        return found

    with open_loader(job) as whole:
        expected = read(whole, 99)
    assert len(expected) == 18
    with open_loader(job) as loader:
        assert (read(loader, taken) if taken else []) == expected[:taken]
        state = loader.state_dict()
    assert len(pickle.dumps(state)) < 1024
    with open_loader(job) as loader:
        loader.load_state_dict(state)
        assert loader.state_dict()["checkpoint"] == state["checkpoint"]
        assert read(loader, 99) == expected[taken:]


def test_states_are_checked(job: pathlib.Path) -> None:
    with open_loader(job) as loader:
        batches = iter(loader)
        next(batches)
        state = loader.state_dict()
        with pytest.raises(errors.RequestError, match="an epoch is being read"):
            loader.load_state_dict(state)
    with open_loader(job) as loader:
        loader.load_state_dict(state)
        with pytest.raises(errors.RequestError, match="goes on at epoch 0, batch 1"):
            loader.set_epoch(1)
        loader.set_epoch(0)
        assert len(numbers(loader)) == 250
    with open_loader(job, seed=8) as loader:
        loader.load_state_dict(state)
        with pytest.raises(errors.CheckpointMismatchError, match="seed is 7, this stream's is 8"):
            numbers(loader)


def test_a_validation_set_is_read_whole_every_time(job: pathlib.Path) -> None:
    with open_loader(job) as alone:
        expected = [batch["index"].tolist() for batch in alone]
    with open_loader(job) as train, open_loader(job, "val") as val:
        seen, steps = [], []
        for batch in train:
            steps.append(batch["index"].tolist())
            seen.append(numbers(val))
    assert steps == expected
    assert all(numbers == seen[0] == sorted(seen[0]) for numbers in seen) and len(seen[0]) == 11 * 15


def test_fields_of_the_dataset_can_be_changed(job: pathlib.Path) -> None:
    with open_loader(job, batch_size=32, size=48, order="Sequential", sampling={"grid": {"stride": 500}}) as loader:
        batch = next(iter(loader))
        assert batch["image"].shape[1:] == (48, 48, 3) and batch["index"].tolist() == list(range(len(batch["index"])))
    with pytest.raises(errors.InvalidDatasetError, match="unknown field `batchsize`"):
        len(open_loader(job, batchsize=32))
    unused: dict[str, Any]
    for name in ["shuffle", "sampler", "num_workers", "collate_fn"]:
        unused = {name: 1}
        with pytest.raises(TypeError, match=f"PatchLoader has no {name}: "):
            open_loader(job, **unused)


def test_memory_is_not_written_to_while_an_array_looks_at_it(job: pathlib.Path) -> None:
    with open_loader(job) as loader:
        kept, copies = [], []
        for batch in loader:
            # A view of a view of one patch keeps its batch.
            kept.append(batch["image"][3:4].reshape(-1)[5:])
            copies.append(kept[-1].copy())
            del batch
        numbers(loader)
    gc.collect()
    assert all((one == other).all() for one, other in zip(kept, copies, strict=True))


def test_memory_is_used_again_and_arrays_are_no_copies(job: pathlib.Path) -> None:
    with open_loader(job) as loader:
        places = set()
        for _ in range(5):
            for batch in loader:
                places.add(batch["image"].__array_interface__["data"][0])
                del batch
    # One that is read, and those that are asked for ahead.
    assert 1 < len(places) <= 4


def test_ten_thousand_batches_leave_nothing_behind(tmp_path: pathlib.Path) -> None:
    """A batch has 12 KiB: allocators keep some MiB more or less, ten thousand batches would be over a hundred."""
    small = {**TRAIN, "views": [{"name": "image", "size": 32, "level": 0}], "batchSize": 4}
    with open_loader(write_job(tmp_path / "job.json", {**small, "epochs": 1})) as loader:

        def resident() -> int:
            lines = pathlib.Path("/proc/self/status").read_text().splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))

        def left() -> tuple[int, int]:
            gc.collect()
            return len(gc.get_objects()), len(os.listdir("/proc/self/fd"))

        # What is allocated once is, after some epochs.
        for _ in range(34):
            numbers(loader)
        before, (objects, descriptors) = resident(), left()
        for _ in range(100):
            numbers(loader)
        assert left()[1] == descriptors
        assert left()[0] - objects < 1000
        assert resident() - before < 32 << 10, "KiB"


def test_large_patches_stay_within_the_memory_given(tmp_path: pathlib.Path, run: Run) -> None:
    """What a head may take beside its budget, what a worker may beside its cache (128 MiB each), the cache, and the batches that
    the program has or has asked for."""
    memory = 160 << 20
    large = {**TRAIN, "views": [{"name": "image", "size": 1024, "level": 0}], "batchSize": 4, "epochs": 2}
    job = write_job(tmp_path / "large.yaml", {**large, "sampling": {"random": {"perSlide": 120}}})
    found = json.loads(run(PROGRAMS / "large_batches.py", job, memory).stdout)
    assert (found["batches"], found["batch"]) == (60, 4 * 1024 * 1024 * 3)
    assert found["held"] <= memory
    assert found["grown"] <= memory + (128 << 20) + (64 << 20) + (128 << 20) + 4 * found["batch"], found


def test_who_gives_up_in_a_loop_may_begin_another(job: pathlib.Path) -> None:
    """Batches of the loop that was given up may be on their way: none of them is one of the next."""
    with open_loader(job) as loader:
        expected = numbers(loader)
        for _ in range(30):
            loader.set_epoch(0)
            with pytest.raises(ZeroDivisionError):
                for batch in loader:
                    raise ZeroDivisionError(batch["x"])
            loader.set_epoch(0)
            assert numbers(loader) == expected


def test_a_loader_is_pickled_with_its_state_and_not_with_its_sockets(job: pathlib.Path) -> None:
    with open_loader(job) as loader:
        batches = iter(loader)
        next(batches)
        rest = [batch["index"].tolist() for batch in pickle.loads(pickle.dumps(loader))]
        assert rest == [batch["index"].tolist() for batch in batches]


def test_a_forked_process_is_told_to_make_its_own(job: pathlib.Path) -> None:
    loader = open_loader(job)
    batches = iter(loader)
    next(batches)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            next(batches)
            said = "read"
        except errors.ClosedError as error:
            said = str(error)
        os.write(writer, said.encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert b"before this process was forked" in os.read(reader, 1000)
    assert len(list(batches)) == 5
    loader.close()


def test_an_interrupted_loop_ends_at_once(job: pathlib.Path) -> None:
    program = subprocess.Popen(
        [sys.executable, PROGRAMS / "wait_for_nothing.py", job], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert program.stdout is not None and program.stdout.readline() == "waiting\n"
    began = time.monotonic()
    program.send_signal(signal.SIGINT)
    _, said = program.communicate(timeout=10)
    assert "KeyboardInterrupt" in said and time.monotonic() - began < 5


def test_what_is_wrong_is_said(job: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MICROTOME_FEED", raising=False)
    monkeypatch.chdir(tmp_path / "..")
    with pytest.raises(errors.RequestError, match='give the job\'s file, PatchLoader\\(…, job="patchjob.yaml"\\)'):
        len(PatchLoader("train"))
    with pytest.raises(errors.InvalidDatasetError, match="there is none named \"none\"; there are train, val"):
        len(open_loader(job, "none"))
    with pytest.raises(errors.BudgetError):
        len(open_loader(job, memory="1Mi"))
    with pytest.raises(errors.RequestError, match="memory='much' is no size"):
        open_loader(job, memory="much")
    missing = {**TRAIN, "slides": {"list": [{"url": str(tmp_path / "none.svs")}]}}
    with pytest.raises(errors.NoSlidesError, match="none.svs"):
        len(open_loader(write_job(tmp_path / "other.json", missing)))
    loader = open_loader(job)
    loader.close()
    with pytest.raises(errors.ClosedError):
        next(iter(loader))


def test_the_jobs_file_beside_the_program_needs_no_naming(job: pathlib.Path, run: Run) -> None:
    said = run("-c", "from microtome import PatchLoader; print(len(PatchLoader('train')))").stdout
    assert said == "6\n"


def test_stats_account_for_the_waiting(job: pathlib.Path) -> None:
    with open_loader(job) as loader:
        numbers(loader)
        stats = loader.stats()
    assert (stats["batches"], stats["patches"]) == (6, 300)
    assert 0 <= stats["starvation"] <= 1 and stats["first_batch_seconds"] > 0
    assert set(stats["engine"]["stall"]) == {"storage", "decode", "queue", "network", "copy"}


def test_a_dataset_without_torch_is_an_iterable(job: pathlib.Path) -> None:
    dataset = PatchDataset("train", job=job, as_numpy=True)
    assert len(dataset) == 6 and sum(len(batch["index"]) for batch in dataset) == 300
    dataset.loader.close()
