"""What the benchmarks of head and workers share: jobs, processes, and what they cost."""

import json
import os
import pathlib
import socket
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASE = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
MIB = 1 << 20


def build(*more):
    subprocess.run(["cargo", "build", "--release", "--locked", "-p", "microtome-feed", *more], cwd=ROOT, check=True)


def write_job(path, url, size, patches, epochs=1):
    limits = {"resources": {"limits": {}}}
    dataset = {
        "name": "train", "slides": {"list": [{"url": str(url)}]}, "views": [{"name": "image", "size": size, "level": 0}],
        "sampling": {"random": {"perSlide": patches}}, "batchSize": max(1, (6 * MIB) // (size * size * 3)), "epochs": epochs,
    }
    spec = {
        "command": ["unused"], "activeDeadlineSeconds": 86400, "datasets": [dataset],
        "clusterSpec": {"profileName": "bench", "head": {"image": "none", **limits},
                        "workers": {"minReplicas": 1, "maxReplicas": 1, **limits}},
    }
    job = {"apiVersion": "microtome.dev/v1alpha1", "kind": "PatchJob", "metadata": {"name": "bench"}, "spec": spec}
    path.write_text(json.dumps(job))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start_head(job, port, budget, program):
    command = [RELEASE / "microtome", "head", "--job", job, "--listen", f"127.0.0.1:{port}", "--memory", str(budget), "--"]
    return subprocess.Popen([*command, *program], env={**os.environ, "RUST_LOG": "error"})


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0
