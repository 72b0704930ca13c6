"""Patches a second of the peers, one thread each, on the same slide and the same coordinates as ours.

Prints one JSON object a line: reader, pattern, patches_per_second by the median of several rounds. Arguments: the slide, patches a pattern.
"""

import json
import statistics
import sys
import time

import cucim
import numpy
import openslide
import tiffslide

SIZE = 256
ROUNDS = 3


def coordinates(pattern, count, width, height):
    """The same for all readers: a linear congruential generator that Rust's side repeats."""
    state = 7
    for number in range(count):
        if pattern == "grid":
            columns = width // SIZE
            yield number % columns * SIZE + 100, number // columns * SIZE + 100
            continue
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        x = (state >> 33) % (width - SIZE)
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        y = (state >> 33) % (height - SIZE)
        yield (x // SIZE * SIZE, y // SIZE * SIZE) if pattern == "aligned" else (x, y)


def main(path, count):
    readers = {
        "OpenSlide": openslide.OpenSlide(path),
        "tiffslide": tiffslide.TiffSlide(path),
        "cuCIM": cucim.CuImage(path),
    }
    reads = {
        "OpenSlide": lambda slide, x, y: numpy.asarray(slide.read_region((x, y), 0, (SIZE, SIZE))),
        "tiffslide": lambda slide, x, y: slide.read_region((x, y), 0, (SIZE, SIZE), as_array=True),
        "cuCIM": lambda slide, x, y: numpy.asarray(slide.read_region((x, y), (SIZE, SIZE), 0)),
    }
    width, height = readers["OpenSlide"].dimensions
    places = {pattern: list(coordinates(pattern, count, width, height)) for pattern in ("aligned", "random", "grid")}
    seconds = {(name, pattern): [] for pattern in places for name in readers}
    for _ in range(ROUNDS):
        for (name, pattern), rounds in seconds.items():
            began = time.perf_counter()
            for x, y in places[pattern]:
                reads[name](readers[name], x, y)
            rounds.append(time.perf_counter() - began)
    for (name, pattern), rounds in seconds.items():
        rate = count / statistics.median(rounds)
        print(json.dumps({"reader": name, "pattern": pattern, "patches_per_second": round(rate)}), flush=True)


main(sys.argv[1], int(sys.argv[2]))
