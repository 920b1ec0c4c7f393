#!/usr/bin/env bash
# Pulls the images for the compose and e2e suites. kind pulls its node image itself.
set -euo pipefail
cd "$(dirname "$0")/.."
{
  [ -z "${E2E_QDRANT_IMAGE:-}" ] || echo "$E2E_QDRANT_IMAGE"
  # All images of the tests except shepherd's, which is in no registry.
  sed -n 's/^\t[A-Za-z]* *= "\(.*\)"$/\1/p' tests/internal/images/images.go | grep -v ':dev$'
  sed -n 's/^ *image: //p' compose/compose.yaml compose/compose.monitoring.yaml
} | sort --unique | while read -r image; do
  docker image inspect "$image" >/dev/null 2>&1 || docker pull "$image"
done
