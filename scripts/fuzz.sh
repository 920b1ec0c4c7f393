#!/usr/bin/env bash
# fuzz.sh DURATION runs each fuzz target of both modules for this time, one after the other. It continues after a
# failure.
set -euo pipefail
cd "$(dirname "$0")/.."
duration=${1:?usage: fuzz.sh DURATION}
mapfile -t packages < <(grep --recursive --files-with-matches --include='*_test.go' '^func Fuzz' client cmd internal tests tools | xargs --no-run-if-empty dirname | sort --unique)
[ "${#packages[@]}" -gt 0 ] || { echo "fuzz: no fuzz targets found" >&2; exit 1; }
failed=() count=0
for package in "${packages[@]}"; do
  listed=$(go test -list '^Fuzz' "./$package")
  mapfile -t targets < <(grep '^Fuzz' <<<"$listed")
  [ "${#targets[@]}" -gt 0 ] || { echo "fuzz: no fuzz targets listed in $package" >&2; exit 1; }
  for target in "${targets[@]}"; do
    echo "== $target in $package for $duration"
    count=$((count + 1))
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" "./$package" || failed+=("$target in $package")
  done
done
echo "$((count - ${#failed[@]})) passed, ${#failed[@]} failed"
for target in "${failed[@]+"${failed[@]}"}"; do echo "failed: $target"; done
[ "${#failed[@]}" -eq 0 ]
