"""Fills a cluster of hollow nodes with PatchJobs and measures the operator. Arguments: kubectl, jobs, nodes."""

import collections
import json
import pathlib
import re
import subprocess
import sys
import time

kubectl, jobs, nodes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
TEAMS = 10
# Listing 3,000 pods is work for the apiserver, which is what everybody waits for here.
LOOK_SECONDS = 10
QUIET_SECONDS = 30
PEACE_SECONDS = 60


def run(*arguments, text=None):
    done = subprocess.run([kubectl, *arguments], input=text, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"kubectl {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def create(objects):
    run("create", "--validate=false", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


def team(number):
    name = f"load-{number}"
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "patches", "namespace": name}},
        {"apiVersion": "microtome.dev/v1alpha1", "kind": "PatchProfile", "metadata": {"name": name},
         "spec": {"locations": [{"url": "az://slides/", "access": "ReadOnly"}], "serviceAccountName": "patches",
                  "images": {"allowed": ["localhost/"]}, "securityContext": {"runAsUser": 1000, "fsGroup": 1000}}},
        {"apiVersion": "microtome.dev/v1alpha1", "kind": "Team", "metadata": {"name": name},
         "spec": {"namespaces": [name], "profiles": [name]}},
    ]


def node(number):
    offers = {"cpu": "16", "memory": "64Gi", "nvidia.com/gpu": "8", "pods": "110"}
    return {"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": f"hollow-{number}", "labels": {"pool": "kwok"}, "annotations": {"kwok.x-k8s.io/node": "fake"}},
            "spec": {"taints": [{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}]},
            "status": {"allocatable": offers, "capacity": offers}}


def job(number):
    name = f"load-{number % TEAMS}"
    limits = {"limits": {"cpu": "1", "memory": "1Gi"}}
    return {"apiVersion": "microtome.dev/v1alpha1", "kind": "PatchJob", "metadata": {"name": f"job-{number}", "namespace": name},
            "spec": {"command": ["sleep", "inf"], "activeDeadlineSeconds": 86400,
                     "datasets": [{"name": "train", "slides": {"list": [{"url": "az://slides/a.svs"}]},
                                   "views": [{"name": "image", "size": 256, "level": 0}],
                                   "sampling": {"random": {"perSlide": 64}}, "batchSize": 16, "seed": 7}],
                     "clusterSpec": {"profileName": name, "head": {"image": "localhost/user:1", "resources": limits},
                                     "workers": {"minReplicas": 2, "maxReplicas": 2, "resources": limits}}}}


def operator():
    pods = json.loads(run("-n", "microtome-system", "get", "pods", "-o", "json"))["items"]
    return next(pod for pod in pods if pod["status"]["phase"] == "Running")


def memory(pod):
    """Resident and most resident, in MiB, of the operator's process: pods' processes are in a cgroup of the pod's uid."""
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        try:
            if pod["metadata"]["uid"] in (status.parent / "cgroup").read_text() and "microtome-oper" in status.read_text().splitlines()[0]:
                fields = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", status.read_text(), re.M))
                return int(fields["VmRSS"]) / 1024, int(fields["VmHWM"]) / 1024
        except OSError:
            pass
    raise SystemExit("the operator's process is not found")


def metrics(pod):
    path = f"/api/v1/namespaces/microtome-system/pods/{pod['metadata']['name']}:8080/proxy/metrics"
    requests, buckets = collections.Counter(), collections.defaultdict(dict)
    for line in run("get", "--raw", path).splitlines():
        if match := re.match(r'rest_client_requests_total\{method="(\w+)",code="([^"]+)"\} (\d+)', line):
            requests[match[1], match[2]] += int(match[3])
        if match := re.match(r'controller_runtime_reconcile_time_seconds_bucket\{le="([^"]+)",controller="(\w+)"\} (\d+)', line):
            buckets[match[2]][float(match[1])] = int(match[3])
    return requests, buckets


def quantile(buckets, part):
    """The end of the bucket in which it lies."""
    total = max(buckets.values())
    return next(end for end, count in sorted(buckets.items()) if count >= part * total), total


def running():
    table = run("get", "pods", "-A", "-l", "microtome.dev/cluster", "--no-headers", "-o", "custom-columns=P:.status.phase")
    return collections.Counter(table.split())["Running"]


def writes(requests):
    return sum(count for (method, _), count in requests.items() if method != "GET")


for number in range(TEAMS):
    create(team(number))
create([node(number) for number in range(nodes)])
pod = operator()
before = memory(pod)
began = time.monotonic()
for start in range(0, jobs, 100):
    create([job(number) for number in range(start, min(start + 100, jobs))])
created = time.monotonic() - began
wanted, now = 3 * jobs, 0
while now < wanted and time.monotonic() - began < 1200:
    time.sleep(LOOK_SECONDS)
    now = running()
    print(f"{time.monotonic() - began:6.0f} s  {now} of {wanted} pods run", file=sys.stderr)
filled = time.monotonic() - began
requests, buckets = metrics(pod)
# Until nothing is written any more.
last, since = writes(requests), time.monotonic()
while time.monotonic() - since < QUIET_SECONDS and time.monotonic() - began < 1800:
    time.sleep(2)
    requests, buckets = metrics(pod)
    if writes(requests) != last:
        last, since = writes(requests), time.monotonic()
time.sleep(PEACE_SECONDS)
after, _ = metrics(pod)
peace = after - requests
resident, most = memory(pod)
print(f"{jobs} PatchJobs in {TEAMS} teams on {nodes} nodes, kwok; created in {created:.0f} s")
print(f"pods running: {now} of {wanted} after {filled:.0f} s")
print(f"operator: {before[0]:.0f} MiB before, {resident:.0f} MiB after, {most:.0f} MiB at most")
for controller, of in sorted(buckets.items()):
    (p50, total), (p99, _) = quantile(of, 0.5), quantile(of, 0.99)
    print(f"{controller}: {total} passes, half below {p50 * 1000:.0f} ms, 99 % below {p99 * 1000:.0f} ms")
print("requests until then:", ", ".join(f"{method} {code} {count}" for (method, code), count in sorted(requests.items())))
print(f"in {PEACE_SECONDS} s of peace: {writes(peace)} writes, {sum(peace.values()) - writes(peace)} reads")
