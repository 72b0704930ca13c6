"""Patches that the program decides on while it runs: hard negatives, samplers of its own, whatever a plan cannot know."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ._batch import Batch
from .errors import RequestError

if TYPE_CHECKING:
    from .loader import PatchLoader


class PatchSpec(NamedTuple):
    """A patch: the slide's URL as the dataset has it, and the upper left corner of its first view in level-0 pixels."""

    url: str
    x: int
    y: int


def rounds(loader: PatchLoader, source: Iterable[Iterable[PatchSpec]], lookahead: int) -> Iterator[Batch]:
    """The batches of each round of `source`, in its order; rounds are asked for `lookahead` ahead."""
    stream, waiting = loader._open(), iter(source)
    lengths: deque[int] = deque()

    def ask() -> None:
        while len(lengths) < lookahead and (specs := next(waiting, None)) is not None:
            asked = [_plain(spec) for spec in specs]
            if asked:
                stream.ask(asked)
                lengths.append(len(asked))

    ask()
    while lengths:
        left = lengths[0]
        while left > 0:
            frame = stream.next()
            assert frame is not None
            left -= len(frame["slide"])
            loader._count(frame, stream)
            yield loader._batch(frame)
        # After the last batch was looked at: what comes next may depend on it.
        lengths.popleft()
        ask()


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


def _plain(spec: PatchSpec) -> tuple[str, int, int]:
    try:
        url, x, y = spec
        return str(url), int(x), int(y)
    except (TypeError, ValueError):
        raise RequestError(f"{spec!r} is no PatchSpec(url, x, y)") from None
