"""tiffslide as its users open it, for the peers that cut random patches: a file, or a blob through fsspec and adlfs.

Storage comes from AZURE_STORAGE_*. Places are rows of a CSV (url,x,y) of one slide.
"""

import csv
import os

SIZE = 256
#: The fastest that fsspec has for tiles of some 10 KB at random: a request brings a tile and often its neighbour. With adlfs' own
#: 50 MiB nearly all that is fetched is thrown away.
TUNED = {"cache_type": "readahead", "block_size": 32 << 10}


def opened(url, tuned):
    import tiffslide

    if "://" not in url:
        return tiffslide.TiffSlide(url)
    import fsspec

    account, key = os.environ["AZURE_STORAGE_ACCOUNT_NAME"], os.environ["AZURE_STORAGE_ACCOUNT_KEY"]
    text = f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={key};BlobEndpoint={os.environ['AZURE_STORAGE_ENDPOINT']};"
    file = fsspec.open(url, connection_string=text)
    return tiffslide.TiffSlide(file.fs.open(file.path, **(TUNED if tuned else {})))


def cut(slide, x, y):
    return slide.read_region((int(x), int(y)), 0, (SIZE, SIZE), as_array=True)


def read_places(path):
    with open(path) as file:
        return [(int(row["x"]), int(row["y"])) for row in csv.DictReader(file)]
