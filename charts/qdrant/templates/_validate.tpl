{{/*
Rules that involve more than one value. Rules about a single value are in values.schema.json. Every message starts with
the key and ends with the fix, and all messages are reported together. statefulset.yaml includes this template, so Helm
changes nothing if a rule fails.
*/}}
{{- define "qdrant.validate" -}}
{{- $v := .Values -}}
{{- $wrong := list -}}
{{- $replicas := int $v.replicas -}}
{{- $fullname := include "qdrant.fullname" . -}}

{{- /* The pod label controller-revision-hash is this name plus 11 characters, and a label value has at most 63. */ -}}
{{- if gt (len $fullname) 52 -}}
{{- $wrong = append $wrong (printf "fullnameOverride: the name %q has %d characters, but the maximum is 52; set fullnameOverride to a shorter name" $fullname (len $fullname)) -}}
{{- end -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $fullname) -}}
{{- $wrong = append $wrong (printf "fullnameOverride: %q is not a valid Service name; set fullnameOverride to a name that starts with a letter and has no dots" $fullname) -}}
{{- end -}}
{{- /* With a different name, Helm would delete the StatefulSet and create another one with empty claims. */ -}}
{{- with include "qdrant.formerName" . -}}
{{- $wrong = append $wrong (printf "fullnameOverride: the StatefulSet of this release is %q, but with these values (including nameOverride) it would be %q; Helm would delete the old cluster and create a new one without the data; set fullnameOverride=%s" . $fullname .) -}}
{{- end -}}
{{- range $path, $labels := dict "commonLabels" $v.commonLabels "podLabels" $v.podLabels "persistence.data.labels" $v.persistence.data.labels "persistence.snapshots.labels" $v.persistence.snapshots.labels -}}
{{- range $key := include "qdrant.selectorLabels" $ | fromYaml | keys | sortAlpha -}}
{{- if hasKey $labels $key -}}
{{- $wrong = append $wrong (printf "%s: the label %s is part of the pod selector; remove it" $path $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- if and (not $v.cluster.enabled) (gt $replicas 1) -}}
{{- $wrong = append $wrong (printf "cluster.enabled: without cluster mode, the %d servers are independent of each other; set cluster.enabled=true or replicas=1" $replicas) -}}
{{- end -}}
{{- $factor := include "qdrant.replicationFactor" . | int -}}
{{- if and (gt $replicas 0) (gt $factor $replicas) -}}
{{- $wrong = append $wrong (printf "collection.replicationFactor: %d copies need at least as many peers, but replicas is %d; set replicas=%d or collection.replicationFactor=%d" $factor $replicas $factor $replicas) -}}
{{- end -}}
{{- if and (gt $replicas 0) (not (kindIs "invalid" $v.collection.writeConsistencyFactor)) (gt (int $v.collection.writeConsistencyFactor) $factor) -}}
{{- $wrong = append $wrong (printf "collection.writeConsistencyFactor: %d copies cannot acknowledge a write when there are only %d; set it to %d or less, or set collection.replicationFactor=%d" (int $v.collection.writeConsistencyFactor) $factor $factor (int $v.collection.writeConsistencyFactor)) -}}
{{- end -}}
{{- if not (or (kindIs "invalid" $v.collection.shardNumber) (kindIs "invalid" $v.collection.shardNumberPerNode)) -}}
{{- $wrong = append $wrong "collection.shardNumber: conflicts with collection.shardNumberPerNode; set one of them to null" -}}
{{- end -}}
{{- if kindIs "invalid" $v.strictMode.enabled -}}
{{- range $key, $value := $v.strictMode -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $wrong = append $wrong (printf "strictMode.%s: has no effect while strict mode is off; set strictMode.enabled=true (or false, to confirm that it is off)" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Settings that `config` cannot contain, because they would contradict the chart or end the process. */ -}}
{{- range $path, $fix := dict
  "service.api_key" "set auth.existingSecret; a key must not be in values or in a ConfigMap"
  "service.read_only_api_key" "set auth.existingSecret; a key must not be in values or in a ConfigMap"
  "service.alt_api_key" "set auth.existingSecret; a key must not be in values or in a ConfigMap"
  "service.enable_tls" "set tls.enabled"
  "service.verify_https_client_certificate" "remove it; the kubelet's probes have no client certificate, so no pod would become ready"
  "service.http_port" "remove it; Services, probes and policies use port 6333"
  "service.grpc_port" "remove it; Services and policies use port 6334"
  "service.metrics_port" "set metrics.enabled; the port is 6336"
  "service.metrics_prefix" "set metrics.prefix"
  "cluster.enabled" "set the value cluster.enabled"
  "cluster.p2p.port" "remove it; Services and policies use port 6335"
  "cluster.p2p.enable_tls" "set tls.enabled and tls.p2p"
  "storage.storage_path" "remove it; the data volume is mounted at /qdrant/storage"
  "storage.snapshots_path" "remove it; the snapshots volume is mounted at /qdrant/snapshots"
  "storage.temp_path" "set persistence.scratch"
  "storage.snapshots_config.s3_config.access_key" "set QDRANT__STORAGE__SNAPSHOTS_CONFIG__S3_CONFIG__ACCESS_KEY in extraEnv from a Secret"
  "storage.snapshots_config.s3_config.secret_key" "set QDRANT__STORAGE__SNAPSHOTS_CONFIG__S3_CONFIG__SECRET_KEY in extraEnv from a Secret"
  "inference.token" "set QDRANT__INFERENCE__TOKEN in extraEnv from a Secret"
  "storage.collection.replication_factor" "set collection.replicationFactor"
  "storage.collection.write_consistency_factor" "set collection.writeConsistencyFactor"
  "storage.optimizers.indexing_threshold" "write indexing_threshold_kb; with both spellings, the server exits"
  "storage.optimizers.max_segment_size" "write max_segment_size_kb; with both spellings, the server exits"
  "storage.optimizers.memmap_threshold" "set collection.vectorsOnDisk"
  "storage.hnsw_index.full_scan_threshold" "write full_scan_threshold_kb; with both spellings, the server exits"
-}}
{{- $at := $v.config -}}
{{- $section := list -}}
{{- range initial (splitList "." $path) -}}
{{- if kindIs "map" $at -}}
{{- $section = append $section . -}}
{{- if and (hasKey $at .) (not (kindIs "map" (get $at .))) -}}
{{- $wrong = append $wrong (printf "config.%s: would replace a whole section of settings; set a map with the settings to change" (join "." $section)) -}}
{{- end -}}
{{- $at = get $at . -}}
{{- end -}}
{{- end -}}
{{- if and (kindIs "map" $at) (hasKey $at (last (splitList "." $path))) -}}
{{- $wrong = append $wrong (printf "config.%s: cannot be set here; %s" $path $fix) -}}
{{- end -}}
{{- end -}}

{{- range $v.extraEnv -}}
{{- if and (regexMatch "^QDRANT__SERVICE__(ALT_|READ_ONLY_)?API_KEY$" (toString .name)) (hasKey . "value") -}}
{{- $wrong = append $wrong (printf "extraEnv: %s contains a key in plain text; set auth.existingSecret, or use valueFrom" .name) -}}
{{- end -}}
{{- end -}}

{{- if eq $v.persistence.retentionPolicy.whenScaled "Delete" -}}
{{- $wrong = append $wrong "persistence.retentionPolicy.whenScaled: Delete can erase the only copy of data on a peer that leaves; set it to Retain, and delete claims by hand after their peer is gone" -}}
{{- end -}}

{{- if and $v.tls.enabled (not $v.tls.existingSecret) -}}
{{- $wrong = append $wrong "tls.existingSecret: TLS requires a certificate; set it to the name of a Secret with tls.crt, tls.key and ca.crt" -}}
{{- end -}}
{{- if and $v.auth.enforceInternal (not (include "qdrant.auth.secretName" .)) -}}
{{- $wrong = append $wrong "auth.enforceInternal: requires an API key; set auth.existingSecret or auth.generate" -}}
{{- end -}}
{{- $keyed := include "qdrant.auth.secretName" . -}}
{{- range $v.extraEnv -}}
{{- if eq (toString .name) "QDRANT__SERVICE__API_KEY" -}}{{- $keyed = true -}}{{- end -}}
{{- end -}}
{{- if and $v.loadBalancer.enabled (not $keyed) -}}
{{- $wrong = append $wrong "loadBalancer.enabled: would expose a server without an API key; set auth.existingSecret" -}}
{{- end -}}
{{- if and $v.loadBalancer.enabled $v.networkPolicy.enabled (not $v.loadBalancer.sourceRanges) -}}
{{- $wrong = append $wrong "loadBalancer.sourceRanges: the network policy blocks clients outside the cluster; set the networks that can connect, or [0.0.0.0/0] for all" -}}
{{- end -}}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) -}}
{{- $wrong = append $wrong "ingress.hosts: an Ingress without hosts routes no requests; add a host, such as {host: qdrant.example.org}" -}}
{{- end -}}
{{- range $name, $route := $v.gateway -}}
{{- if and $route.enabled (not $route.parentRefs) -}}
{{- $wrong = append $wrong (printf "gateway.%s.parentRefs: a route without a gateway routes no requests; add a gateway, such as {name: my-gateway}" $name) -}}
{{- end -}}
{{- end -}}

{{- with $v.autoscaling -}}
{{- if .enabled -}}
{{- if not $v.cluster.enabled -}}
{{- $wrong = append $wrong "autoscaling.enabled: requires cluster mode, because independent servers cannot share load; set cluster.enabled=true" -}}
{{- end -}}
{{- if gt (int .minReplicas) (int .maxReplicas) -}}
{{- $wrong = append $wrong (printf "autoscaling.minReplicas: %d is greater than maxReplicas (%d); lower minReplicas or raise maxReplicas" (int .minReplicas) (int .maxReplicas)) -}}
{{- end -}}
{{- if and (gt $replicas 0) (or (lt $replicas (int .minReplicas)) (gt $replicas (int .maxReplicas))) -}}
{{- $wrong = append $wrong (printf "replicas: a new release would start with %d pods, which is outside the range of autoscaling (%d to %d); set replicas=%d" $replicas (int .minReplicas) (int .maxReplicas) (int .minReplicas)) -}}
{{- end -}}
{{- $requests := get $v.resources "requests" | default dict -}}
{{- range list (list "CPU" "cpu" .targetCPUUtilizationPercentage) (list "Memory" "memory" .targetMemoryUtilizationPercentage) -}}
{{- if and (not (kindIs "invalid" (index . 2))) (not (get $requests (index . 1))) -}}
{{- $wrong = append $wrong (printf "autoscaling.target%sUtilizationPercentage: requires a resource request; set resources.requests.%s, or set this to null" (index . 0) (index . 1)) -}}
{{- end -}}
{{- end -}}
{{- if and (kindIs "invalid" .targetCPUUtilizationPercentage) (kindIs "invalid" .targetMemoryUtilizationPercentage) -}}
{{- $wrong = append $wrong "autoscaling.targetCPUUtilizationPercentage: an autoscaler needs at least one target; set it or targetMemoryUtilizationPercentage" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* One or two peers tolerate no loss. There, allow 1 anyway, because 0 would only block node drains. */ -}}
{{- $peers := $v.autoscaling.enabled | ternary (int $v.autoscaling.minReplicas) $replicas -}}
{{- $tolerated := max 1 (min (include "qdrant.quorum.tolerated" $peers | int) (sub $factor 1)) | int -}}
{{- if and $v.pdb.enabled (gt $replicas 0) (gt (int $v.pdb.maxUnavailable) $tolerated) -}}
{{- $wrong = append $wrong (printf "pdb.maxUnavailable: with %d of %d peers down, consensus could lose its majority, or a shard with %d copies could lose all of them; set it to %d or less" (int $v.pdb.maxUnavailable) $peers $factor $tolerated) -}}
{{- end -}}
{{- $grace := include "qdrant.gracePeriod" . | int -}}
{{- if lt $grace (add (int $v.preStopSeconds) 20 | int) -}}
{{- $wrong = append $wrong (printf "terminationGracePeriodSeconds: %d leaves less than 20 s to shut down after preStopSeconds (%d); set it to %d or more" $grace (int $v.preStopSeconds) (add (int $v.preStopSeconds) 20)) -}}
{{- end -}}

{{- if and (or $v.shepherd.enabled $v.auth.generate) (not $v.shepherd.image.repository) -}}
{{- $wrong = append $wrong (printf "shepherd.image.repository: %s requires the image of shepherd, but this chart does not set its repository; use a published chart, or build the image with `make image`, push it, and set shepherd.image.repository" ($v.shepherd.enabled | ternary "shepherd.enabled" "auth.generate")) -}}
{{- end -}}
{{- if $v.shepherd.enabled -}}
{{- if not $v.cluster.enabled -}}
{{- $wrong = append $wrong "shepherd.enabled: requires cluster mode; set cluster.enabled=true or shepherd.enabled=false" -}}
{{- end -}}
{{- range $v.extraEnv -}}
{{- if eq (toString .name) "QDRANT__SERVICE__API_KEY" -}}
{{- $wrong = append $wrong "extraEnv: shepherd needs the API key, but cannot read it from QDRANT__SERVICE__API_KEY; set auth.existingSecret instead" -}}
{{- end -}}
{{- end -}}
{{- $wait := include "qdrant.seconds" (dict "key" "rollout.maxWait" "duration" $v.rollout.maxWait) | int -}}
{{- if gt (add $wait 60 (int $v.preStopSeconds)) $grace -}}
{{- $wrong = append $wrong (printf "rollout.maxWait: %s does not fit into terminationGracePeriodSeconds (%d), which also includes preStopSeconds and one minute to shut down; set terminationGracePeriodSeconds=%d or lower rollout.maxWait" $v.rollout.maxWait $grace (add $wait 60 (int $v.preStopSeconds))) -}}
{{- end -}}
{{- else -}}
{{- if $v.guard.enabled -}}
{{- $wrong = append $wrong "guard.enabled: the policy requires shepherd; set shepherd.enabled=true or guard.enabled=false" -}}
{{- end -}}
{{- if $v.recovery.replaceLostVolumes -}}
{{- $wrong = append $wrong "recovery.replaceLostVolumes: requires shepherd; set shepherd.enabled=true" -}}
{{- end -}}
{{- end -}}
{{- if and $v.auth.generate $v.auth.existingSecret -}}
{{- $wrong = append $wrong "auth.generate: conflicts with auth.existingSecret; set only one of them" -}}
{{- end -}}

{{- range $name := list "serviceMonitor" "prometheusRule" -}}
{{- if and (get $v.metrics $name).enabled (not $v.metrics.enabled) -}}
{{- $wrong = append $wrong (printf "metrics.%s.enabled: requires the metrics port; set metrics.enabled=true" $name) -}}
{{- end -}}
{{- end -}}
{{- if and $v.metrics.prefix (or $v.metrics.prometheusRule.enabled $v.metrics.dashboard.enabled) -}}
{{- $wrong = append $wrong "metrics.prefix: the alerts and the dashboard use metric names without a prefix; set it to \"\", or disable metrics.prometheusRule and metrics.dashboard" -}}
{{- end -}}

{{- with $wrong -}}
{{- fail (printf "\n\n  %s\n" (. | uniq | join "\n  ")) -}}
{{- end -}}
{{- end }}
