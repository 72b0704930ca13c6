# Ray Data for the benchmarks, in a Python of its own. Sourced after tests/servers.sh; sets $ray_venv.
ray_venv=$(kept_venv bench-pipeline tests/bench/pipeline-requirements.txt --no-deps)

ray() { # how, slide, places, seconds, patches a batch: a row, as ray_pipeline.py writes it
  echo "Ray Data, $1: $4 s" >&2
  # Ray makes its workers nice, which would cost it what else runs, the store included.
  EPOCH_START=$(date +%s.%N) RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=disabled RAY_worker_niceness=0 timeout -k 10 $(($4 + 30)) \
    "$ray_venv/bin/python" tests/bench/ray_pipeline.py "$@" 2>"$state/ray.log" || die "Ray Data does not run" "$state/ray.log"
}
