"""Frames as batches: dicts of arrays, or of tensors where there is torch."""

from __future__ import annotations

import importlib.util
import math
from typing import Any

import numpy as np
import numpy.typing as npt

Batch = dict[str, Any]

_NAMES = {"slide": np.int64, "x": np.int64, "y": np.int64, "index": np.int64}


def has_torch() -> bool:
    """Whether torch can be imported."""
    return importlib.util.find_spec("torch") is not None


def arrays(frame: dict[str, Any]) -> Batch:
    """A frame's batch: each view under its name as uint8 (n, H, W, 3), a view of shared memory; each label under its name;
    `slide` (number in the dataset), `x`, `y` (level-0 pixels), `index`; and `url`, each patch's slide."""
    batch: Batch = {}
    start = 0
    for view in frame["views"]:
        shape = view["shape"]
        end = start + math.prod(shape)
        batch[view["name"]] = frame["pixels"][start:end].reshape(shape)
        start = end
    for name, values in frame["labels"].items():
        batch[name] = label(values)
    for name, kind in _NAMES.items():
        batch[name] = np.array(frame[name], kind)
    batch["url"] = [frame["urls"][str(slide)] for slide in frame["slide"]]
    return batch


def label(values: list[Any]) -> npt.NDArray[Any] | list[Any]:
    """Whole numbers as int64, others and those with gaps (NaN) as float32, all else as a list."""
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return np.array(values, np.int64)
    if all(value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)) for value in values):
        return np.array([np.nan if value is None else value for value in values], np.float32)
    return values


def tensors(batch: Batch, device: Any, pin_memory: bool) -> Batch:
    """The same with tensors, which look at the same memory unless they are copied to a device or pinned."""
    import torch

    def tensor(value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        found = torch.from_numpy(value)
        if pin_memory:
            found = found.pin_memory()
        return found if device is None else found.to(device, non_blocking=pin_memory)

    return {name: tensor(value) for name, value in batch.items()}
