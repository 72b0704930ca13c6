"""The loader: batches of patches for a training loop."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Collection, Iterable, Iterator
from types import TracebackType
from typing import Any

from . import _batch, _ranks
from ._batch import Batch
from ._home import Home, Settings
from ._stream import Stream
from .asking import PatchSpec, answers, joined, plain, rounds
from .bags import Bag, bags
from .errors import CheckpointMismatchError, ClosedError, RequestError
from .output import Output

_STATE = 1
#: What makes a loader again in another process.
_KEPT = (
    "dataset", "pin_memory", "_job", "_workers", "_memory", "_asked_ranks", "_prefetch", "_device", "_as_numpy", "_fields",
    "_source", "_lookahead",
)  # fmt: skip
_UNUSED = {
    "shuffle": "the dataset's `order` says it (order='Sequential' in the loader's arguments, without a cluster)",
    "sampler": "the dataset's `sampling` says which patches, `PatchLoader(source=…)` will take them from the program",
    "batch_sampler": "the dataset's `sampling` says which patches",
    "num_workers": "patches are cut by Microtome's workers: `workers=` without a cluster, the job's otherwise",
    "collate_fn": "elements are whole batches already",
    "drop_last": "each patch is read once an epoch; skip a short last batch in the loop",
    "worker_init_fn": "there are no worker processes of Python",
    "persistent_workers": "there are no worker processes of Python",
}


class PatchLoader:
    """Iterates over the batches of a dataset: dicts of uint8 (B, H, W, 3) for each view, labels, and where each patch is from.

    dataset: its name in the job; the job's first unless given.
    job: the job's file, for a laptop: head and workers are threads of this process. Where it is left out and there is no
    head, the file that MICROTOME_JOB names, or `patchjob.yaml` in the working directory. In a job it is left out.
    workers, memory: threads that cut, one a core unless given; bytes of patches held at most, say "512Mi".
    rank, world_size: as torch.distributed or torchrun say, unless given. Ranks get equal parts of each batch.
    prefetch_factor: batches that are asked for ahead.
    device, pin_memory: copies tensors there; without them, arrays and tensors are views of shared memory, which is used
    again when the last of them has gone.
    as_numpy: arrays, even where there is torch.
    source, lookahead: the program decides: batches of PatchSpecs, which come in their order, cut by the same workers; so many of
    them are asked for ahead. A batch larger than the dataset's comes in several.
    Other arguments are fields of the dataset, which take the place of the file's: batch_size=64, seed=3, epochs=2,
    order="Sequential", and of its first view size=, level=, mpp=.

    The stream is the same wherever it is cut, and by however many workers. What differs from torch's DataLoader is refused
    with the reason.
    """

    def __init__(
        self,
        dataset: str | None = None,
        *,
        job: str | os.PathLike[str] | None = None,
        workers: int | None = None,
        memory: int | str = "256Mi",
        rank: int | None = None,
        world_size: int | None = None,
        prefetch_factor: int = 2,
        device: Any = None,
        pin_memory: bool = False,
        as_numpy: bool | None = None,
        source: Iterable[Iterable[PatchSpec]] | None = None,
        lookahead: int = 2,
        **fields: Any,
    ) -> None:
        for name in fields.keys() & _UNUSED.keys():
            raise TypeError(f"PatchLoader has no {name}: {_UNUSED[name]}")
        if prefetch_factor < 1:
            raise ValueError("prefetch_factor must be at least 1")
        self.dataset = dataset
        self.pin_memory = pin_memory
        self._job = None if job is None else os.path.abspath(job)
        self._workers = workers if workers is not None else len(os.sched_getaffinity(0))
        self._memory = _bytes(memory)
        self._asked_ranks = (rank, world_size)
        self._prefetch = prefetch_factor
        self._device = device
        self._as_numpy = not _batch.has_torch() if as_numpy is None else as_numpy
        self._fields = fields
        self._source = source
        self._lookahead = max(1, lookahead)
        self._connect_lazily()

    def _connect_lazily(self) -> None:
        self._stream: Stream | None = None
        # Cuts what `read` asks for.
        self._asking: Stream | None = None
        self._home: Home | None = None
        self._closed = False
        # What comes next: the rest of an epoch, or an epoch.
        self._resume: dict[str, Any] | None = None
        self._epoch = 0
        # Where the connection's reading is, if nobody has left it: the epoch and step of its next frame.
        self._place: tuple[int, int] | None = None
        self._iterator: weakref.ref[_Epoch] | None = None
        self._last: dict[str, Any] | None = None
        self._batches = self._patches = 0
        self._waited = self._first = 0.0
        self._began: float | None = None

    # What the stream is.

    def __len__(self) -> int:
        """Batches an epoch; the same on all ranks."""
        return int(self._open().about["steps"])

    @property
    def batch_size(self) -> int:
        """Patches of a batch, all ranks together."""
        return int(self._open().about["batch"])

    @property
    def epochs(self) -> int:
        """Epochs of the dataset."""
        return int(self._open().about["epochs"])

    @property
    def sampler(self) -> PatchLoader:
        """Itself, for trainers that call `loader.sampler.set_epoch`."""
        return self

    # Reading.

    def __iter__(self) -> Iterator[Batch]:
        """The batches of the next epoch, or of the rest of the one that was loaded; or those that the source asks for."""
        if self._source is not None:
            return rounds(self, self._source, self._lookahead)
        epoch = _Epoch(self)
        self._iterator = weakref.ref(epoch)
        return epoch

    def remaining_epochs(self) -> Iterator[int]:
        """The numbers of the epochs that are left, each to be read in its turn."""
        while True:
            epoch = self._resume["epoch"] if self._resume else self._epoch
            if epoch >= self.epochs:
                return
            yield epoch
            if not self._resume and self._epoch == epoch:
                self._epoch = epoch + 1

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch is read next. Raises if a state was loaded that is in another one."""
        if self._resume and self._resume["epoch"] != epoch:
            where = f"epoch {self._resume['epoch']}, batch {self._resume['step']}"
            raise RequestError(f"set_epoch({epoch}): a state was loaded that goes on at {where}")
        self._epoch = epoch

    def slides(self, skip: Collection[str] = ()) -> Iterator[Bag]:
        """The dataset's slides one after another (order BySlide or Sequential), each with all its patches once.

        skip: names of slides that are not read, such as `loader.output.done("{slide}.h5")`: nothing of them is fetched.
        """
        return bags(self, skip)

    def _read_without(self, urls: list[str]) -> Iterator[Batch]:
        """The first epoch without some slides."""
        stream = self._open()
        stream.start({"without": urls})
        self._place, self._iterator = None, None
        self._began = self._began or time.perf_counter()
        while (frame := stream.next()) is not None:
            self._count(frame, stream)
            yield self._batch(frame)

    def read(self, specs: Iterable[PatchSpec]) -> Batch:
        """These patches, in one batch, whatever else is being read; for patches that turn out to be of interest."""
        home = self._at_home()
        asked = plain(specs, home)
        if not asked:
            raise RequestError("read: no patch was asked for")
        if self._asking is None:
            self._asking = home.connect({"asks": True}, self._prefetch)
        try:
            self._asking.ask(asked)
            return joined([self._batch(frame) for frame in answers(self._asking, len(asked))])
        except BaseException:
            # What was asked for may still come; the next call starts anew.
            home.disconnect(self._asking)
            self._asking = None
            raise

    @property
    def output(self) -> Output:
        """Where the job's program keeps its results: the job's `output.url`."""
        url = self._open().about["output"]
        if url is None:
            raise RequestError("the job says no output: give spec.output.url")
        # Under a head; in a process of its own the program has the keys itself.
        return Output(url, os.environ.get("MICROTOME_OUTPUT"))

    # Checkpoints.

    def state_dict(self) -> dict[str, Any]:
        """Where the stream goes on after the batches that were yielded; less than 1 KiB."""
        return {"version": _STATE, "epoch": self._epoch, "checkpoint": self._resume or self._last}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on where `state_dict` was taken, with any number of ranks and workers."""
        iterator = None if self._iterator is None else self._iterator()
        if iterator is not None and iterator.is_under_way:
            raise RequestError("load_state_dict: an epoch is being read; load the state before iter(loader)")
        if state.get("version") != _STATE:
            raise CheckpointMismatchError(f"the state is of version {state.get('version')}, this is {_STATE}")
        self._resume = self._last = state["checkpoint"]
        self._epoch = state["epoch"]
        self._place = None

    # Everything else.

    def stats(self) -> dict[str, Any]:
        """What has happened so far: batches, patches, seconds until now, how long the loop waited, and what for.

        `engine` is what the head, or the engine here, says of this dataset: what was fetched and decoded, and `stall`: the seconds
        of waiting behind the first batch, by what was waited for.
        """
        seconds = 0.0 if self._began is None else time.perf_counter() - self._began
        found: dict[str, Any] = {
            "batches": self._batches,
            "patches": self._patches,
            "seconds": seconds,
            "first_batch_seconds": self._first,
            "waited_seconds": self._waited,
            "starvation": self._waited / seconds if seconds > 0 else 0.0,
        }
        if self._stream is not None:
            found["engine"] = self._stream.stats()
        return found

    def close(self) -> None:
        """Ends the stream and, without a cluster, its workers. Batches that were yielded stay as they are."""
        if self._home is not None:
            self._home.close()
        self._stream = self._asking = self._home = None
        self._closed = True

    def __enter__(self) -> PatchLoader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**{name: self.__dict__[name] for name in _KEPT}, "state": self.state_dict()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        loaded = state.pop("state")
        self.__dict__.update(state)
        self._connect_lazily()
        self.load_state_dict(loaded)

    def _count(self, frame: dict[str, Any], stream: Stream) -> None:
        if self._batches:
            self._waited += stream.waited
        else:
            self._first = stream.waited
        self._batches += 1
        self._patches += len(frame["slide"])

    def _batch(self, frame: dict[str, Any]) -> Batch:
        batch = _batch.arrays(frame)
        return batch if self._as_numpy else _batch.tensors(batch, self._device, self.pin_memory)

    def _open(self) -> Stream:
        if self._closed:
            raise ClosedError("the loader is closed")
        if self._stream is None:
            self._connect()
        assert self._stream is not None
        return self._stream

    def _connect(self) -> None:
        ranks = _ranks.find(*self._asked_ranks)
        request: dict[str, Any] = {"rank": ranks.rank, "world": ranks.world}
        if self._source is not None:
            request = {"asks": True}
        elif self._resume:
            request["checkpoint"] = self._resume
            self._place = (self._resume["epoch"], self._resume["step"])
        else:
            request["epoch"] = self._epoch
            self._place = (self._epoch, 0)
        self._stream = self._at_home(ranks).connect(request, self._prefetch)

    def _at_home(self, ranks: _ranks.Ranks | None = None) -> Home:
        if self._closed:
            raise ClosedError("the loader is closed")
        if self._home is None:
            asks = self._source is not None
            settings = Settings(self.dataset, self._job, self._workers, self._memory, self._fields, asks)
            self._home = Home(self, settings, ranks or _ranks.find(*self._asked_ranks))
        return self._home


class _Epoch:
    """The batches of one epoch, or of what is left of it."""

    def __init__(self, loader: PatchLoader) -> None:
        self._loader = loader
        self._number: int | None = None
        self._ended = False

    @property
    def is_under_way(self) -> bool:
        """Whether batches were yielded, and others are to come."""
        return self._number is not None and not self._ended

    def __iter__(self) -> _Epoch:
        return self

    def __next__(self) -> Batch:
        loader = self._loader
        if loader._iterator is None or loader._iterator() is not self:
            raise RequestError("another iterator of this loader was made since: only the last one can be read")
        if self._ended:
            raise StopIteration
        if self._number is None:
            self._number = self._begin()
        stream = loader._open()
        # The stream goes on with the next epoch by itself; behind the last one it is asked for its end.
        place = loader._place or (self._number, 0)
        is_past = place[0] != self._number
        goes_on = is_past and place[0] < loader.epochs
        frame = None if goes_on else stream.next()
        if frame is None:
            self._ended = True
            loader._place = place if goes_on else None
            raise StopIteration
        return self._take(frame, stream)

    def _begin(self) -> int:
        """Makes the stream's next frame this epoch's first. Returns the epoch's number."""
        loader = self._loader
        loader._began = loader._began or time.perf_counter()
        resume = loader._resume
        wanted = (int(resume["epoch"]), int(resume["step"])) if resume else (loader._epoch, 0)
        stream = loader._open()
        if loader._place != wanted:
            stream.start({"checkpoint": resume} if resume else {"epoch": wanted[0]})
            loader._place = wanted
        # Whoever leaves this epoch before its end reads the next one then, as torch's loaders shuffle anew.
        loader._resume, loader._epoch = None, wanted[0] + 1
        return wanted[0]

    def _take(self, frame: dict[str, Any], stream: Stream) -> Batch:
        loader = self._loader
        epoch, step = frame["epoch"], frame["step"]
        loader._place = (epoch, step + 1) if step + 1 < frame["steps"] else (epoch + 1, 0)
        loader._last = frame["checkpoint"]
        loader._count(frame, stream)
        return loader._batch(frame)


def _bytes(size: int | str) -> int:
    """A size as Kubernetes writes it, or in bytes."""
    if isinstance(size, int):
        return size
    units = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "k": 10**3, "M": 10**6, "G": 10**9}
    for unit, factor in units.items():
        if size.endswith(unit):
            return int(float(size[: -len(unit)]) * factor)
    try:
        return int(size)
    except ValueError:
        raise RequestError(f"memory={size!r} is no size: write 512Mi or 4Gi") from None
