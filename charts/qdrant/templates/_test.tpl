{{/*
The script of `helm test` without shepherd.
*/}}
{{- define "qdrant.test.script" -}}
set -uo pipefail
fail() { echo "FAIL: $*"; exit 1; }

# request METHOD HOST PATH [BODY] prints the response body. It fails if the status is not 2xx.
key=${API_KEY:-}
request() {
  local method=$1 host=$2 path=$3 body=${4:-} status line answer
  exec 3<>"/dev/tcp/$host/6333" || { echo "$host does not respond on port 6333" >&2; return 1; }
  { printf '%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n' "$method" "$path" "$host"
    [ -z "$key" ] || printf 'api-key: %s\r\n' "$key"
    printf 'Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' "${#body}" "$body"; } >&3
  read -r -t 30 _ status _ <&3 || { echo "$host: no response to $method $path" >&2; return 1; }
  while IFS= read -r line <&3 && [ "$line" != $'\r' ]; do :; done
  answer=$(cat <&3); exec 3>&-
  printf '%s' "$answer"
  case $status in 2*) ;; *) echo "$method $path at $host: status $status: $answer" >&2; return 1 ;; esac
}

if [ "$CLUSTER" = true ]; then
  cluster=$(request GET "$SERVICE" /cluster) || fail "the client Service does not return the state of the cluster"
  # The response lists each peer as "id":{"uri":"http://name:6335/"}.
  members() { grep -oE '"[0-9]+":\{"uri":"[^"]+"' <<<"$1" | sort; }
  leader() { grep -oE '"leader":[0-9]+' <<<"$1"; }
  peers=$(members "$cluster"); want=$(leader "$cluster")
  [ -n "$want" ] || fail "the cluster has no leader: $cluster"
  count=$(grep -c . <<<"$peers")
  [ "$count" -ge "$PEERS" ] || fail "the cluster has $count peers, but $PEERS are expected: $cluster"
  for host in $(sed -E 's#.*"uri":"https?://([^:/]+).*#\1#' <<<"$peers"); do
    view=$(request GET "$host" /cluster) || fail "peer $host does not return the state of the cluster"
    [ "$(members "$view")" = "$peers" ] || fail "peer $host lists different peers: $view"
    [ "$(leader "$view")" = "$want" ] || fail "peer $host follows a different leader: $view"
    grep -q '"consensus_thread_status":"working"' <<<"$view" || fail "the consensus thread of peer $host has stopped: $view"
    echo "ok: $host is one of $count peers, $want"
  done
fi

collection=helm-test-$RANDOM$RANDOM
request PUT "$SERVICE" "/collections/$collection" '{"vectors":{"size":4,"distance":"Dot"}}' >/dev/null || fail "cannot create a collection"
trap 'request DELETE "$SERVICE" "/collections/$collection" >/dev/null' EXIT
request PUT "$SERVICE" "/collections/$collection/points?wait=true" \
  '{"points":[{"id":1,"vector":[1,0,0,0],"payload":{"city":"Berlin"}},{"id":2,"vector":[0,1,0,0],"payload":{"city":"London"}}]}' >/dev/null || fail "cannot write points"
found=$(request POST "$SERVICE" "/collections/$collection/points/query" '{"query":[0,1,0,0],"limit":1,"with_payload":true}') || fail "cannot search"
grep -q '"city":"London"' <<<"$found" || fail "the search returned a different point: $found"
echo "ok: two points written, the nearest one found"

if [ -n "$key" ]; then
  if key='' request GET "$SERVICE" /collections >/dev/null 2>&1; then fail "the server responds to a request without a key"; fi
  echo "ok: refused without the key"
fi
{{- end }}
