#!/usr/bin/env bash
# The benchmark, against a server that it starts: the binary QDRANT_BIN as a process, or else the image of compose.yaml in Docker. With
# --target among the arguments it uses that one. The arguments are those of `vector bench`.
set -euo pipefail
cd "$(dirname "$0")/.."
server=()
case " $* " in
*" --target"*) ;;
*)
  if [ -z "${QDRANT_BIN:-}" ]; then
    docker info >/dev/null 2>&1 || { echo "bench: set QDRANT_BIN to a Qdrant binary, start Docker, or name a server with --target" >&2; exit 1; }
    image=$(sed -n 's/^ *image: \(.*qdrant.*\)/\1/p' compose/compose.yaml | head -1)
    container=$(docker run --rm --detach --publish 127.0.0.1::6334 --ulimit nofile=20000 --env QDRANT__TELEMETRY_DISABLED=true --entrypoint ./qdrant "$image")
    trap 'docker stop "$container" >/dev/null' EXIT
    server=(--target "$(docker port "$container" 6334/tcp | head -1)")
    # The processor time of the server can be read where its process is one of this machine.
    pid=$(docker inspect --format '{{.State.Pid}}' "$container")
    [ ! -r "/proc/$pid/stat" ] || server+=(--server-pid "$pid")
  fi
  ;;
esac
go run ./cmd/vector bench "${server[@]}" "$@"
