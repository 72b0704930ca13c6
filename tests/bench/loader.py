"""Measures the Python package beside its peers, on one slide and the same places: SLIDE PATCHES MICROTOME.

Prints one JSON object a line: what, patches_per_second. `loader` is PatchLoader in this process with two workers, `run` the
same stream read by `microtome run`, which is the engine without Python; they take turns, and the medians count. `DataLoader` is
torch's with two processes over tiffslide. `Slide` rows read one region after the other with the same script.
"""

import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import openslide
import tiffslide
import torch
from microtome import PatchLoader, Slide

SIZE, BATCH, ROUNDS, SECONDS = 256, 32, 5, 20
slide, patches, microtome = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def say(what: str, rate: float) -> None:
    print(json.dumps({"what": what, "patches_per_second": round(rate)}), flush=True)


def write_job(path: pathlib.Path) -> None:
    limits = {"resources": {"limits": {}}}
    dataset = {"name": "train", "slides": {"list": [{"url": slide}]}, "views": [{"name": "image", "size": SIZE, "level": 0}],
               "sampling": {"random": {"perSlide": patches}}, "batchSize": BATCH, "seed": 7}
    cluster = {"profileName": "p", "head": {"image": "i", **limits}, "workers": {"minReplicas": 1, "maxReplicas": 1, **limits}}
    spec = {"command": ["x"], "activeDeadlineSeconds": 600, "clusterSpec": cluster, "datasets": [dataset]}
    path.write_text(json.dumps({"apiVersion": "microtome.dev/v1alpha1", "kind": "PatchJob", "metadata": {"name": "b"}, "spec": spec}))


def by_run(job: pathlib.Path, directory: str) -> float:
    command = [microtome, "run", job, "-o", "json", "--workers", "2", "--out", directory, "--selections", directory]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout)["patches_per_second"])


def by_loader(job: pathlib.Path) -> float:
    with PatchLoader("train", job=job, workers=2) as loader:
        batches = iter(loader)
        next(batches)
        began, read = time.perf_counter(), 0
        for batch in batches:
            read += len(batch["index"])
        return read / (time.perf_counter() - began)


class Places(torch.utils.data.Dataset):
    """Patches at random places, as one writes it with tiffslide: a handle a process."""

    def __init__(self, width: int, height: int) -> None:
        made = random.Random(7)
        self.places = [(made.randrange(width - SIZE), made.randrange(height - SIZE)) for _ in range(patches)]
        self.handle = None

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> torch.Tensor:
        self.handle = self.handle or tiffslide.TiffSlide(slide)
        return torch.from_numpy(self.handle.read_region(self.places[index], 0, (SIZE, SIZE), as_array=True))


def by_data_loader(places: Places) -> float:
    loader = torch.utils.data.DataLoader(places, batch_size=BATCH, num_workers=2)
    batches = iter(loader)
    next(batches)
    began, read = time.perf_counter(), 0
    for batch in batches:
        read += len(batch)
        if time.perf_counter() - began > SECONDS:
            break
    return read / (time.perf_counter() - began)


def by_regions(handle: object, places: list[tuple[int, int]]) -> float:
    began = time.perf_counter()
    for place in places:
        np.asarray(handle.read_region(place, 0, (SIZE, SIZE)))
    return len(places) / (time.perf_counter() - began)


os.environ["RUST_LOG"] = "error"
pathlib.Path(slide).read_bytes()
with tempfile.TemporaryDirectory() as directory:
    job = pathlib.Path(directory, "job.json")
    write_job(job)
    turns = [(by_run(job, directory), by_loader(job)) for _ in range(ROUNDS)]
say("microtome run", statistics.median(run for run, _ in turns))
say("PatchLoader", statistics.median(loader for _, loader in turns))
places = Places(*Slide(slide).dimensions)
say("DataLoader over tiffslide, 2 processes", by_data_loader(places))
handles = {"microtome.Slide": Slide(slide), "openslide-python": openslide.OpenSlide(slide), "tiffslide": tiffslide.TiffSlide(slide)}
rates = {name: [] for name in handles}
for _ in range(ROUNDS):
    for name, handle in handles.items():
        rates[name].append(by_regions(handle, places.places[:400]))
for name, found in rates.items():
    say(f"{name}, regions one by one", statistics.median(found))
