#!/usr/bin/env bash
# Runs one scenario against the demo services and stops what it started.
# Usage: scripts/run.sh SCRIPT [k6 run arguments]; DEMO_FLAGS adds demo flags.
# The exit code is k6's own.
set -u
cd "$(dirname "$0")/.."
script=$1
shift
log=$(mktemp)
# shellcheck disable=SC2086 # the flags are words
bin/k6 x continuity demo ${DEMO_FLAGS:-} >"$log" 2>&1 &
demo=$!
trap 'kill -INT "$demo" 2>/dev/null; wait "$demo" 2>/dev/null; rm -f "$log"' EXIT

for _ in $(seq 100); do
  if grep -q '^gateway' "$log"; then break; fi
  if ! kill -0 "$demo" 2>/dev/null; then break; fi
  sleep 0.1
done
if ! grep -q '^gateway' "$log"; then
  echo "the demo services did not start:" >&2
  cat "$log" >&2
  exit 1
fi
bin/k6 run "$script" "$@"
