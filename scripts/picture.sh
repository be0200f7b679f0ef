#!/usr/bin/env bash
# Takes the picture of the HTML report that README.md shows, of the sample run
# with dropped contexts. It needs a Chromium (CONTINUITY_BROWSER names another).
# Usage: scripts/picture.sh
set -euo pipefail
cd "$(dirname "$0")/.."
browser=${CONTINUITY_BROWSER:-chromium}
picture=$PWD/results/samples/report.png
page=$PWD/results/samples/dropped-context.html
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT

timeout 120 "$browser" --headless --no-sandbox --disable-gpu --disable-background-networking \
  --disable-component-update --disable-sync --hide-scrollbars --user-data-dir="$profile" \
  --window-size=1240,1180 --virtual-time-budget=5000 --screenshot="$picture" "file://$page" \
  >/dev/null 2>&1
size=$(stat -c %s "$picture")
if [ "$size" -gt 300000 ]; then
  echo "$picture has $size bytes, more than 300000" >&2
  exit 1
fi
echo "$picture, $size bytes"
