"""Slides one after another, each with all its patches: for features of whole slides, and for slide-level models."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ._batch import Batch
from .errors import RequestError

if TYPE_CHECKING:
    from .loader import PatchLoader


class Bag:
    """A slide's patches, in batches. To be read before the next slide is asked for."""

    def __init__(self, facts: dict[str, Any], name: str, batches: Iterator[Batch]) -> None:
        #: The slide's name: its file's, without the ending.
        self.slide = name
        #: Where it lies.
        self.url: str = facts["url"]
        #: Its place in the dataset.
        self.index: int = facts["slide"]
        #: Its labels, by name.
        self.labels: dict[str, Any] = facts["labels"]
        self._patches: int = facts["patches"]
        self._batches = batches
        self._coords: list[npt.NDArray[np.int64]] = []

    def __len__(self) -> int:
        """Patches of the slide."""
        return self._patches

    def __repr__(self) -> str:
        return f"Bag({self.slide!r}, {self._patches} patches)"

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._batches:
            self._coords.append(np.stack([np.asarray(batch["x"]), np.asarray(batch["y"])], axis=1))
            yield batch

    @property
    def coords(self) -> npt.NDArray[np.int64]:
        """Upper left corners (x, y) of the patches that were read, in their order, in level-0 pixels: int64 (N, 2)."""
        return np.concatenate(self._coords) if self._coords else np.empty((0, 2), np.int64)


def names(slides: list[dict[str, Any]]) -> dict[int, str]:
    """A name for each slide: its file's, without the ending, which must tell it from all others."""
    found: dict[int, str] = {}
    taken: dict[str, str] = {}
    for slide in slides:
        name = PurePosixPath(slide["url"].split("://")[-1]).stem
        if name in taken:
            raise RequestError(f"slides(): {taken[name]} and {slide['url']} have the same name, {name!r}")
        taken[name] = slide["url"]
        found[slide["slide"]] = name
    return found


def bags(loader: PatchLoader, skip: Collection[str]) -> Iterator[Bag]:
    """The slides of a loader, without those that are skipped and those without patches."""
    stream = loader._open()
    if stream.about["order"] == "Shuffled":
        raise RequestError("slides(): the dataset's order is Shuffled; say order: BySlide (or order='BySlide')")
    slides = {slide["slide"]: slide for slide in stream.slides()}
    named = names(list(slides.values()))
    left_out = [slide["url"] for number, slide in slides.items() if named[number] in skip]
    pieces = _pieces(loader._read_without(left_out))
    piece = next(pieces, None)
    while piece is not None:
        number = int(piece["slide"][0])

        def of_slide(number: int = number) -> Iterator[Batch]:
            nonlocal piece
            while piece is not None and int(piece["slide"][0]) == number:
                yield piece
                piece = next(pieces, None)

        batches = of_slide()
        yield Bag(slides[number], named[number], batches)
        # What the caller has left of it.
        for _ in batches:
            pass


def _pieces(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Batches cut where one slide ends and the next begins."""
    for batch in batches:
        slides = np.asarray(batch["slide"])
        cuts = [0, *(np.flatnonzero(np.diff(slides)) + 1).tolist(), len(slides)]
        for start, end in zip(cuts, cuts[1:]):
            yield batch if len(cuts) == 2 else {name: values[start:end] for name, values in batch.items()}
