"""Patches cut on the fly from whole-slide images.

>>> loader = PatchLoader("train", job="patchjob.yaml")   # in a job: PatchLoader("train")
>>> for epoch in loader.remaining_epochs():
...     for batch in loader:                             # {"image": uint8 (B, H, W, 3), "slide", "x", "y", "index", labels…}
...         ...

>>> slide = Slide("az://slides/a.svs")                   # OpenSlide's API, and more
>>> slide.read_patches([(0, 0), (256, 0)], size=256)     # uint8 (2, 256, 256, 3)
"""

from . import errors
from ._native import __version__
from .asking import PatchSpec
from .bags import Bag
from .dataset import PatchDataset
from .errors import MicrotomeError
from .loader import PatchLoader
from .output import Output
from .slide import Slide

__all__ = ["Bag", "MicrotomeError", "Output", "PatchDataset", "PatchLoader", "PatchSpec", "Slide", "__version__", "errors"]
