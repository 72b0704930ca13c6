"""Where batches come from: a job's head, or an engine in this process, or in rank 0's."""

from __future__ import annotations

import collections
import json
import os
import pathlib
import shutil
import socket
import tempfile
import time
import weakref
from typing import Any, NamedTuple

from . import _native, _ranks
from ._stream import Stream
from .errors import ClosedError, RequestError

#: Where a job's head has its socket.
FEED = "MICROTOME_FEED"
#: The job's file where no other is named.
DEFAULT_JOB = "patchjob.yaml"
#: How long ranks wait for the engine of rank 0.
_PATIENCE = 120.0

#: How many engines were started for the same: loaders with the same arguments each have their own, in the order in which all
#: ranks make them.
_made: collections.Counter[str] = collections.Counter()


class Settings(NamedTuple):
    """What a loader wants to read, and with how much."""

    dataset: str | None
    #: The job's file; `None` in a job.
    job: str | None
    workers: int
    memory: int
    fields: dict[str, Any]
    #: Nothing is read but what is asked for.
    asks: bool


class Home:
    """The other end of a loader's connections. Closed with the loader."""

    def __init__(self, loader: object, settings: Settings, ranks: _ranks.Ranks) -> None:
        self._cleaning: list[Any] = []
        self._settings = settings
        self.close = weakref.finalize(loader, _finish, self._cleaning, os.getpid())
        path = os.environ.get(FEED) if settings.job is None else None
        if path and settings.fields:
            names = ", ".join(sorted(settings.fields))
            raise RequestError(f"in a job the dataset is the job's: change {names} there")
        self._job = None if path else settings.job or _default_job()
        self._path = path or self._start_engine(ranks)

    def connect(self, request: dict[str, Any], prefetch: int) -> Stream:
        """A connection, which reads or asks."""
        if self._job is None and self._settings.dataset is not None:
            request["dataset"] = self._settings.dataset
        stream = Stream(self._path, request, prefetch)
        self._cleaning.insert(0, stream)
        return stream

    def disconnect(self, stream: Stream) -> None:
        """Closes one connection."""
        stream.close()
        self._cleaning.remove(stream)

    def url(self, url: str) -> str:
        """A slide's URL as the stream has it: in a file of this machine, paths are relative to that file."""
        if self._job is None or "://" in url:
            return url
        return os.path.join(os.path.dirname(self._job), url)

    def _start_engine(self, ranks: _ranks.Ranks) -> str:
        settings = self._settings
        what = json.dumps([self._job, settings.dataset, settings.fields, settings.asks], sort_keys=True)
        _made[what] += 1
        place = _ranks.meeting_place(ranks, f"{what}\0{_made[what]}")
        if place is not None and ranks.rank > 0:
            return _await_socket(place / "feed")
        if place is None:
            directory = pathlib.Path(tempfile.mkdtemp(prefix="microtome-"))
        else:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(mode=0o700)
            directory = place
        self._cleaning.append(directory)
        wanted = {
            "job": self._job,
            "dataset": settings.dataset,
            "changes": settings.fields,
            "workers": settings.workers,
            "memory": settings.memory,
            "asks": settings.asks,
            "directory": str(directory),
        }
        self._cleaning.insert(0, _native.Engine(json.dumps(wanted)))
        return str(directory / "feed")


def _finish(cleaning: list[Any], process: int) -> None:
    """Closes what a loader has opened; in a process that was forked from its own there is nothing to close."""
    if os.getpid() != process:
        return
    for part in cleaning:
        if isinstance(part, pathlib.Path):
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.close()


def _default_job() -> str:
    """The file that `MICROTOME_JOB` names, or the one in the working directory."""
    path = os.path.abspath(os.environ.get("MICROTOME_JOB") or DEFAULT_JOB)
    if not os.path.exists(path):
        raise RequestError('there is no head here: give the job\'s file, PatchLoader(…, job="patchjob.yaml")')
    return path


def _await_socket(path: pathlib.Path) -> str:
    """Waits for the engine of rank 0."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
                return str(path)
            except OSError:
                time.sleep(0.05)
    raise ClosedError(f"rank 0 has not started its engine within {_PATIENCE:.0f} s: does it make the same loader?")
