"""Measures the Python package on one slide and the same random places: SLIDE URL PLACES BINARIES.

SLIDE is a local file, URL the same in a store (AZURE_STORAGE_*), PLACES a CSV (url,x,y) that fits both. Prints one JSON object a
line: how, url, patches_per_second, which is from the first batch, not counted, to the last. `PatchLoader` is in this process with
two workers; `stream` the same with a program in Rust at the other end, which takes batches in shared memory and looks at none; `run`
the same patches kept by nobody (`microtome run`). On the disk the three take turns. Medians count. The other rows read one region after the other from the disk, with the same script.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import openslide
import tiffslide
from microtome import PatchLoader, Slide
from tiffslide_reader import SIZE, read_places

BATCH, TURNS, FAR_TURNS, REGIONS = 32, 7, 3, 400
slide, url, places, binaries = sys.argv[1:]


def say(how: str, where: str, rates: list[float]) -> None:
    print(json.dumps({"how": how, "url": where, "patches_per_second": statistics.median(rates)}), flush=True)


def write_job(path: pathlib.Path, where: str) -> pathlib.Path:
    limits = {"resources": {"limits": {}}}
    dataset = {"name": "train", "slides": {"list": [{"url": where}]}, "views": [{"name": "image", "size": SIZE, "level": 0}],
               "sampling": {"coordinates": {"url": places}}, "batchSize": BATCH, "seed": 7}
    cluster = {"profileName": "p", "head": {"image": "i", **limits}, "workers": {"minReplicas": 1, "maxReplicas": 1, **limits}}
    spec = {"command": ["x"], "activeDeadlineSeconds": 600, "clusterSpec": cluster, "datasets": [dataset]}
    path.write_text(json.dumps({"apiVersion": "microtome.dev/v1alpha1", "kind": "PatchJob", "metadata": {"name": "b"}, "spec": spec}))
    return path


def by_run(job: pathlib.Path) -> float:
    command = [f"{binaries}/microtome", "run", job, "-o", "json", "--workers", "2", "--out", job.parent, "--selections", job.parent]
    done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return (done["patches"] - BATCH) / (done["seconds"] - done["first_batch_seconds"])


def by_stream(job: pathlib.Path) -> float:
    done = subprocess.run([f"{binaries}/examples/slab", job, "2"], check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout)["patches_per_second"])


def by_loader(job: pathlib.Path) -> float:
    with PatchLoader("train", job=job, workers=2) as loader:
        batches = iter(loader)
        next(batches)
        began, read = time.perf_counter(), 0
        for batch in batches:
            read += len(batch["index"])
        return read / (time.perf_counter() - began)


def by_regions(handle: object, corners: list[tuple[int, int]]) -> float:
    began = time.perf_counter()
    for corner in corners:
        np.asarray(handle.read_region(corner, 0, (SIZE, SIZE)))
    return len(corners) / (time.perf_counter() - began)


os.environ["RUST_LOG"] = "error"
with tempfile.TemporaryDirectory() as directory:
    near, far = (write_job(pathlib.Path(directory, f"{name}.json"), where) for name, where in (("near", slide), ("far", url)))
    turns = [(by_run(near), by_stream(near), by_loader(near)) for _ in range(TURNS)]
    for how, rates in zip(("run", "stream", "PatchLoader"), zip(*turns)):
        say(how, slide, list(rates))
    say("PatchLoader", url, [by_loader(far) for _ in range(FAR_TURNS)])
handles = {"Slide": Slide(slide), "openslide": openslide.OpenSlide(slide), "tiffslide": tiffslide.TiffSlide(slide)}
corners = read_places(places)[:REGIONS]
rates = [{name: by_regions(handle, corners) for name, handle in handles.items()} for _ in range(TURNS)]
for name in handles:
    say(name, slide, [turn[name] for turn in rates])
