#!/usr/bin/env bash
# docker compose over compose/, with the monitoring overlay when MONITORING=1.
set -euo pipefail
cd "$(dirname "$0")/../compose"
files=(--file compose.yaml)
[ -z "${MONITORING:-}" ] || files+=(--file compose.monitoring.yaml)
if docker compose version >/dev/null 2>&1; then compose=(docker compose); else compose=(docker-compose); fi
"${compose[@]}" "${files[@]}" "$@"
