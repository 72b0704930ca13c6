"""Patches that the program decides on while it runs: hard negatives, samplers of its own, whatever a plan cannot know."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ._batch import Batch
from .errors import RequestError

if TYPE_CHECKING:
    from ._home import Home
    from ._stream import Stream
    from .loader import PatchLoader


class PatchSpec(NamedTuple):
    """A patch: the slide's URL as the dataset has it (or as `batch["url"]` says), and the upper left corner of its first view in level-0 pixels."""

    url: str
    x: int
    y: int


def rounds(loader: PatchLoader, source: Iterable[Iterable[PatchSpec]], lookahead: int) -> Iterator[Batch]:
    """The batches of each round of `source`, in its order; rounds are asked for `lookahead` ahead."""
    stream, waiting = loader._open(), iter(source)
    lengths: deque[int] = deque()

    def ask() -> None:
        while len(lengths) < lookahead and (specs := next(waiting, None)) is not None:
            if asked := plain(specs, loader._at_home()):
                stream.ask(asked)
                lengths.append(len(asked))

    ask()
    while lengths:
        for frame in answers(stream, lengths[0]):
            loader._count(frame, stream)
            yield loader._batch(frame)
        # After the last batch was looked at: what comes next may depend on it.
        lengths.popleft()
        ask()


def answers(stream: Stream, patches: int) -> Iterator[dict[str, Any]]:
    """The frames of a round of so many patches."""
    while patches > 0:
        frame = stream.next()
        assert frame is not None
        patches -= len(frame["slide"])
        yield frame


def joined(batches: list[Batch]) -> Batch:
    """One batch of several."""
    if len(batches) == 1:
        return batches[0]

    def join(values: list[Any]) -> Any:
        if isinstance(values[0], list):
            return [value for part in values for value in part]
        if isinstance(values[0], np.ndarray):
            return np.concatenate(values)
        import torch

        return torch.cat(values)

    return {name: join([batch[name] for batch in batches]) for name in batches[0]}


def plain(specs: Iterable[PatchSpec], home: Home) -> list[tuple[str, int, int]]:
    """A round as the head takes it."""

    def one(spec: PatchSpec) -> tuple[str, int, int]:
        try:
            url, x, y = spec
            return home.url(str(url)), int(x), int(y)
        except (TypeError, ValueError):
            raise RequestError(f"{spec!r} is no PatchSpec(url, x, y)") from None

    return [one(spec) for spec in specs]
