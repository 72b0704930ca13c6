"""Runs tests/programs/change_demand.py as a PatchJob, and holds workers and waiting against demand. Arguments: kubectl, seconds a phase."""

import json
import math
import pathlib
import re
import subprocess
import sys
import time

kubectl, phase = sys.argv[1], float(sys.argv[2])
NAME = "demand"
SLOW_STEP, BATCH = 0.1, 32
SETTLED_SECONDS = 60
# Fewer workers are asked for when as few were enough for two minutes, and a quarter fewer each half minute: what stays is seen at the end.
LAST_SECONDS = 30
# Azurite's public, well-known key: no secret.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
STORAGE = {"AZURE_STORAGE_ACCOUNT_NAME": "devstoreaccount1", "AZURE_STORAGE_ACCOUNT_KEY": KEY,
           "AZURE_STORAGE_ENDPOINT": "http://198.18.1.1:10000/devstoreaccount1"}
PROGRAM = (pathlib.Path(__file__).parent.parent / "programs/change_demand.py").read_text()


def run(*arguments, text=None):
    done = subprocess.run([kubectl, *arguments], input=text, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"kubectl {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def ours(kind, spec):
    return {"apiVersion": "microtome.dev/v1alpha1", "kind": kind, "metadata": {"name": NAME, "namespace": NAME}, "spec": spec}


def limits(cpu, memory):
    return {"limits": {"cpu": cpu, "memory": memory}}


objects = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME}},
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "patches", "namespace": NAME}},
    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "storage", "namespace": NAME}, "stringData": STORAGE},
    ours("PatchProfile", {"locations": [{"url": "az://slides/", "access": "ReadOnly"}], "serviceAccountName": "patches",
                          "storageSecret": {"name": "storage"}, "images": {"allowed": ["localhost/"]},
                          "securityContext": {"runAsUser": 1000, "fsGroup": 1000}}),
    ours("Team", {"namespaces": [NAME], "profiles": [NAME]}),
    ours("PatchJob", {
        "command": ["python3", "-c", PROGRAM, str(SLOW_STEP), str(phase)], "activeDeadlineSeconds": 3600, "backoffLimit": 0,
        "datasets": [{"name": "train", "slides": {"list": [{"url": "az://slides/CMU-1-Small-Region.svs"}]},
                      "views": [{"name": "image", "size": 256, "level": 0}], "sampling": {"random": {"perSlide": 2_000_000}},
                      "batchSize": BATCH, "seed": 7}],
        "clusterSpec": {"profileName": NAME, "head": {"image": "localhost/user:1", "resources": limits("1", "1Gi")},
                        "workers": {"minReplicas": 1, "maxReplicas": 12, "resources": limits("100m", "512Mi")}}}),
]
run("create", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
seen, over = [], False
began = time.time()
while not over and time.time() - began < 3 * phase + 300:
    time.sleep(2)
    job = json.loads(run("get", "patchjob", NAME, "-n", NAME, "-o", "json"))
    status = job.get("status", {})
    over = any(one["type"] in ("Complete", "Failed") and one["status"] == "True" for one in status.get("conditions", []))
    deployment = run("get", "deployment", "-n", NAME, "-o", "jsonpath={.items[*].spec.replicas}").split()
    if deployment and (progress := status.get("progress")):
        seen.append((time.time(), int(deployment[0]), progress.get("scaling") or ""))
        print(f"{time.time() - began:5.0f} s  workers {deployment[0]}  {progress['patchesPerSecond']}/s  "
              f"waiting {progress['waitingPermille'] / 10} %  {seen[-1][2]}", file=sys.stderr)
log = run("logs", f"{NAME}-head-1", "-n", NAME, "--timestamps")
lines = [line.split(" ", 1) for line in log.splitlines() if line.split(" ", 1)[1].startswith('{"at"')]
seconds = [json.loads(text) for _, text in lines]
ended = time.mktime(time.strptime(lines[-1][0][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
first = ended - seconds[-1]["at"]
for number, step in enumerate((SLOW_STEP, SLOW_STEP / 4, SLOW_STEP)):
    start, end = number * phase + SETTLED_SECONDS, (number + 1) * phase
    settled = [second for second in seconds if start <= second["at"] < end]
    workers = [(count, text) for at, count, text in seen if end - LAST_SECONDS <= at - first < end]
    counts = [count for count, _ in workers]
    rates = [re.search(r"([\d \u202f\u00a0.]+) / ([\d \u202f\u00a0.]+)", text) for _, text in workers]
    needed = [float(re.sub(r"\s", "", rate[1])) / float(re.sub(r"\s", "", rate[2])) for rate in rates if rate]
    changes = [count for at, count, _ in seen if start <= at - first < end]
    steps_of = [b - a for a, b in zip(changes, changes[1:]) if a != b]
    turns = sum(a * b < 0 for a, b in zip(steps_of, steps_of[1:]))
    mean = lambda numbers: sum(numbers) / max(len(numbers), 1)
    print(f"steps of {step * 1000:.0f} ms: waited {100 * mean([second['waited'] for second in settled]):.2f} % of the time, {turns} turns; "
          f"at its end {mean(counts):.1f} workers where {mean(needed):.2f} were needed: at most {math.ceil(1.25 * mean(needed))}")
