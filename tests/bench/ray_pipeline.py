"""Ray Data over tiffslide, as its users write it: patches of a slide in blob storage or on the disk, cut where they are needed.

Arguments: how, the slide's URL or path, a CSV of coordinates (url,x,y), seconds, and patches a batch, unless blocks are to be
handed over. `how` is one of
  open    `map`: each patch opens the slide
  handle  `map_batches` with a class: each of two actors opens the slide once, and fsspec reads ahead as adlfs does by default
  tuned   as `handle`, with fsspec told to read ahead 32 KiB instead of adlfs' 50 MiB
Storage comes from AZURE_STORAGE_*. Prints {"how", "url", "arrived": [[seconds since EPOCH_START, patches so far], ...]} when the
given seconds are over or all patches cut; EPOCH_START, in the environment, is when the process was started, so that the times
hold what Python and Ray need to start. Where no batch is asked for, patches are handed over in blocks smaller than one, which is
kind to the first batch and lets a slow row be counted more finely.
"""

import json
import os
import signal
import sys
import time

import numpy
import ray
from tiffslide_reader import SIZE, cut, opened, read_places

# Patches a block.
BLOCK = {"open": 2, "handle": 4, "tuned": 16}


class Cutter:
    def __init__(self, url, how):
        self.slide = opened(url, how == "tuned")

    def __call__(self, batch):
        return {"image": numpy.stack([cut(self.slide, x, y) for x, y in zip(batch["x"], batch["y"])])}


def main(how, url, places, seconds, batch=None):
    rows = [{"x": x, "y": y} for x, y in read_places(places)]
    # Its processes inherit the environment.
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=2 << 30)
    ray.data.DataContext.get_current().enable_progress_bars = False
    block = int(batch or BLOCK[how])
    data = ray.data.from_items(rows, override_num_blocks=len(rows) // block)
    if how == "open":
        data = data.map(lambda row: {"image": cut(opened(url, False), row["x"], row["y"])})
    else:
        data = data.map_batches(Cutter, fn_constructor_args=(url, how), batch_size=block, concurrency=2, num_cpus=1)
    began, arrived, patches = float(os.environ["EPOCH_START"]), [], 0

    def report(*_):
        print(json.dumps({"how": how, "url": url, "arrived": arrived}), flush=True)
        os._exit(0)  # Ray's own end waits for tasks that nobody needs; its processes go when this one is gone.

    signal.signal(signal.SIGALRM, report)
    signal.setitimer(signal.ITIMER_REAL, max(0.1, began + float(seconds) - time.time()))
    for images in data.iter_batches(batch_size=block):
        assert images["image"].shape[1:] == (SIZE, SIZE, 3), images["image"].shape
        patches += len(images["image"])
        arrived.append((time.time() - began, patches))
    report()


main(*sys.argv[1:])
