# Storage servers on loopback for tests and benchmarks. Sourced from the clone's root, by `tests/stores` and `tests/bench/pipeline`.
# It makes $state, a directory for logs and data, and ends what it started when the shell exits. What it installs is kept in $cache.
cache=${MICROTOME_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/microtome}/stores
mkdir -p "$cache"
state=$(mktemp -d)
pids=()

end_servers() {
  ((${#pids[@]} == 0)) || kill "${pids[@]}" 2>/dev/null || true
  wait
  rm -rf "$state"
}
trap end_servers EXIT

die() { # message, log
  echo "${0##*/}: $1" >&2
  [ -z "${2:-}" ] || cat "$2" >&2
  exit 1
}

kept() { # name, file...: the directory for what these files pin
  echo "$cache/$1-$(cat "${@:2}" | sha256sum | cut -c1-16)"
}

kept_venv() { # name, requirements, arguments of pip...: the directory of a Python ($venv_python) with these packages, installed once
  local home
  home=$(kept "$1" "$2")
  if [ ! -e "$home/installed" ]; then
    "${venv_python:-python3}" -m venv "$home" || die "Python's venv is needed: install the package python3-venv"
    "$home/bin/pip" install --quiet --disable-pip-version-check "${@:3}" --requirement "$2" >&2
    touch "$home/installed"
  fi
  echo "$home"
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

until_answers() { # port, name: waits for its server, at most 30 s
  local _
  for _ in {1..300}; do
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
    sleep 0.1
  done
  die "$2 does not start" "$state/$2.log"
}

azurite() { # starts one; sets azurite_{port,url,account,key,modules}
  local files=(tests/cluster/azurite/package{,-lock}.json) home
  home=$(kept azurite "${files[@]}")
  command -v npm >/dev/null || die "Node 20 and npm are needed: install the packages nodejs and npm"
  if [ ! -d "$home" ]; then
    rm -rf "$home.new"
    mkdir "$home.new"
    cp "${files[@]}" "$home.new"
    # No scripts: nothing here needs compiling.
    (cd "$home.new" && npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >&2)
    mv -T "$home.new" "$home"
  fi
  azurite_modules=$home/node_modules
  azurite_port=$(free_port)
  azurite_account=slides
  azurite_url=http://127.0.0.1:$azurite_port/$azurite_account
  azurite_key=$(head -c 64 /dev/urandom | base64 -w0)
  AZURITE_ACCOUNTS=$azurite_account:$azurite_key node "$azurite_modules/azurite/dist/src/blob/main.js" --blobHost 127.0.0.1 \
    --blobPort "$azurite_port" --location "$state/azurite" --skipApiVersionCheck --disableTelemetry --silent >"$state/azurite.log" 2>&1 &
  pids+=($!)
  until_answers "$azurite_port" azurite
}

put_blob() { # container, name, file: into Azurite; makes the container where it is missing
  AZURITE_URL=$azurite_url AZURITE_ACCOUNT=$azurite_account AZURITE_KEY=$azurite_key NODE_PATH=$azurite_modules \
    node tests/cluster/azurite/blob.js put "$@" >"$state/put.log" 2>&1 || die "cannot put $3 into container $1" "$state/put.log"
}
