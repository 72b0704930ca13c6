"""Slides one after another, and where their features go."""

import os
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, SLIDE, TRAIN, write_job
from microtome import PatchLoader, Slide, errors

TILES: dict[str, Any] = {
    **TRAIN,
    "name": "tiles",
    "sampling": {"grid": {"stride": 300, "edge": "Drop"}},
    "order": "BySlide",
    "batchSize": 32,
    "epochs": 1,
}
PATCHES = 8 * 10


@pytest.fixture
def tiles(tmp_path: pathlib.Path) -> pathlib.Path:
    """A job of five slides of 80 patches; a batch never ends where a slide does."""
    urls = [str(shutil.copy(SLIDE, tmp_path / f"slide-{number}.svs")) for number in range(5)]
    slides = [{"url": url, "labels": {"grade": number}} for number, url in enumerate(urls)]
    return write_job(tmp_path / "patchjob.yaml", {**TILES, "slides": {"list": slides}}, output="features")


def test_each_slide_comes_once_with_all_its_patches(tiles: pathlib.Path) -> None:
    seen = []
    with PatchLoader("tiles", job=tiles, as_numpy=True) as loader:
        for bag in loader.slides():
            batches = list(bag)
            images = np.concatenate([batch["image"] for batch in batches])
            assert len(bag) == len(images) == len(bag.coords) == len({tuple(place) for place in bag.coords.tolist()}) == PATCHES
            assert (images == Slide(bag.url).read_patches(bag.coords, 64)).all()
            assert all((batch["grade"] == bag.labels["grade"]).all() for batch in batches)
            seen.append(bag.slide)
    assert sorted(seen) == [f"slide-{number}" for number in range(5)]


def test_slides_that_are_done_cost_nothing(tiles: pathlib.Path) -> None:
    with PatchLoader("tiles", job=tiles, as_numpy=True) as loader:
        left = [bag.slide for bag in loader.slides(skip={"slide-1", "slide-3"})]
        assert sorted(left) == ["slide-0", "slide-2", "slide-4"]
        # All of it again, on the same loader.
        assert len(list(loader.slides())) == 5
    with PatchLoader("tiles", job=tiles, as_numpy=True) as loader:
        assert list(loader.slides(skip={f"slide-{number}" for number in range(5)})) == []
        assert loader.stats()["engine"]["tiles_decoded"] == 0


def test_results_appear_whole_or_not_at_all(tiles: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with PatchLoader("tiles", job=tiles, as_numpy=True) as loader:
        output = loader.output
        assert output.done("{slide}.bin") == frozenset()
        with output.open("slide-0.bin") as file:
            file.write(b"x" * 100)
            assert output.names() == []
        with pytest.raises(ZeroDivisionError), output.open("slide-1.bin") as file:
            file.write(b"half")
            raise ZeroDivisionError
        assert output.names() == ["slide-0.bin"] and output.done("{slide}.bin") == {"slide-0"}
        assert (tmp_path / "features/slide-0.bin").read_bytes() == b"x" * 100
        with pytest.raises(errors.RequestError, match="holds {slide} once"):
            output.done("x")


def test_what_cannot_be_bags_is_said(tiles: pathlib.Path, job: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with PatchLoader("train", job=job) as loader:
        with pytest.raises(errors.RequestError, match="order is Shuffled"):
            next(loader.slides())
        with pytest.raises(errors.RequestError, match="give spec.output.url"):
            _ = loader.output
    (tmp_path / "other").mkdir()
    same = [{"url": str(shutil.copy(SLIDE, tmp_path / name))} for name in ("a.svs", "other/a.svs")]
    twice = write_job(tmp_path / "twice.json", {**TILES, "slides": {"list": same}})
    with PatchLoader("tiles", job=twice) as loader, pytest.raises(errors.RequestError, match="the same name, 'a'"):
        next(loader.slides())


def test_the_sample_embeds_through_a_workers_death(
    tiles: pathlib.Path, tmp_path: pathlib.Path, under_a_head: Callable[..., str]
) -> None:
    h5py = pytest.importorskip("h5py", reason="the sample's files")
    pytest.importorskip("torch", reason="the sample's model")
    killer = tmp_path / "kill_one.py"
    # The sample as it is, and a worker that is killed once some slide is done.
    killer.write_text(
        "import os, pathlib, runpy, signal, threading, time\n"
        "def kill():\n"
        "    while not list(pathlib.Path('features').glob('*.h5')): time.sleep(0.01)\n"
        f"    os.kill(int(pathlib.Path('worker.pid').read_text()), signal.SIGKILL)\n"
        "threading.Thread(target=kill, daemon=True).start()\n"
        f"runpy.run_path({str(ROOT / 'config/samples/embed.py')!r})\n"
    )
    under_a_head(tiles, killer)
    files = sorted((tmp_path / "features").iterdir())
    assert [file.name for file in files] == [f"slide-{number}.h5" for number in range(5)]
    for file in files:
        with h5py.File(file) as stored:
            coords = stored["coords"][:]
            assert stored["features"].shape == (PATCHES, 8) and coords.dtype == np.int64
            assert len({tuple(place) for place in coords.tolist()}) == PATCHES
    stamps = {file.name: os.stat(file).st_mtime_ns for file in files}
    under_a_head(tiles, ROOT / "config/samples/embed.py")
    assert {file.name: os.stat(file).st_mtime_ns for file in files} == stamps
