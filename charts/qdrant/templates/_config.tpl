{{/* http or https, for what speaks TLS when tls.enabled. */}}
{{- define "qdrant.scheme" -}}
{{ .Values.tls.enabled | ternary "https" "http" }}
{{- end }}

{{/* The scheme of peers' URIs. */}}
{{- define "qdrant.p2p.scheme" -}}
{{ and .Values.tls.enabled .Values.tls.p2p | ternary "https" "http" }}
{{- end }}

{{/* Copies of each shard in a new collection. Two of three peers hold each shard then, and any one may go. */}}
{{- define "qdrant.replicationFactor" -}}
{{- if kindIs "invalid" .Values.collection.replicationFactor }}
{{- /* A release at 0 sleeps; it is the same release when it wakes. */}}
{{- or (ge (int .Values.replicas) 3) (eq (int .Values.replicas) 0) | ternary 2 1 }}
{{- else }}
{{- int .Values.collection.replicationFactor }}
{{- end }}
{{- end }}

{{/*
production.yaml: Qdrant's settings from the typed values, then `config` over them. A row is a path in Qdrant's words and a value;
null is left out, so the server's own default stands. Names end in _kb where the server knows two spellings: the other one, together
with the server's built-in default, is a duplicate field and ends the process.
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
start.sh: what the server's container runs. The image's own entrypoint as PID 1 dies of the first SIGTERM, and the kernel kills the server with
it. This one ends in `exec`, so that Qdrant is PID 1 itself; with shepherd it stays, hands the signal on, and waits.
*/}}
{{- define "qdrant.start" -}}
#!/bin/bash
set -euo pipefail
cd /qdrant
# The soft limit of open files is often 1024; every segment holds several.
ulimit -Sn "$(ulimit -Hn)"
arguments=()
{{- if .Values.shepherd.enabled }}
# What the init container decided: one argument a line.
mapfile -t arguments < /qdrant/shepherd/arguments
{{- else if .Values.cluster.enabled }}

scheme={{ include "qdrant.p2p.scheme" . }}
name={{ include "qdrant.fullname" . }}
domain={{ include "qdrant.headless.domain" . }}
bootstrap=$name-0
# PID 1 has no default for a signal: without this, a pod that waits here would be killed only when its grace period is over.
trap 'exit 143' TERM
say() { printf '%s start: %s\n' "$(date -u +%FT%TZ)" "$*" >&2; }
answers() { timeout 2 bash -c "</dev/tcp/$1.$domain/6335" 2>/dev/null; }
# The file alone proves nothing: a join that was refused or interrupted leaves one behind, with term 0, as of a peer that never joined.
joined() { grep -q '"hard_state":{"term":[1-9]' storage/raft_state.json 2>/dev/null; }

# A peer that has joined before starts with its own state and needs nobody: a restart of the whole cluster must not block.
# One that has none joins through pod 0, which may not be up yet; trying would end the process, so wait.
if ! joined; then
  if [ "$POD_NAME" != "$bootstrap" ]; then
    until answers "$bootstrap"; do say "waiting for $bootstrap to answer on port 6335 before joining its cluster"; sleep 1; done
  else
    # Pod 0 with an empty volume founds a cluster, unless one is there already: then it has lost its volume, and a
    # second cluster at the same address would answer clients with nothing. The server refuses the join while the lost peer
    # still has shards, and says so.
    for ordinal in $(seq 1 15); do
      if answers "$name-$ordinal"; then
        say "the volume is empty, and $name-$ordinal answers: joining its cluster, not founding a second one"
        bootstrap=$name-$ordinal
        break
      fi
    done
  fi
fi
arguments+=(--uri "$scheme://$POD_NAME.$domain:6335" --bootstrap "$scheme://$bootstrap.$domain:6335")
{{- end }}
{{- if .Values.shepherd.enabled }}

# A server that is told to stop waits for its peers' connections to close, and one that a peer died with never does (seen with 1.18.3). The
# grace period, which has to hold a drain, is no bound for that; so this is one. What is killed then has long stopped answering.
server='' stopping=no
stop() {
  stopping=yes
  [ -z "$server" ] || kill -TERM "$server" || true
  { sleep 30; kill -KILL "$server"; } >/dev/null 2>&1 &
}
trap stop TERM
./qdrant "${arguments[@]}" "$@" &
server=$!
# A stop that came before there was a server to hand it to.
[ "$stopping" = no ] || stop
# A signal ends `wait` too: only when the server is gone is its code the server's.
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
