"""torch's DataLoader over tiffslide, as its users write it: URL PLACES SECONDS PACKAGES.

Two processes, each with a handle that it opens once, batches of 32 tensors. URL is a local file or a blob, PLACES a CSV
(url,x,y). fsspec's adlfs, which torch does not bring, is taken from the directory PACKAGES; of what is here too, this Python's is
used. Prints {"how", "url", "arrived": [[seconds, patches so far], ...]} when the seconds are over or all patches cut: whoever
computes a rate begins at the first batch, which does not count.
"""

import json
import site
import sys
import time

import tiffslide_reader
import torch

BATCH = 32


class Places(torch.utils.data.Dataset):
    def __init__(self, url, places):
        self.url, self.places, self.handle = url, places, None

    def __len__(self):
        return len(self.places)

    def __getitem__(self, index):
        self.handle = self.handle or tiffslide_reader.opened(self.url, tuned=True)
        return torch.from_numpy(tiffslide_reader.cut(self.handle, *self.places[index]))


def main(url, places, seconds, packages):
    # Behind this Python's own.
    site.addsitedir(packages)
    loader = torch.utils.data.DataLoader(Places(url, tiffslide_reader.read_places(places)), batch_size=BATCH, num_workers=2)
    began, arrived, patches = time.perf_counter(), [], 0
    for batch in loader:
        patches += len(batch)
        arrived.append((time.perf_counter() - began, patches))
        if arrived[-1][0] > seconds:
            break
    print(json.dumps({"how": "DataLoader", "url": url, "arrived": arrived}))


main(sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4])
