#!/usr/bin/env bash
# Makes the sample reports in results/samples: the checkout scenario against the
# demo services as they are, the same with two of a hundred trace contexts
# dropped, and the comparison of the two in every format.
# Usage: scripts/samples.sh; PORT is the first of five free ports (default 18080).
set -euo pipefail
cd "$(dirname "$0")/.."
port=${PORT:-18080}
gateway=127.0.0.1:$port
otlp=127.0.0.1:$((port + 3))
target=results/samples
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$target"

# sample NAME [demo flags]: one run, its report in $target/NAME.json. A crossed
# threshold (exit code 99) is what a run with breaks is expected to say.
sample() {
  local name=$1 code=0
  shift
  mkdir -p "$work/$name"
  DEMO_FLAGS="--listen-gateway $gateway --listen-inventory 127.0.0.1:$((port + 1))
    --listen-pricing 127.0.0.1:$((port + 2)) --endpoint $otlp $*" \
    UPSTREAM=$gateway VUS=${VUS:-5} K6_NO_USAGE_REPORT=true K6_CONTINUITY_HTML=false \
    K6_CONTINUITY_RESULTS="$work/$name" K6_CONTINUITY_LABELS="sample=$name" \
    K6_CONTINUITY_LISTEN_GRPC="$otlp" K6_CONTINUITY_LISTEN_HTTP="127.0.0.1:$((port + 4))" \
    scripts/run.sh scripts/checkout.js --quiet || code=$?
  if [ "$code" -ne 0 ] && [ "$code" -ne 99 ]; then
    echo "the run $name failed with exit code $code" >&2
    exit 1
  fi
  cp "$work/$name"/*.json "$target/$name.json"
}

sample baseline
sample dropped-context --drop-context 0.02 --seed 7

bin/k6 x continuity show --format html --trace-url 'http://localhost:16686/trace/{trace_id}' \
  --output "$target/dropped-context.html" "$target/dropped-context.json"
for format in text:txt markdown:md json:json html:html; do
  code=0
  bin/k6 x continuity compare --format "${format%:*}" --output "$target/comparison.${format#*:}" \
    "$target/baseline.json" "$target/dropped-context.json" 2>"$work/verdict" || code=$?
  if [ "$code" -ne 1 ]; then
    echo "the comparison ended with exit code $code, want 1 for a regression" >&2
    cat "$work/verdict" >&2
    exit 1
  fi
done
du -h "$target"/*
