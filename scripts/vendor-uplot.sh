#!/usr/bin/env bash
# Vendors uPlot, the chart library of the HTML report, from npm: the version and
# the integrity below are what is embedded. To update, change both and run this.
# Usage: scripts/vendor-uplot.sh
set -euo pipefail
cd "$(dirname "$0")/.."
version=1.6.32
integrity=sha512-KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw==
target=extension/internal/report/assets/uplot

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent "uplot@$version" >/dev/null)
package=$work/uplot-$version.tgz
got=sha512-$(openssl dgst -sha512 -binary "$package" | base64 -w0)
if [ "$got" != "$integrity" ]; then
  echo "uplot@$version has integrity $got, want $integrity" >&2
  exit 1
fi
tar -xzf "$package" -C "$work"
mkdir -p "$target"
cp "$work/package/LICENSE" "$work/package/dist/uPlot.iife.min.js" "$work/package/dist/uPlot.min.css" "$target/"
echo "uplot@$version is in $target"
