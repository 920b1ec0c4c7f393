#!/usr/bin/env bash
# Deletes the kind cluster of `make up`, and nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
export KUBECONFIG=$PWD/artifacts/up/kubeconfig
kind delete cluster --name "${CLUSTER:-qdrant}"
rm -rf artifacts/up
