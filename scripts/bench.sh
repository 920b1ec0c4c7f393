#!/usr/bin/env bash
# The benchmark, against a server that it starts: the binary QDRANT_BIN as a process, or else the image of compose.yaml in Docker. With
# --target among the arguments it uses that one. The arguments and exit codes are those of tools/bench.
set -euo pipefail
cd "$(dirname "$0")/.."
go build -o bin/bench ./tools/bench

case " $* " in *" --target"*) exec bin/bench "$@" ;; esac
[ -z "${QDRANT_BIN:-}" ] || exec bin/bench "$@"

docker info >/dev/null 2>&1 || { echo "bench: set QDRANT_BIN to a Qdrant binary, start Docker, or name a server with --target" >&2; exit 1; }
# What the environment says about another cluster does not hold for this one.
unset QDRANT_API_KEY QDRANT_API_KEY_FILE QDRANT_TLS QDRANT_CA QDRANT_CERT QDRANT_KEY
image=$(sed -n 's/^ *image: \(.*qdrant.*\)/\1/p' compose/compose.yaml | head -1)
container=$(docker run --rm --detach --publish 127.0.0.1::6334 --ulimit nofile=20000 --env QDRANT__TELEMETRY_DISABLED=true --entrypoint ./qdrant "$image")
# Stops the container when nothing holds the pipe any more, neither this script nor the benchmark, whoever ended them.
exec 9> >(trap '' INT TERM HUP; cat; docker stop "$container" >/dev/null)
server=(--target "$(docker port "$container" 6334/tcp | head -1)")
# The processor time of the server can be read where its process is one of this machine.
pid=$(docker inspect --format '{{.State.Pid}}' "$container")
[ ! -r "/proc/$pid/stat" ] || server+=(--server-pid "$pid")

# In the background, because a shell hears of no signal while it waits for a program in the foreground. A terminal's Ctrl-C reaches the
# benchmark by itself, and a second signal would end it at once; another signal is for this script alone, and is passed on.
bin/bench "${server[@]+"${server[@]}"}" "$@" &
bench=$!
trap : INT
trap 'kill -TERM "$bench" 2>/dev/null || true' TERM HUP
code=0
wait "$bench" || code=$?
while kill -0 "$bench" 2>/dev/null; do # the wait was interrupted by a signal, and the benchmark still writes its report
  code=0
  wait "$bench" || code=$?
done
exit "$code"
