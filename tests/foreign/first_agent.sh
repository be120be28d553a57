#!/bin/sh
# From a clone to the first agent that answers, as docs/guide/first-agent.md says it, with the time that each step takes.
# Building the server is told apart from the rest: it is done once.
#
#   tests/foreign/first_agent.sh [python|js|rust]...      default: python
#
# CAXTON_SERVER is where the local server of `caxton dev` listens, http://127.0.0.1:8400 by default.
set -eu

clone=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mktemp -d)
dev=
cleanup() {
  status=$?
  if [ -n "$dev" ]; then kill -TERM "$dev" 2>/dev/null || true; wait "$dev" || true; fi
  rm -rf "$folder"
  exit "$status"
}
trap cleanup EXIT INT TERM

now() { date +%s.%N; }
sum() { awk "BEGIN { print $1 }"; }
# step NAME COMMAND...: runs it, prints how long it took, and adds that to $total
step() {
  name=$1
  shift
  from=$(now)
  "$@" >"$folder/out" 2>&1 || { cat "$folder/out"; echo "FAILED: $name"; exit 1; }
  took=$(sum "$(now) - $from")
  total=$(sum "$total + $took")
  printf '%9.1f s  %s\n' "$took" "$name"
}
# Waits until `caxton dev` says that a version is live, or that it failed.
live() {
  while ! grep -q "\"revision\":$1[,}]" "$folder/events"; do
    if grep -q '"event":"failed"' "$folder/events"; then cat "$folder/events"; return 1; fi
    kill -0 "$dev" || { cat "$folder/events"; return 1; }
    sleep 0.05
  done
}
answers() { caxton ask greeter "Ada" | grep -qx "$1"; }

cd "$clone"
total=0
step "cargo artifacts (the server, once)" cargo artifacts
built=$total
export PATH="$clone/target/debug:$PATH"

for lang in "${@:-python}"; do
  echo "$lang"
  total=0
  cd "$folder"
  rm -rf greeter
  step "caxton new agent greeter --lang $lang" caxton new agent greeter --lang "$lang"
  cd greeter
  step "caxton build (with its toolchain)" caxton build
  step "caxton test" caxton test
  caxton dev -o json >"$folder/events" 2>"$folder/errors" &
  dev=$!
  step "caxton dev, until the agent is live" live 1
  step "caxton ask greeter Ada" answers "Hello, Ada!"
  printf '%9.1f s  from `new` to the first answer; with the build of the server %.1f s\n' \
    "$total" "$(sum "$total + $built")"
  case $lang in rust) file=src/lib.rs ;; js) file=src/greeting.js ;; *) file=src/greeting.py ;; esac
  sed -i 's/}, /}, dear /' "$file"
  step "an edit, built and live" live 2
  answers "Hello, dear Ada!"
  sed -n 's/.*"event":"live".*"revision":\([0-9]*\).*"took-ms":\([0-9]*\).*/           version \1 was live \2 ms after it was built/p' \
    "$folder/events"
  kill -TERM "$dev"
  wait "$dev"
  dev=
done
