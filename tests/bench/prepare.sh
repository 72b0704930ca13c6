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
