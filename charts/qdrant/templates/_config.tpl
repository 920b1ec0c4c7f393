{{/* The scheme of the REST, gRPC and metrics ports: http or https. */}}
{{- define "qdrant.scheme" -}}
{{ .Values.tls.enabled | ternary "https" "http" }}
{{- end }}

{{/* The scheme of peer URIs. */}}
{{- define "qdrant.p2p.scheme" -}}
{{ and .Values.tls.enabled .Values.tls.p2p | ternary "https" "http" }}
{{- end }}

{{/* Copies of each shard in a new collection. With two copies on three peers, any one peer can be lost. */}}
{{- define "qdrant.replicationFactor" -}}
{{- if kindIs "invalid" .Values.collection.replicationFactor }}
{{- /* A release that is scaled to 0 keeps its factor for when it is scaled up again. */}}
{{- or (ge (int .Values.replicas) 3) (eq (int .Values.replicas) 0) | ternary 2 1 }}
{{- else }}
{{- int .Values.collection.replicationFactor }}
{{- end }}
{{- end }}

{{/*
production.yaml: the settings from the typed values, with `config` merged over them. A row is the path of a Qdrant
setting and a value. A null value is left out, so that the server uses its default. Where the server accepts two
spellings of a name, use the one that ends in _kb: the other one and the server's built-in default are a duplicate
field, and the process exits.
*/}}
{{- define "qdrant.config" -}}
{{- $v := .Values -}}
{{- $tls := $v.tls.enabled -}}
{{- $ipv6 := or (has $v.service.ipFamilyPolicy (list "PreferDualStack" "RequireDualStack")) (has "IPv6" $v.service.ipFamilies) -}}
{{- $rows := list
  (list "log_level" $v.logging.level)
  (list "logger.format" $v.logging.format)
  (list "telemetry_disabled" (not $v.telemetry.enabled))
  (list "service.host" ($ipv6 | ternary "::" "0.0.0.0"))
  (list "service.http_port" 6333)
  (list "service.grpc_port" 6334)
  (list "service.metrics_port" ($v.metrics.enabled | ternary 6336 nil))
  (list "service.metrics_prefix" ($v.metrics.prefix | default nil))
  (list "service.max_request_size_mb" $v.server.maxRequestSizeMb)
  (list "service.max_workers" $v.server.maxWorkers)
  (list "service.enable_cors" $v.server.cors)
  (list "service.enable_static_content" $v.server.dashboard)
  (list "service.slow_query_secs" $v.server.slowQuerySecs)
  (list "service.enable_tls" $tls)
  (list "service.enforce_internal_auth" ($v.auth.enforceInternal | ternary true nil))
  (list "tls.cert" ($tls | ternary (printf "/qdrant/tls/%s" $v.tls.certKey) nil))
  (list "tls.key" ($tls | ternary (printf "/qdrant/tls/%s" $v.tls.keyKey) nil))
  (list "tls.ca_cert" ($tls | ternary (printf "/qdrant/tls/%s" $v.tls.caKey) nil))
  (list "tls.cert_ttl" ($tls | ternary $v.tls.reloadSec nil))
  (list "cluster.enabled" $v.cluster.enabled)
  (list "cluster.p2p.port" 6335)
  (list "cluster.p2p.enable_tls" (and $tls $v.tls.p2p))
  (list "cluster.consensus.tick_period_ms" $v.cluster.tickPeriodMs)
  (list "cluster.consensus.bootstrap_timeout_sec" $v.cluster.bootstrapTimeoutSec)
  (list "cluster.grpc_timeout_ms" $v.cluster.grpcTimeoutMs)
  (list "cluster.connection_timeout_ms" $v.cluster.connectionTimeoutMs)
  (list "storage.storage_path" "/qdrant/storage")
  (list "storage.snapshots_path" "/qdrant/snapshots")
  (list "storage.temp_path" ($v.persistence.scratch.enabled | ternary "/qdrant/scratch" nil))
  (list "storage.on_disk_payload" $v.collection.payloadOnDisk)
  (list "storage.update_concurrency" $v.performance.updateConcurrency)
  (list "storage.wal.wal_capacity_mb" $v.wal.capacityMb)
  (list "storage.wal.wal_segments_ahead" $v.wal.segmentsAhead)
  (list "storage.performance.max_search_threads" $v.performance.maxSearchThreads)
  (list "storage.performance.optimizer_cpu_budget" $v.performance.optimizerCpuBudget)
  (list "storage.performance.update_rate_limit" $v.performance.updateRateLimit)
  (list "storage.performance.search_timeout_sec" $v.performance.searchTimeoutSec)
  (list "storage.performance.incoming_shard_transfers_limit" $v.performance.incomingShardTransfersLimit)
  (list "storage.performance.outgoing_shard_transfers_limit" $v.performance.outgoingShardTransfersLimit)
  (list "storage.performance.async_scorer" $v.performance.asyncScorer)
  (list "storage.optimizers.indexing_threshold_kb" $v.optimizers.indexingThresholdKb)
  (list "storage.optimizers.max_optimization_threads" $v.optimizers.maxOptimizationThreads)
  (list "storage.optimizers.default_segment_number" $v.optimizers.defaultSegmentNumber)
  (list "storage.optimizers.max_segment_size_kb" $v.optimizers.maxSegmentSizeKb)
  (list "storage.optimizers.deleted_threshold" $v.optimizers.deletedThreshold)
  (list "storage.optimizers.vacuum_min_vector_number" $v.optimizers.vacuumMinVectorNumber)
  (list "storage.optimizers.flush_interval_sec" $v.optimizers.flushIntervalSec)
  (list "storage.optimizers.prevent_unoptimized" $v.optimizers.preventUnoptimized)
  (list "storage.hnsw_index.m" $v.hnsw.m)
  (list "storage.hnsw_index.ef_construct" $v.hnsw.efConstruct)
  (list "storage.hnsw_index.full_scan_threshold_kb" $v.hnsw.fullScanThresholdKb)
  (list "storage.hnsw_index.max_indexing_threads" $v.hnsw.maxIndexingThreads)
  (list "storage.hnsw_index.on_disk" $v.hnsw.onDisk)
  (list "storage.collection.replication_factor" (include "qdrant.replicationFactor" . | int))
  (list "storage.collection.write_consistency_factor" $v.collection.writeConsistencyFactor)
  (list "storage.collection.shard_number" $v.collection.shardNumber)
  (list "storage.collection.shard_number_per_node" $v.collection.shardNumberPerNode)
  (list "storage.collection.vectors.on_disk" $v.collection.vectorsOnDisk)
  (list "storage.collection.quantization" ($v.collection.quantization | default nil))
-}}
{{- range $key, $value := $v.strictMode -}}
{{- $rows = append $rows (list (printf "storage.collection.strict_mode.%s" (snakecase $key)) $value) -}}
{{- end -}}
{{- if $v.audit.enabled -}}
{{- $rows = concat $rows (list
  (list "audit.enabled" true)
  (list "audit.dir" "/qdrant/storage/audit")
  (list "audit.rotation" $v.audit.rotation)
  (list "audit.max_log_files" $v.audit.maxLogFiles)
  (list "audit.trust_forwarded_headers" $v.audit.trustForwardedHeaders)) -}}
{{- end -}}
{{- $config := dict -}}
{{- range $row := $rows -}}
{{- $value := index $row 1 -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $at := $config -}}
{{- $path := splitList "." (index $row 0) -}}
{{- range initial $path -}}
{{- if not (hasKey $at .) -}}{{- $_ := set $at . dict -}}{{- end -}}
{{- $at = get $at . -}}
{{- end -}}
{{- $_ := set $at (last $path) $value -}}
{{- end -}}
{{- end -}}
{{- toYaml (mergeOverwrite $config (deepCopy $v.config)) -}}
{{- end }}

{{/*
start.sh, the command of the server container. With the entrypoint of the image as PID 1, the first SIGTERM ends the
entrypoint, and the kernel kills the server with it. This script ends with `exec`, so that Qdrant is PID 1. With
shepherd, the script keeps running, forwards the signal and waits for the server.
*/}}
{{- define "qdrant.start" -}}
#!/bin/bash
set -euo pipefail
cd /qdrant
# The soft limit of open files is often 1024, but every segment opens several files.
ulimit -Sn "$(ulimit -Hn)"
arguments=()
{{- if .Values.shepherd.enabled }}
# The arguments that the init container chose, one per line.
mapfile -t arguments < /qdrant/shepherd/arguments
{{- else if .Values.cluster.enabled }}

scheme={{ include "qdrant.p2p.scheme" . }}
name={{ include "qdrant.fullname" . }}
domain={{ include "qdrant.headless.domain" . }}
bootstrap=$name-0
# PID 1 ignores a signal without a handler. Without this trap, a pod that waits here stops only after its grace period.
trap 'exit 143' TERM
say() { printf '%s start: %s\n' "$(date -u +%FT%TZ)" "$*" >&2; }
answers() { timeout 2 bash -c "</dev/tcp/$1.$domain/6335" 2>/dev/null; }
# The existence of the file is not enough: a refused or interrupted join leaves a file with term 0.
joined() { grep -q '"hard_state":{"term":[1-9]' storage/raft_state.json 2>/dev/null; }

# A peer that has joined before starts from its own state and does not wait for others, so that the whole cluster can
# restart. A new peer joins through pod 0. It waits until pod 0 is up, because a failed attempt ends the process.
if ! joined; then
  if [ "$POD_NAME" != "$bootstrap" ]; then
    until answers "$bootstrap"; do say "waiting for $bootstrap to respond on port 6335 before joining its cluster"; sleep 1; done
  else
    # Pod 0 with an empty volume starts a new cluster, unless another pod responds. In that case pod 0 has lost its
    # volume, and a second cluster at the same address would return empty results to clients. While the lost peer still
    # has shards, the server refuses the join and logs the reason.
    for ordinal in $(seq 1 15); do
      if answers "$name-$ordinal"; then
        say "the volume is empty and $name-$ordinal responds: joining its cluster instead of starting a second one"
        bootstrap=$name-$ordinal
        break
      fi
    done
  fi
fi
arguments+=(--uri "$scheme://$POD_NAME.$domain:6335" --bootstrap "$scheme://$bootstrap.$domain:6335")
{{- end }}
{{- if .Values.shepherd.enabled }}

# After SIGTERM, the server waits until its peers close their connections. If a peer died, that never happens (observed
# with 1.18.3). The grace period is too long as a limit, because it allows for a drain, so the script kills the server
# after 30 seconds. By then it has long stopped serving requests.
server='' stopping=no
stop() {
  stopping=yes
  [ -z "$server" ] || kill -TERM "$server" || true
  { sleep 30; kill -KILL "$server"; } >/dev/null 2>&1 &
}
trap stop TERM
./qdrant "${arguments[@]}" "$@" &
server=$!
# Handle a stop that arrived before the server was started.
[ "$stopping" = no ] || stop
# A signal also ends `wait`. The exit code is that of the server only after the server has exited.
while :; do
  code=0
  wait "$server" || code=$?
  kill -0 "$server" 2>/dev/null || break
done
if [ "$stopping" = yes ] && [ "$code" = 143 ]; then
  wait "$server" && code=0 || { again=$?; [ "$again" = 127 ] || code=$again; }
fi
exit "$code"
{{- else }}
exec ./qdrant "${arguments[@]}" "$@"
{{- end }}
{{- end }}
