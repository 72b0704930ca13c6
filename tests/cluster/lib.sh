# shellcheck shell=bash
# shellcheck disable=SC2034  # most of these names are for the scripts that source this file
# What the scripts of the test cluster share: every path, address and name that more than one of them needs, and the few functions
# that go with them. Sourced, never run.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Where things are kept. The cache outlives clusters and holds only what is keyed by a hash of its inputs; the state belongs to the one
# cluster that runs. The state's path must stay short: unix sockets below it may not pass 107 characters.
CACHE=${MICROTOME_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/microtome}/cluster
STATE=${MICROTOME_CLUSTER_STATE:-/run/microtome-cluster}

# The network: 198.18.0.0/15 is set aside for tests (RFC 2544), so it can shadow no address that anybody uses. The control plane and
# each node have a network namespace of their own.
CONTROL_NS=mt-control
NODE_NS=mt-        # + node-N
HOST_LINK=mt-host  # this machine's end of the link to the control plane
HOST_IP=198.18.0.1
API_IP=198.18.0.2  # the apiserver, as this machine and the nodes reach it
API_PORT=6443
NODE_NET=198.18.1  # .1 is the control plane, .(10 + N) is node N
CONTROL_IP=$NODE_NET.1
PODS=198.18.64.0/19
SERVICES=198.18.128.0/20
API_SERVICE_IP=198.18.128.1
DNS_IP=198.18.128.10  # also in dns/dns.yaml
MAX_NODES=9           # one digit of the addresses
node_ip() { echo "$NODE_NET.1$1"; }
pod_net() { echo "198.18.6$((3 + $1)).0/24"; }
cgroup_of() { echo "mt-$1"; } # node-N

# Images.
PAUSE_IMAGE=localhost/pause:1
DNS_IMAGE=localhost/dns:1  # also in dns/dns.yaml
BASE_IMAGE=localhost/microtome-base:1

# Azurite's one account; name and key are printed in its public documentation and are no secret.
AZURITE_PORT=10000
AZURITE_ACCOUNT=devstoreaccount1
AZURITE_KEY=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==
AZURITE_URL=http://$CONTROL_IP:$AZURITE_PORT/$AZURITE_ACCOUNT

# buildah as a root user of a machine that may itself be a container: no nested container, no overlay mounts.
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs

say() { echo "cluster: $*" >&2; }
die() { echo "cluster: $*" >&2; exit 1; }

need_root() { [ "$(id -u)" = 0 ] || die "this needs root (namespaces, mounts, cgroups): run it as root, e.g. with sudo -E"; }
need_cluster() { [ -e "$STATE/admin.conf" ] || die "no cluster is up: run $HERE/up first"; }

# packages COMMAND=PACKAGE... installs the Debian packages of the commands that are missing; nothing when all are there. An absolute
# path may stand for the command where a package has none.
packages() {
  local pair missing=()
  for pair; do
    case $pair in
      /*) [ -e "${pair%%=*}" ] || missing+=("${pair#*=}") ;;
      *) command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}") ;;
    esac
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  need_root
  command -v apt-get >/dev/null || die "missing: ${missing[*]} (Debian's names); this machine has no apt-get, install them by hand"
  say "installing ${missing[*]}"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >&2 || {
    die "apt-get could not install ${missing[*]}: install them by hand, then run this again"
  }
}

# hash_of FILE... — a key made of the files' contents and of what comes on stdin; names and places do not count.
hash_of() { { cat; [ $# -eq 0 ] || sha256sum "$@" | cut -d' ' -f1; } | sha256sum | cut -c1-16; }

# One at a time, per name. A killed holder's lock goes with it, because `start` lets no daemon inherit the descriptor.
exec {LOCK_FD}</dev/null # until there is one: it can be closed all the same
lock() {
  mkdir -p "$CACHE"
  exec {LOCK_FD}>"$CACHE/$1.lock"
  flock -w "$2" "$LOCK_FD" || die "another run has held $CACHE/$1.lock for $2 s: wait for it, or end it"
}

inside() { local ns=$1; shift; nsenter --net=/run/netns/"$ns" "$@"; }

# start NAMESPACE NAME COMMAND... — a part of the cluster, in the background, with its log and process id on record. Each command line
# must hold a path below $STATE: that is how `down` knows it for ours.
start() {
  local ns=$1 name=$2; shift 2
  setsid nsenter --net=/run/netns/"$ns" "$@" >"$STATE/log/$name.log" 2>&1 </dev/null {LOCK_FD}>&- &
  echo $! >"$STATE/pid/$name"
}

# until_ok SECONDS COMMAND... — waits until the command succeeds.
until_ok() {
  local end=$((SECONDS + $1)); shift
  until "$@" >/dev/null 2>&1 {LOCK_FD}>&-; do
    [ "$SECONDS" -lt "$end" ] || die "gave up on: $*; the logs in $STATE/log say why"
    sleep 0.1
  done
}

# nodes — the names of the nodes that are up
nodes() { local d; for d in "$STATE"/node-*/; do [ ! -d "$d" ] || basename "$d"; done; }

# load_on NODE FILE... — docker-archives into a node's containerd. What `image` knows of the node is void then: a file may hold any name.
load_on() {
  local node=$1 file; shift
  rm -rf "$STATE/$node/loaded"
  for file; do ctr -a "$STATE/$node/containerd.sock" -n k8s.io images import "$file" >/dev/null || return; done
}
