#!/usr/bin/env bash
# A kind cluster of three workers with the chart in it, production's shape at a laptop's size, and a workload over real vectors.
# Needs Docker; KIND_NODE_IMAGE names another node image than kind's own. Your kubeconfig and other clusters are not touched.
set -euo pipefail
cd "$(dirname "$0")/.."
cluster=${CLUSTER:-qdrant-up} release=q namespace=qdrant
image=docker.io/qdrant/qdrant:v$(sed -n 's/^appVersion: "\(.*\)"/\1/p' charts/qdrant/Chart.yaml)-unprivileged
export KUBECONFIG=$PWD/artifacts/up/kubeconfig
mkdir -p "$(dirname "$KUBECONFIG")"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
stop() { echo "make up: $1" >&2; exit 1; }

docker info >/dev/null 2>&1 || stop "no Docker engine answers; start it, then run this again"
docker image inspect "$image" >/dev/null 2>&1 || docker pull "$image" || stop "the image $image is not here and can't be pulled; load it with 'docker load', then run this again"

if ! kind get clusters 2>/dev/null | grep -qx "$cluster"; then
  say "A kind cluster of three workers"
  rm -f "$KUBECONFIG"
  kind create cluster --name "$cluster" --config scripts/kind.yaml --wait 3m ${KIND_NODE_IMAGE:+--image "$KIND_NODE_IMAGE"}
elif [ ! -e "$KUBECONFIG" ]; then
  stop "a kind cluster called $cluster is there that this folder did not make; choose another name: CLUSTER=… make up"
fi
say "The images into its nodes"
kind load docker-image --name "$cluster" "$image" docker.io/library/qdrant-shepherd:dev

say "The chart"
kubectl create namespace "$namespace" --dry-run=client -o yaml | kubectl apply -f -
kubectl label --overwrite namespace "$namespace" pod-security.kubernetes.io/enforce=restricted
kubectl -n "$namespace" get secret qdrant-keys >/dev/null 2>&1 ||
  kubectl -n "$namespace" create secret generic qdrant-keys --from-literal=api-key="$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')"
# The autoscaler needs metrics-server, which kind does not bring.
helm upgrade --install "$release" charts/qdrant --namespace "$namespace" -f values/values-prod.yaml -f values/values-kind.yaml --set autoscaling.enabled=false
kubectl -n "$namespace" rollout status "statefulset/$release-qdrant" --timeout 10m

say "A workload over real vectors"
forward=$(mktemp)
kubectl -n "$namespace" port-forward "service/$release-qdrant" :6333 :6334 >"$forward" 2>&1 &
forwarder=$!
trap 'kill $forwarder 2>/dev/null; rm -f "$forward"' EXIT
port() { sed -n "s/^Forwarding from 127.0.0.1:\([0-9]*\) -> $1\$/\1/p" "$forward"; }
for _ in $(seq 100); do [ -n "$(port 6334)" ] && break; kill -0 "$forwarder" 2>/dev/null || stop "$(cat "$forward")"; sleep 0.1; done
key=$(kubectl -n "$namespace" get secret qdrant-keys -o go-template='{{index .data "api-key" | base64decode}}')
API_KEY=$key go run ./tests/smoke -target "127.0.0.1:$(port 6334)" -rest "http://127.0.0.1:$(port 6333)"

say "It runs"
kubectl -n "$namespace" get pods -o wide
cat <<TEXT

  export KUBECONFIG=$KUBECONFIG
  kubectl -n $namespace exec deploy/$release-shepherd -- /shepherd status            peers, shards, what is being done
  kubectl -n $namespace port-forward service/$release-qdrant 6333 6334     REST and gRPC on this machine
  helm -n $namespace test $release                                     prove the cluster
  make down                                                    delete all of it
TEXT
