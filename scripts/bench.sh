#!/usr/bin/env bash
# bench.sh [ARGUMENT...] starts a server and runs the benchmark against it. The server is the binary QDRANT_BIN, or else
# the image of compose.yaml in Docker. With the argument --target, the script uses that server. The arguments and exit
# codes are those of tools/bench.
set -euo pipefail
cd "$(dirname "$0")/.."
go build -o bin/bench ./tools/bench

case " $* " in *" --target"*) exec bin/bench "$@" ;; esac
[ -z "${QDRANT_BIN:-}" ] || exec bin/bench "$@"

docker info >/dev/null 2>&1 || { echo "bench: no server: set QDRANT_BIN to a Qdrant binary, start Docker, or use --target" >&2; exit 1; }
# Settings of the environment are for another cluster.
unset QDRANT_API_KEY QDRANT_API_KEY_FILE QDRANT_TLS QDRANT_CA QDRANT_CERT QDRANT_KEY
image=$(sed -n 's/^ *image: \(.*qdrant.*\)/\1/p' compose/compose.yaml | head -1)
container=$(docker run --rm --detach --publish 127.0.0.1::6334 --ulimit nofile=20000 --env QDRANT__TELEMETRY_DISABLED=true --entrypoint ./qdrant "$image")
# Stop the container when this script and the benchmark have ended for any reason, which closes the pipe.
exec 9> >(trap '' INT TERM HUP; cat; docker stop "$container" >/dev/null)
server=(--target "$(docker port "$container" 6334/tcp | head -1)")
# The CPU time of the server is available if its process runs on this machine.
pid=$(docker inspect --format '{{.State.Pid}}' "$container")
[ ! -r "/proc/$pid/stat" ] || server+=(--server-pid "$pid")

# Run the benchmark in the background, because a shell handles no signals while it waits for a foreground program.
# Ctrl-C in a terminal reaches the benchmark directly, and a second signal would end it at once, so forward only other
# signals.
bin/bench "${server[@]+"${server[@]}"}" "$@" &
bench=$!
trap : INT
trap 'kill -TERM "$bench" 2>/dev/null || true' TERM HUP
code=0
wait "$bench" || code=$?
while kill -0 "$bench" 2>/dev/null; do # a signal interrupted the wait, and the benchmark is still writing its report
  code=0
  wait "$bench" || code=$?
done
exit "$code"
