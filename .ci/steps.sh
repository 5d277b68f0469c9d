# shellcheck shell=bash
# How .ci/run runs a step: with a time limit, its output in a file, one line about it. Sourced, not run.

CI_WORK=$(mktemp -d "${TMPDIR:-/tmp}/pvsched-ci.XXXXXX")
CI_STEPS=$CI_WORK/steps        # name <tab> exit status <tab> seconds, for .ci/test_steps.py
CI_END=$((SECONDS + ${CI_MINUTES:-80} * 60))
CI_MARK=pvsched-ci-$$-$RANDOM  # in the environment of everything that is started here
export CI_WORK CI_STEPS CI_MARK
: >"$CI_STEPS"
LANE= # the pid of what runs beside
trap '[ -z "$LANE" ] || kill "$LANE"; rm -rf "$CI_WORK"' EXIT
trap 'exit 143' TERM INT

# PyPI, over a network that may have a bad minute
export PIP_RETRIES=10 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_PROGRESS_BAR=off
export PIP_QUIET=1 PYTHONUNBUFFERED=1 HYPOTHESIS_STORAGE_DIRECTORY=$CI_WORK/hypothesis

# The seconds that a step may take: its own limit, or what is left of the whole.
seconds_for() {
  local left=$((CI_END - SECONDS))
  [ "$left" -gt 10 ] || left=10
  echo $(($1 < left ? $1 : left))
}

# run_limited NAME LIMIT COMMAND...: output to $CI_WORK/NAME.log; notes and returns its exit status.
run_limited() {
  local name=$1 limit began=$SECONDS status
  limit=$(seconds_for "$2")
  shift 2
  timeout --kill-after=30 "$limit" "$@" >"$CI_WORK/$name.log" 2>&1
  status=$?
  printf '%s\t%s\t%s\n' "$name" "$status" "$((SECONDS - began))" >>"$CI_STEPS"
  [ "$status" -ne 124 ] || echo "stopped: over its $limit s" >>"$CI_WORK/$name.log"
  return "$status"
}

# step NAME LIMIT COMMAND...: a failing one shows its log, and the run goes on.
step() {
  local began=$SECONDS
  if run_limited "$@"; then
    printf '%-10s ok     %4d s  %s\n' "$1" "$((SECONDS - began))" "$(tail -n 1 "$CI_WORK/$1.log" | cut -c1-110)"
  else
    printf '%-10s FAILED %4d s\n' "$1" "$((SECONDS - began))"
    tail -n 150 "$CI_WORK/$1.log" | cut -c1-300 | sed "s/^/  $1| /"
  fi
}

# beside FUNCTION: its steps run while the script goes on, and give way to it; what they say is held back until `joined`.
beside() {
  (
    renice -n 19 "$BASHPID" >/dev/null
    "$@"
  ) >"$CI_WORK/beside.out" 2>&1 &
  LANE=$!
}

joined() {
  wait "$LANE"
  LANE=
  cat "$CI_WORK/beside.out"
}

# ratios LIMIT COMMAND...: the benchmarks; the table that they end with is what a reader came for.
ratios() {
  local log=$CI_WORK/benchmarks.log
  if run_limited benchmarks "$@"; then
    echo "benchmarks ok"
  else
    echo "benchmarks FAILED"
    grep -E '^(E  |FAILED|ERROR)' "$log" | tail -n 40 | cut -c1-300
  fi
  sed -n '/^=* pvsched bench =*$/,/^$/p; /^[0-9]* targets:/,/^$/p' "$log" | cut -c1-200
  tail -n 1 "$log"
}

# finish LIMIT COMMAND...: the last pytest run, in the open; its summary is the end of the output.
finish() {
  local limit status
  if [ -s "$CI_WORK/failed-once" ]; then
    echo "failed at first, and were run once more:"
    sed 's/^/  /' "$CI_WORK/failed-once"
  fi
  limit=$(seconds_for "$1")
  shift
  timeout --kill-after=30 "$limit" "$@"
  status=$?
  if [ "$status" -eq 0 ] && awk -F'\t' '$2 != 0 { bad = 1 } END { exit !bad }' "$CI_STEPS"; then
    status=1
  fi
  exit "$status"
}
