"""Reads WebDataset shards with Python's standard library, and prints what they hold as JSON: for each shard its keys with
the endings of their files, in order. Argument: the folder."""

import json
import pathlib
import sys
import tarfile

shards = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.tar")):
    keys = {}
    with tarfile.open(path) as tar:
        for member in tar:
            key, _, ending = member.name.partition(".")
            keys.setdefault(key, []).append(ending)
            assert len(tar.extractfile(member).read()) == member.size
    shards[path.name] = keys
print(json.dumps(shards))
