#!/usr/bin/env bash
# Pulls the images that the compose and e2e suites name. kind pulls that of its nodes by itself.
set -euo pipefail
cd "$(dirname "$0")/.."
{
  [ -z "${E2E_QDRANT_IMAGE:-}" ] || echo "$E2E_QDRANT_IMAGE"
  # All that the tests name, but shepherd's, which no registry has.
  sed -n 's/^\t[A-Za-z]* *= "\(.*\)"$/\1/p' tests/internal/images/images.go | grep -v ':dev$'
  sed -n 's/^ *image: //p' compose/compose.yaml compose/compose.monitoring.yaml
} | sort --unique | while read -r image; do
  docker image inspect "$image" >/dev/null 2>&1 || docker pull "$image"
done
