#!/usr/bin/env bash
# qdrant-binary.sh FILE copies the server from the image of the chart (or E2E_QDRANT_IMAGE) to FILE, for QDRANT_BIN.
set -euo pipefail
cd "$(dirname "$0")/.."
file=${1:?usage: qdrant-binary.sh FILE}
image=${E2E_QDRANT_IMAGE:-docker.io/qdrant/qdrant:v$(sed -n 's/^appVersion: "\(.*\)"/\1/p' charts/qdrant/Chart.yaml)-unprivileged}
docker image inspect "$image" >/dev/null 2>&1 || docker pull "$image"
container=$(docker create "$image")
trap 'docker rm "$container" >/dev/null' EXIT
mkdir -p "$(dirname "$file")"
docker cp "$container:/qdrant/qdrant" "$file"
"$file" --version
