#!/usr/bin/env bash
# publish.sh REGISTRY pushes the shepherd image, and the chart with the repository and digest of that image. The script
# builds the published chart in dist/publish. The files in the repository do not change. For a registry without TLS, set
# HELM_PUSH_FLAGS=--plain-http. IMAGE_PUSH_FLAGS are additional flags of tools/image. For example, -binary
# linux/amd64=FILE -binary linux/arm64=FILE pushes existing binaries.
set -euo pipefail
cd "$(dirname "$0")/.."
registry=${1:-}
registry=${registry#oci://}
[ -n "$registry" ] || { echo "make publish: no registry: make publish OCI_REGISTRY=registry.example.org/charts" >&2; exit 2; }
version=$(sed -n 's/^version: //p' charts/qdrant/Chart.yaml)

image=$registry/qdrant-shepherd
# shellcheck disable=SC2086 # the flags are words
digest=$(go run ./tools/image -version "$version" -platform linux/amd64,linux/arm64 -push "$image:${version//+/_}" ${IMAGE_PUSH_FLAGS:-})
[[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] || { echo "make publish: invalid image digest: $digest" >&2; exit 1; }

rm -rf dist/publish
mkdir -p dist/publish
awk -v image="$image" -v digest="$digest" '
  /^[^ #]/ { section = $1 }
  section == "shepherd:" && /^    repository: null$/ { print "    repository: \"" image "\""; filled++; next }
  section == "shepherd:" && /^    digest: null$/ { print "    digest: \"" digest "\""; filled++; next }
  { print }
  END { exit filled != 2 }
' charts/qdrant/values.yaml >dist/publish/values.yaml || { echo "make publish: cannot find shepherd.image in values.yaml" >&2; exit 1; }

scripts/package.sh dist/publish dist/publish/values.yaml
# shellcheck disable=SC2086 # the flags are words
helm push ${HELM_PUSH_FLAGS:-} "dist/publish/qdrant-$version.tgz" "oci://$registry"
echo "install the chart: helm install q oci://$registry/qdrant --version $version"
