"""A dataset for torch's own DataLoader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ._batch import Batch, has_torch
from .errors import RequestError
from .loader import PatchLoader

if TYPE_CHECKING or has_torch():
    from torch.utils.data import IterableDataset, get_worker_info

    _Base = IterableDataset[Batch]
else:  # NumPy alone: the class is there, and says what it lacks.
    _Base = object

    def get_worker_info() -> Any:
        return None


class PatchDataset(_Base):
    """The batches of a `PatchLoader`, for `DataLoader(PatchDataset(…), batch_size=None)`. Takes a `PatchLoader`'s arguments.

    Elements are batches already, and are cut by the loader's workers: `num_workers` stays 0.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.loader = PatchLoader(*arguments, **options)

    def __iter__(self) -> Iterator[Batch]:
        info = get_worker_info()
        if info is not None:
            raise RequestError(
                "PatchDataset: use DataLoader(…, num_workers=0): patches are cut by Microtome's workers, whose number is set "
                "with workers= or in the job; a copy of the stream in each of DataLoader's processes would cut all of it again"
            )
        return iter(self.loader)

    def __len__(self) -> int:
        return len(self.loader)

    def set_epoch(self, epoch: int) -> None:
        """See `PatchLoader.set_epoch`."""
        self.loader.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """See `PatchLoader.state_dict`."""
        return self.loader.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `PatchLoader.load_state_dict`."""
        self.loader.load_state_dict(state)
