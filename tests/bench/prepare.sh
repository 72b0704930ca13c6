# What the benchmarks share: the peers and the slide, made once, in the cache. Sourced from the clone's root; sets $venv and $slide.
bench_cache=${MICROTOME_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/microtome}/bench
bench_key=$(cat tests/bench/requirements.txt tests/bench/make_slide.py | sha256sum | cut -c1-12)
venv=$bench_cache/venv-$bench_key slide=$bench_cache/slide-$bench_key.tiff

if [ ! -e "$venv/done" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check -r tests/bench/requirements.txt
  touch "$venv/done"
fi
if [ ! -e "$slide" ]; then
  "$venv/bin/python" tests/bench/make_slide.py tests/slides/CMU-1-Small-Region.svs "$slide.part"
  mv "$slide.part" "$slide"
fi

on_two_cores() { # every process from here on, servers included
  taskset -cp "$(python3 -c 'import os; print(*sorted(os.sched_getaffinity(0))[:2], sep=",")')" $$ >/dev/null
}

random_places() { # how many: a CSV of patches of 256 px on the slide, which holds for a blob of its name as well
  python3 - "${slide##*/}" "$1" <<'PYTHON'
import random, sys

random.seed(1)
print("url,x,y")
for _ in range(int(sys.argv[2])):
    print(f"{sys.argv[1]},{random.randrange(40_960 - 256)},{random.randrange(30_720 - 256)}")
PYTHON
}
