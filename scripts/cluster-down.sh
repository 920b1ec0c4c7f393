#!/usr/bin/env bash
# Deletes the kind cluster of `make up`, and nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
export KUBECONFIG=$PWD/artifacts/up/kubeconfig
[ -e "$KUBECONFIG" ] || { echo "make down: there is nothing that make up started from this folder"; exit 0; }
kind delete cluster --name "${CLUSTER:-qdrant-up}"
rm -rf artifacts/up
