#!/usr/bin/env bash
# Runs docker compose in compose/, with the monitoring overlay if MONITORING=1.
set -euo pipefail
cd "$(dirname "$0")/../compose"
files=(--file compose.yaml)
[ -z "${MONITORING:-}" ] || files+=(--file compose.monitoring.yaml)
if docker compose version >/dev/null 2>&1; then compose=(docker compose); else compose=(docker-compose); fi
"${compose[@]}" "${files[@]}" "$@"
