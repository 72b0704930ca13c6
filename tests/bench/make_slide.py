"""Makes a large slide of real tissue: 40,960 × 30,720 px, JPEG Q75 4:2:0, tiles of 256 px, two levels.

The tiles are cut from a real slide at places drawn with a fixed seed, encoded once, and laid in random order; so every
reader decodes real tissue, and the file is the same every time. Arguments: the slide to cut from, the file to write.
"""

import io
import random
import sys

import numpy
import openslide
import tifffile
from PIL import Image

TILE, DISTINCT, SIZES = 256, 400, [(40_960, 30_720), (10_240, 7_680)]


def tiles(source):
    slide = openslide.OpenSlide(source)
    width, height = slide.dimensions
    for _ in range(DISTINCT):
        place = (random.randrange(width - TILE), random.randrange(height - TILE))
        yield slide.read_region(place, 0, (TILE, TILE)).convert("RGB")


def encoded(image):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=75, subsampling="4:2:0")
    return buffer.getvalue()


def main(source, target):
    random.seed(3)
    pool = [encoded(tile) for tile in tiles(source)]
    with tifffile.TiffWriter(target, bigtiff=True) as writer:
        for level, (width, height) in enumerate(SIZES):
            count = (width // TILE) * (height // TILE)
            writer.write(
                (random.choice(pool) for _ in range(count)),
                shape=(height, width, 3),
                dtype=numpy.uint8,
                tile=(TILE, TILE),
                photometric="ycbcr",
                subsampling=(2, 2),
                compression="jpeg",
                resolution=(20_000, 20_000),
                resolutionunit="CENTIMETER",
                subfiletype=1 if level else 0,
                metadata=None,
            )


main(*sys.argv[1:])
