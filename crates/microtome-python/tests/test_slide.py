"""Slides beside openslide-python's own answers, where that is there, and beside what is known of the slide."""

import pathlib
import pickle
import threading
from typing import Any

import numpy as np
import pytest
from conftest import SLIDE
from microtome import MicrotomeError, Slide, errors


def test_what_a_slide_says_of_itself() -> None:
    with Slide(SLIDE) as slide:
        assert slide.dimensions == slide.level_dimensions[0] == (2220, 2967)
        assert (slide.level_count, slide.level_downsamples, slide.mpp) == (1, (1.0,), (0.499, 0.499))
        assert slide.properties["openslide.vendor"] == slide.format == "aperio"
        assert slide.get_best_level_for_downsample(0.5) == slide.get_best_level_for_downsample(9) == 0
        assert set(slide.associated_images) == {"thumbnail", "label", "macro"}


def test_patches_are_the_pixels_of_regions() -> None:
    pytest.importorskip("PIL", reason="regions are pictures of Pillow")
    slide = Slide(str(SLIDE))
    places = [(0, 0), (500, 700), (-20, 2950), (2219, 0)]
    patches = slide.read_patches(places, size=(96, 64))
    assert patches.shape == (4, 64, 96, 3) and patches.dtype == np.uint8
    for patch, place in zip(patches, places, strict=True):
        region = np.asarray(slide.read_region(place, 0, (96, 64)))
        background = region[..., 3:] == 0
        assert (patch == np.where(background, 255, region[..., :3])).all()
    assert slide.read_patches(np.array(places), 32, mpp=0.998).shape == (4, 32, 32, 3)
    assert slide.read_patches([], 32).shape == (0, 32, 32, 3)
    assert slide.get_thumbnail((100, 100)).size == (75, 100)
    assert slide.associated_images["label"].mode == "RGB"


def test_openslide_python_says_the_same() -> None:
    openslide = pytest.importorskip("openslide", reason="the peer")
    theirs, ours = openslide.OpenSlide(str(SLIDE)), Slide(SLIDE)
    assert theirs.level_dimensions == ours.level_dimensions
    assert theirs.level_downsamples == ours.level_downsamples
    same = {name: value for name, value in theirs.properties.items() if ours.properties.get(name) == value}
    assert same.keys() >= theirs.properties.keys() - {"openslide.icc-size"}
    for place in [(0, 0), (1000, 1500), (-50, -50), (2100, 2900)]:
        one, other = (np.asarray(slide.read_region(place, 0, (300, 200))) for slide in (theirs, ours))
        assert (one == other).all()
    assert np.abs(np.asarray(theirs.get_thumbnail((200, 200))).astype(int) - np.asarray(ours.get_thumbnail((200, 200)))).max() <= 1
    assert theirs.get_best_level_for_downsample(3) == ours.get_best_level_for_downsample(3)


def test_openslide_pythons_deep_zoom_takes_it_for_one_of_its_own() -> None:
    openslide = pytest.importorskip("openslide", reason="the peer")
    from openslide.deepzoom import DeepZoomGenerator

    with openslide.OpenSlide(str(SLIDE)) as theirs, Slide(SLIDE) as ours:
        slides: list[Any] = [theirs, ours]
        one, other = (DeepZoomGenerator(slide, tile_size=254, overlap=1, limit_bounds=True) for slide in slides)
        assert one.level_tiles == other.level_tiles and one.get_dzi("jpeg") == other.get_dzi("jpeg")
        for level in (8, 10, one.level_count - 1):
            across, down = one.level_tiles[level]
            tiles = [np.asarray(maker.get_tile(level, (across // 2, down // 2))).astype(int) for maker in (one, other)]
            assert np.abs(tiles[0] - tiles[1]).max() <= 1, f"level {level}"


def test_an_array_outlives_its_slide_and_may_be_written_to() -> None:
    patches = Slide(SLIDE).read_patches([(0, 0)], 64)
    patches[0, 0, 0] = 7
    assert patches.flags.writeable and (patches[0, 0, 0] == 7).all()


def test_a_slide_is_read_by_many_threads_and_pickled() -> None:
    slide = pickle.loads(pickle.dumps(Slide(SLIDE)))
    expected, found = slide.read_patches([(300, 300)], 128), []
    threads = [threading.Thread(target=lambda: found.append(slide.read_patches([(300, 300)], 128))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and all((patch == expected).all() for patch in found)


def test_errors_have_their_classes(tmp_path: pathlib.Path) -> None:
    (tmp_path / "text.svs").write_text("no slide")
    for url, kind in [
        (tmp_path / "none.svs", FileNotFoundError),
        (tmp_path / "text.svs", errors.NotASlideError),
        ("gopher://x/y", errors.InvalidUrlError),
        ("az://container/blob", MicrotomeError),
    ]:
        with pytest.raises(kind) as caught:
            Slide(str(url))
        assert isinstance(caught.value, MicrotomeError) and "\n" not in str(caught.value), caught.value
    slide = Slide(SLIDE)
    with pytest.raises(ValueError, match="level or mpp, not both"):
        slide.read_patches([(0, 0)], 8, level=0, mpp=1)
    with pytest.raises(errors.RequestError):
        slide.read_patches([(0, 0)], 8, level=4)
    with pytest.raises(errors.LimitError):
        slide.read_patches([(0, 0)], 1 << 20)
    with pytest.raises(KeyError):
        slide.associated_images["none"]


def test_every_category_of_the_native_half_has_a_class_or_stays_known() -> None:
    assert isinstance(errors.error_of("Denied", "x"), PermissionError)
    other = errors.error_of("Encoder", "x")
    assert type(other) is MicrotomeError and other.category == "Encoder"
