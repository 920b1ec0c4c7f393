#!/usr/bin/env bash
# package.sh DIRECTORY [VALUES] packages the chart into DIRECTORY, with VALUES instead of its values.yaml. The package
# includes the profiles, so that it is enough for an installation: helm pull --untar, then helm install -f
# qdrant/values-prod.yaml.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:?name the directory of the package}
staging=$(mktemp -d)
trap 'rm -rf "$staging"' EXIT
cp -R charts/qdrant "$staging/"
cp values/values-dev.yaml values/values-prod.yaml "$staging/qdrant/"
[ -z "${2:-}" ] || cp "$2" "$staging/qdrant/values.yaml"
mkdir -p "$out"
helm package --destination "$out" "$staging/qdrant"
