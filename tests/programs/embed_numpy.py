"""Writes one feature file per slide, as config/samples/embed.py does, with numpy alone: the mean colour of each patch is its feature.

The last line says how many slides were read, and how many patches.
"""

import json

import numpy
from microtome import PatchLoader

loader = PatchLoader("train")
slides = patches = 0
for bag in loader.slides(skip=loader.output.done("{slide}.npz")):
    features = [numpy.asarray(batch["image"]).mean(axis=(1, 2)) for batch in bag]
    with loader.output.open(f"{bag.slide}.npz") as file:
        numpy.savez(file, features=numpy.concatenate(features), coords=bag.coords)
    slides, patches = slides + 1, patches + sum(len(batch) for batch in features)
print(json.dumps({"patches": patches, "slides": slides}), flush=True)
