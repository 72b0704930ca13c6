"""A job's file on the project's real slide."""

import copy
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
SLIDE = ROOT / "tests/slides/CMU-1-Small-Region.svs"
PROGRAMS = pathlib.Path(__file__).parent / "programs"

TRAIN: dict[str, Any] = {
    "name": "train",
    "slides": {"list": [{"url": str(SLIDE), "labels": {"grade": 2, "site": "left", "age": 61.5}}]},
    "views": [{"name": "image", "size": 64, "level": 0}],
    "sampling": {"random": {"perSlide": 300}},
    "batchSize": 50,
    "seed": 7,
    "epochs": 3,
}
VAL: dict[str, Any] = {
    **copy.deepcopy(TRAIN),
    "name": "val",
    "sampling": {"grid": {"stride": 200, "edge": "Drop"}},
    "order": "Sequential",
    "epochs": 1,
}


def write_job(path: pathlib.Path, *datasets: dict[str, Any], output: str | None = None) -> pathlib.Path:
    limits: dict[str, Any] = {"resources": {"limits": {}}}
    cluster = {"profileName": "p", "head": {"image": "i", **limits}, "workers": {"minReplicas": 1, "maxReplicas": 1, **limits}}
    spec: dict[str, Any] = {"command": ["x"], "activeDeadlineSeconds": 60, "clusterSpec": cluster, "datasets": datasets}
    if output is not None:
        spec["output"] = {"url": output, "format": "WebDataset"}
    job = {"apiVersion": "microtome.dev/v1alpha1", "kind": "PatchJob", "metadata": {"name": "test"}, "spec": spec}
    path.write_text(json.dumps(job))
    return path


@pytest.fixture
def job(tmp_path: pathlib.Path) -> pathlib.Path:
    """A job with two datasets, `train` and `val`."""
    return write_job(tmp_path / "patchjob.yaml", TRAIN, VAL)


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: pathlib.Path) -> Run:
    """Runs a program of Python's in a directory of its own; its output must come within a minute."""

    def run(*command: Any, **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, *map(str, command)],
            cwd=tmp_path,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def under_a_head(tmp_path: pathlib.Path) -> Iterator[Callable[..., str]]:
    """Runs a program of Python's under a real head with two real workers, of which one has its number in `worker.pid`; returns
    what it wrote."""
    microtome = os.environ["MICROTOME"]
    workers: list[subprocess.Popen[bytes]] = []

    def under_a_head(job: pathlib.Path, *command: Any, **variables: str) -> str:
        quiet = {**os.environ, "RUST_LOG": "error", **variables}
        port = _free_port()
        workers.extend(
            subprocess.Popen([microtome, "worker", "--threads", "1", "--head", f"http://127.0.0.1:{port}"], env=quiet)
            for _ in range(2)
        )
        (tmp_path / "worker.pid").write_text(str(workers[-1].pid))
        program = [sys.executable, *map(str, command)]
        head = [microtome, "head", "--job", str(job), "--listen", f"127.0.0.1:{port}", "--", *program]
        done = subprocess.run(head, cwd=tmp_path, env=quiet, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    yield under_a_head
    for worker in workers:
        worker.kill()
        worker.wait()


def _free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
