#!/usr/bin/env bash
# tidy.sh [-diff]: runs `go mod tidy` in every module; with -diff it changes nothing, prints what it would change, and
# fails if there is anything. The root module requires the version of client/ that is released with it, which cannot be
# downloaded yet.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export GOWORK=off
client=github.com/qdrant-shepherd/shepherd/client

cp go.mod go.sum "$scratch/"
go mod edit -replace "$client=$PWD/client" "$scratch/go.mod"
go mod tidy -modfile "$scratch/go.mod" "$@"
if [ $# -eq 0 ]; then
  go mod edit -dropreplace "$client" "$scratch/go.mod"
  cp "$scratch/go.mod" "$scratch/go.sum" .
fi
for module in client tools/kubernetes; do
  go -C "$module" mod tidy "$@"
done
