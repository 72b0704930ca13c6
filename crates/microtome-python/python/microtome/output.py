"""Where a program keeps its results: a directory, or a prefix in blob storage."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

from . import _native
from .errors import RequestError


class Output:
    """Files at the job's `output.url`. One that is written appears whole when it is done, or not at all."""

    def __init__(self, url: str, head: str | None = None) -> None:
        """url: where the files are. head: the socket of a head that stores them, since it has the keys; a loader knows it."""
        self.url = url
        self._native = _native.Output(url, head)

    def __repr__(self) -> str:
        return f"Output({self.url!r})"

    def names(self) -> list[str]:
        """Names of the files that are there, below the URL."""
        return sorted(self._native.names())

    def done(self, pattern: str = "{slide}") -> frozenset[str]:
        """The slides of which there is a file: what stands for `{slide}` in the names. For `loader.slides(skip=…)`."""
        if pattern.count("{slide}") != 1:
            raise RequestError(f"done({pattern!r}): the pattern holds {{slide}} once")
        before, after = pattern.split("{slide}")
        named = re.compile(re.escape(before) + "([^/]+)" + re.escape(after))
        found = (named.fullmatch(name) for name in self._native.names())
        return frozenset(match[1] for match in found if match)

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """A file to be written, seekable, as h5py wants it. It appears under its name when the block is left without an error."""
        descriptor, path = tempfile.mkstemp(prefix="microtome-")
        try:
            with os.fdopen(descriptor, "w+b") as file:
                yield file
            self._native.write(name, path)
        finally:
            os.unlink(path)
