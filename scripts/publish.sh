#!/usr/bin/env bash
# publish.sh REGISTRY: pushes the packed chart. HELM_PUSH_FLAGS=--plain-http for a registry without TLS.
set -euo pipefail
cd "$(dirname "$0")/.."
registry=${1:-}
[ -n "$registry" ] || { echo "make publish: name the registry: make publish OCI_REGISTRY=registry.example.org/charts" >&2; exit 2; }
version=$(sed -n 's/^version: //p' charts/qdrant/Chart.yaml)
# shellcheck disable=SC2086 # the flags are words
helm push ${HELM_PUSH_FLAGS:-} "dist/qdrant-$version.tgz" "oci://${registry#oci://}"
echo "install it: helm install q oci://${registry#oci://}/qdrant --version $version"
