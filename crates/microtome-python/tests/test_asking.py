"""Patches that the program asks for while it runs."""

import json
import os
import pathlib
import random
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from conftest import PROGRAMS, SLIDE, TRAIN, write_job
from microtome import PatchLoader, PatchSpec, Slide, errors

MADE = random.Random(3)


def some(count: int) -> list[PatchSpec]:
    return [PatchSpec(str(SLIDE), MADE.randrange(2000), MADE.randrange(2800)) for _ in range(count)]


def test_what_the_source_asks_for_comes_in_its_order(job: pathlib.Path) -> None:
    slide, asked = Slide(SLIDE), [some(count) for count in (7, 50, 1, 120)]
    with PatchLoader("train", job=job, as_numpy=True, source=[*asked[:2], [], *asked[2:]]) as loader:
        batches = list(loader)
    # A batch of the dataset has 50.
    assert [len(batch["index"]) for batch in batches] == [7, 50, 1, 50, 50, 20]
    places = np.concatenate([np.stack([batch["x"], batch["y"]], axis=1) for batch in batches])
    assert places.tolist() == [[spec.x, spec.y] for specs in asked for spec in specs]
    assert (np.concatenate([batch["image"] for batch in batches]) == slide.read_patches(places, 64)).all()


def test_a_round_may_depend_on_the_one_before(job: pathlib.Path) -> None:
    seen: list[int] = []

    def source() -> Iterator[list[PatchSpec]]:
        while len(seen) < 5:
            yield [PatchSpec(str(SLIDE), 10 * len(seen), 5)]

    with PatchLoader("train", job=job, as_numpy=True, source=source(), lookahead=1) as loader:
        for batch in loader:
            seen.append(int(batch["x"][0]))
    assert seen == [0, 10, 20, 30, 40]


def test_patches_are_read_beside_the_stream(job: pathlib.Path) -> None:
    with PatchLoader("train", job=job, as_numpy=True) as alone:
        expected = [batch["index"].tolist() for batch in alone]
    with PatchLoader("train", job=job, as_numpy=True) as loader:
        found = []
        for batch in loader:
            found.append(batch["index"].tolist())
            specs = [PatchSpec(url, int(x), int(y)) for url, x, y in zip(batch["url"], batch["x"], batch["y"], strict=True)]
            again = loader.read(specs * 2)
            assert (again["image"] == np.concatenate([batch["image"]] * 2)).all() and again["grade"].tolist() == [2] * 100
        with pytest.raises(errors.RequestError, match="no patch was asked for"):
            loader.read([])
    assert found == expected


def test_what_cannot_be_asked_for_is_said_and_the_next_can(job: pathlib.Path) -> None:
    with PatchLoader("train", job=job, as_numpy=True) as loader:
        with pytest.raises(errors.UnknownSlideError, match="none of the dataset's slides"):
            loader.read([PatchSpec(str(SLIDE), 0, 0), PatchSpec("other.svs", 0, 0)])
        with pytest.raises(errors.RequestError, match="is no PatchSpec"):
            loader.read([("x", 1)])  # type: ignore[list-item]
        assert loader.read([PatchSpec(str(SLIDE), 5, 6)])["x"].tolist() == [5]
    with PatchLoader("train", job=job, memory=4_500_000) as loader, pytest.raises(errors.RequestError, match="do not fit the memory"):
        loader.read(some(1))


def test_a_path_may_be_written_as_in_the_job(tmp_path: pathlib.Path) -> None:
    beside = os.path.relpath(SLIDE, tmp_path)
    job = write_job(tmp_path / "job.yaml", {**TRAIN, "slides": {"list": [{"url": beside}]}})
    with PatchLoader("train", job=job) as loader:
        assert loader.read([PatchSpec(beside, 5, 6)])["x"].tolist() == [5]


def test_in_a_job_the_same_is_asked_of_its_workers(job: pathlib.Path, under_a_head: Callable[..., str]) -> None:
    found = json.loads(under_a_head(job, PROGRAMS / "asking.py", str(SLIDE)))
    with PatchLoader("train", job=job, as_numpy=True) as loader:
        batches = list(loader)
    assert found["planned"] == [batch["index"].tolist() for batch in batches], "asking beside the stream leaves it as it is"
    assert found["again"], "what is asked for is what the stream had"
    assert found["source"] == [[place, 40] for place in range(7)]
    assert found["unknown"] == "UnknownSlideError"
    assert found["stats"]["batches"] == 3 and found["stats"]["workers"] == 2
    assert found["stats"]["tiles_decoded"] > 0 and set(found["stats"]["stall"]) == {"storage", "decode", "queue", "network", "copy"}
