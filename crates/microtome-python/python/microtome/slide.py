"""Slides, with openslide-python's API. `from microtome import Slide as OpenSlide` is the whole change."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _native
from .errors import RequestError

if TYPE_CHECKING:
    from PIL import Image


class Slide:
    """An open slide: a local path, or a URL of blob storage (az://, s3://, gs://, http(s)://).

    Coordinates of origins are in level-0 pixels, sizes in pixels of the level that is read; rows come first in arrays.
    Pictures are `PIL.Image`s where openslide-python gives some, for which Pillow must be installed; all else is NumPy.
    A slide may be read by any number of threads at once, and is pinned to the version of its blob that was opened.
    """

    def __init__(self, filename: str | os.PathLike[str]) -> None:
        self._url = os.fspath(filename)
        self._native = _native.Slide(self._url)
        self._info: dict[str, Any] = json.loads(self._native.info())

    def __repr__(self) -> str:
        return f"Slide({self._url!r})"

    def __enter__(self) -> Slide:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[type[Slide], tuple[str]]:
        return Slide, (self._url,)

    def close(self) -> None:
        """Nothing: a slide holds no file open. Here because OpenSlide has it."""

    @property
    def format(self) -> str:
        """OpenSlide's vendor name: `aperio`, `generic-tiff`; or `ome-tiff`."""
        return str(self._info["format"])

    @property
    def dimensions(self) -> tuple[int, int]:
        """Width and height of level 0."""
        return self.level_dimensions[0]

    @property
    def level_count(self) -> int:
        """Levels of the pyramid."""
        return len(self._info["levels"])

    @property
    def level_dimensions(self) -> tuple[tuple[int, int], ...]:
        """Width and height of each level."""
        return tuple((level["width"], level["height"]) for level in self._info["levels"])

    @property
    def level_downsamples(self) -> tuple[float, ...]:
        """Level-0 pixels per pixel of each level."""
        return tuple(level["downsample"] for level in self._info["levels"])

    @property
    def mpp(self) -> tuple[float, float] | None:
        """Micrometres per level-0 pixel along x and y; `None` if the slide does not say."""
        found = (self._info["mpp_x"], self._info["mpp_y"])
        return None if None in found else found

    @cached_property
    def properties(self) -> Mapping[str, str]:
        """What the slide says of itself, under OpenSlide's names. May hold patient data."""
        properties: dict[str, str] = dict(self._info["properties"])
        hash_ = self._native.quickhash()
        return properties if hash_ is None else {**properties, "openslide.quickhash-1": hash_}

    @property
    def associated_images(self) -> Mapping[str, Image.Image]:
        """Pictures beside the pyramid, each read when it is asked for. A label or macro may show patient data."""
        return _Associated(self._native)

    def get_best_level_for_downsample(self, downsample: float) -> int:
        """The smallest level that is at least as fine."""
        fine = [level for level, found in enumerate(self.level_downsamples) if found <= downsample]
        return max(fine, default=0)

    def read_region(self, location: tuple[int, int], level: int, size: tuple[int, int]) -> Image.Image:
        """RGBA of a region, transparent outside of the slide; the pixels are OpenSlide's."""
        from PIL import Image

        pixels = np.asarray(self._native.read_region(_pair(location), level, _pair(size)))
        return Image.fromarray(pixels)

    def get_thumbnail(self, size: tuple[int, int]) -> Image.Image:
        """RGB of the whole slide within `size`."""
        from PIL import Image

        width, height = self.dimensions
        downsample = max(width / size[0], height / size[1])
        level = self.get_best_level_for_downsample(downsample)
        region = self.read_region((0, 0), level, self.level_dimensions[level])
        background = Image.new("RGBA", region.size, f"#{self.properties.get('openslide.background-color', 'ffffff')}")
        picture = Image.alpha_composite(background, region).convert("RGB")
        picture.thumbnail(size, Image.Resampling.LANCZOS)
        return picture

    def read_patches(
        self,
        coords: Iterable[tuple[int, int]] | npt.NDArray[np.integer[Any]],
        size: int | tuple[int, int],
        level: int | None = None,
        mpp: float | None = None,
    ) -> npt.NDArray[np.uint8]:
        """Patches as uint8 (N, H, W, 3), RGB on white: each tile is fetched and decoded once, however many patches show it.

        coords: upper left corners (x, y) in level-0 pixels. size: of a patch in its own pixels, or (width, height).
        level: 0 unless given. mpp: micrometres per pixel instead; the best level is resampled, antialiased, unless one is
        within 3 %.
        """
        origins = [_pair(place) for place in coords]
        if not origins:
            width, height = _pair(size)
            return np.empty((0, height, width, 3), np.uint8)
        return np.asarray(self._native.read_patches(origins, _pair(size), (level, mpp)))


class _Associated(Mapping[str, "Image.Image"]):
    def __init__(self, native: _native.Slide) -> None:
        self._native = native

    def __getitem__(self, name: str) -> Image.Image:
        from PIL import Image

        if name not in self._native.associated_names():
            raise KeyError(name)
        return Image.fromarray(np.asarray(self._native.read_associated(name)))

    def __iter__(self) -> Iterator[str]:
        return iter(self._native.associated_names())

    def __len__(self) -> int:
        return len(self._native.associated_names())


def _pair(value: Any) -> tuple[int, int]:
    try:
        one, other = (value, value) if isinstance(value, (int, np.integer)) else value
        return int(one), int(other)
    except (TypeError, ValueError):
        raise RequestError(f"{value!r} is no pair of numbers") from None
