{{/*
Rules over more than one value; what concerns one value alone is in values.schema.json. Every message begins with the key and ends with
what to do. All that is wrong is said at once. Included from statefulset.yaml, so nothing is rendered, or changed, before it has passed.
*/}}
{{- define "qdrant.validate" -}}
{{- $v := .Values -}}
{{- $wrong := list -}}
{{- $replicas := int $v.replicas -}}
{{- $fullname := include "qdrant.fullname" . -}}

{{- /* A pod's controller-revision-hash label is this name and 11 characters; labels end at 63. */ -}}
{{- if gt (len $fullname) 52 -}}
{{- $wrong = append $wrong (printf "fullnameOverride: the name %q has %d characters, 52 is the most; set fullnameOverride to a shorter one" $fullname (len $fullname)) -}}
{{- end -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $fullname) -}}
{{- $wrong = append $wrong (printf "fullnameOverride: %q is no name for a Service, which begins with a letter and has no dots; set fullnameOverride to one that is" $fullname) -}}
{{- end -}}
{{- /* Another name is another StatefulSet with empty claims, and the one that is there is deleted. */ -}}
{{- with include "qdrant.formerName" . -}}
{{- $wrong = append $wrong (printf "fullnameOverride: this release's StatefulSet is called %q, and with these values (nameOverride is one of them) it would be %q: a new cluster without the data, and the old one deleted; set fullnameOverride=%s" . $fullname .) -}}
{{- end -}}
{{- range $path, $labels := dict "commonLabels" $v.commonLabels "podLabels" $v.podLabels "persistence.data.labels" $v.persistence.data.labels "persistence.snapshots.labels" $v.persistence.snapshots.labels -}}
{{- range $key := include "qdrant.selectorLabels" $ | fromYaml | keys | sortAlpha -}}
{{- if hasKey $labels $key -}}
{{- $wrong = append $wrong (printf "%s: the label %s is one that Services and policies select pods by; remove it" $path $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- if and (not $v.cluster.enabled) (gt $replicas 1) -}}
{{- $wrong = append $wrong (printf "cluster.enabled: false makes %d servers that know nothing of each other; set cluster.enabled=true or replicas=1" $replicas) -}}
{{- end -}}
{{- $factor := include "qdrant.replicationFactor" . | int -}}
{{- if and (gt $replicas 0) (gt $factor $replicas) -}}
{{- $wrong = append $wrong (printf "collection.replicationFactor: %d copies need as many peers, and replicas is %d; set replicas=%d or collection.replicationFactor=%d" $factor $replicas $factor $replicas) -}}
{{- end -}}
{{- if and (gt $replicas 0) (not (kindIs "invalid" $v.collection.writeConsistencyFactor)) (gt (int $v.collection.writeConsistencyFactor) $factor) -}}
{{- $wrong = append $wrong (printf "collection.writeConsistencyFactor: no write can be acknowledged by %d copies when there are %d; set it to %d or less, or collection.replicationFactor to %d" (int $v.collection.writeConsistencyFactor) $factor $factor (int $v.collection.writeConsistencyFactor)) -}}
{{- end -}}
{{- if not (or (kindIs "invalid" $v.collection.shardNumber) (kindIs "invalid" $v.collection.shardNumberPerNode)) -}}
{{- $wrong = append $wrong "collection.shardNumber: says the same as collection.shardNumberPerNode in another way; set one of them to null" -}}
{{- end -}}
{{- if kindIs "invalid" $v.strictMode.enabled -}}
{{- range $key, $value := $v.strictMode -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $wrong = append $wrong (printf "strictMode.%s: has no effect as long as strict mode is off; set strictMode.enabled=true (or false, to say that you know)" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* What `config` may not say, for it would part from what the rest of the chart relies on, or end the process. */ -}}
{{- range $path, $fix := dict
  "service.api_key" "set auth.existingSecret; a key never stands in values or in a ConfigMap"
  "service.read_only_api_key" "set auth.existingSecret; a key never stands in values or in a ConfigMap"
  "service.alt_api_key" "set auth.existingSecret; a key never stands in values or in a ConfigMap"
  "service.enable_tls" "set tls.enabled"
  "service.verify_https_client_certificate" "remove it; the kubelet's probes have no certificate to show, so no pod would become ready"
  "service.http_port" "remove it; the port is 6333 in Services, probes and policies"
  "service.grpc_port" "remove it; the port is 6334 in Services and policies"
  "service.metrics_port" "set metrics.enabled; the port is 6336"
  "service.metrics_prefix" "set metrics.prefix"
  "cluster.enabled" "set the value cluster.enabled"
  "cluster.p2p.port" "remove it; the port is 6335 in Services and policies"
  "cluster.p2p.enable_tls" "set tls.enabled and tls.p2p"
  "storage.storage_path" "remove it; the data volume is mounted at /qdrant/storage"
  "storage.snapshots_path" "remove it; the snapshots volume is mounted at /qdrant/snapshots"
  "storage.temp_path" "set persistence.scratch"
  "storage.snapshots_config.s3_config.access_key" "give it to extraEnv from a Secret, as QDRANT__STORAGE__SNAPSHOTS_CONFIG__S3_CONFIG__ACCESS_KEY"
  "storage.snapshots_config.s3_config.secret_key" "give it to extraEnv from a Secret, as QDRANT__STORAGE__SNAPSHOTS_CONFIG__S3_CONFIG__SECRET_KEY"
  "inference.token" "give it to extraEnv from a Secret, as QDRANT__INFERENCE__TOKEN"
  "storage.collection.replication_factor" "set collection.replicationFactor"
  "storage.collection.write_consistency_factor" "set collection.writeConsistencyFactor"
  "storage.optimizers.indexing_threshold" "write indexing_threshold_kb; both spellings together end the server"
  "storage.optimizers.max_segment_size" "write max_segment_size_kb; both spellings together end the server"
  "storage.optimizers.memmap_threshold" "set collection.vectorsOnDisk"
  "storage.hnsw_index.full_scan_threshold" "write full_scan_threshold_kb; both spellings together end the server"
-}}
{{- $at := $v.config -}}
{{- $section := list -}}
{{- range initial (splitList "." $path) -}}
{{- if kindIs "map" $at -}}
{{- $section = append $section . -}}
{{- if and (hasKey $at .) (not (kindIs "map" (get $at .))) -}}
{{- $wrong = append $wrong (printf "config.%s: would take away a whole section of settings; write a map of those to change" (join "." $section)) -}}
{{- end -}}
{{- $at = get $at . -}}
{{- end -}}
{{- end -}}
{{- if and (kindIs "map" $at) (hasKey $at (last (splitList "." $path))) -}}
{{- $wrong = append $wrong (printf "config.%s: is not taken from here; %s" $path $fix) -}}
{{- end -}}
{{- end -}}

{{- range $v.extraEnv -}}
{{- if and (regexMatch "^QDRANT__SERVICE__(ALT_|READ_ONLY_)?API_KEY$" (toString .name)) (hasKey . "value") -}}
{{- $wrong = append $wrong (printf "extraEnv: %s stands there in clear; set auth.existingSecret, or give it by valueFrom" .name) -}}
{{- end -}}
{{- end -}}

{{- if eq $v.persistence.retentionPolicy.whenScaled "Delete" -}}
{{- $wrong = append $wrong "persistence.retentionPolicy.whenScaled: Delete erases the only copy of what a leaving peer still held; set it to Retain and delete claims by hand once their peer is gone" -}}
{{- end -}}

{{- if and $v.tls.enabled (not $v.tls.existingSecret) -}}
{{- $wrong = append $wrong "tls.existingSecret: TLS needs a certificate; set it to the name of a Secret with tls.crt, tls.key and ca.crt" -}}
{{- end -}}
{{- if and $v.auth.enforceInternal (not (include "qdrant.auth.secretName" .)) -}}
{{- $wrong = append $wrong "auth.enforceInternal: there is no key that peers could show; set auth.existingSecret or auth.generate" -}}
{{- end -}}
{{- $keyed := include "qdrant.auth.secretName" . -}}
{{- range $v.extraEnv -}}
{{- if eq (toString .name) "QDRANT__SERVICE__API_KEY" -}}{{- $keyed = true -}}{{- end -}}
{{- end -}}
{{- if and $v.loadBalancer.enabled (not $keyed) -}}
{{- $wrong = append $wrong "loadBalancer.enabled: would open a server without a key to every network that reaches it; set auth.existingSecret" -}}
{{- end -}}
{{- if and $v.loadBalancer.enabled $v.networkPolicy.enabled (not $v.loadBalancer.sourceRanges) -}}
{{- $wrong = append $wrong "loadBalancer.sourceRanges: the network policy lets nobody in from outside; set the networks that may connect, [0.0.0.0/0] for all" -}}
{{- end -}}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) -}}
{{- $wrong = append $wrong "ingress.hosts: an Ingress without hosts routes nothing; add one, such as {host: qdrant.example.org}" -}}
{{- end -}}
{{- range $name, $route := $v.gateway -}}
{{- if and $route.enabled (not $route.parentRefs) -}}
{{- $wrong = append $wrong (printf "gateway.%s.parentRefs: a route without a gateway routes nothing; add one, such as {name: my-gateway}" $name) -}}
{{- end -}}
{{- end -}}

{{- with $v.autoscaling -}}
{{- if .enabled -}}
{{- if not $v.cluster.enabled -}}
{{- $wrong = append $wrong "autoscaling.enabled: servers that are no cluster can't share the load; set cluster.enabled=true" -}}
{{- end -}}
{{- if gt (int .minReplicas) (int .maxReplicas) -}}
{{- $wrong = append $wrong (printf "autoscaling.minReplicas: %d is more than maxReplicas (%d); lower the one or raise the other" (int .minReplicas) (int .maxReplicas)) -}}
{{- end -}}
{{- if and (gt $replicas 0) (or (lt $replicas (int .minReplicas)) (gt $replicas (int .maxReplicas))) -}}
{{- $wrong = append $wrong (printf "replicas: a new release starts with %d, outside autoscaling.minReplicas and maxReplicas (%d to %d); set replicas=%d" $replicas (int .minReplicas) (int .maxReplicas) (int .minReplicas)) -}}
{{- end -}}
{{- $requests := get $v.resources "requests" | default dict -}}
{{- range list (list "CPU" "cpu" .targetCPUUtilizationPercentage) (list "Memory" "memory" .targetMemoryUtilizationPercentage) -}}
{{- if and (not (kindIs "invalid" (index . 2))) (not (get $requests (index . 1))) -}}
{{- $wrong = append $wrong (printf "autoscaling.target%sUtilizationPercentage: is in percent of a request that is not made; set resources.requests.%s or this to null" (index . 0) (index . 1)) -}}
{{- end -}}
{{- end -}}
{{- if and (kindIs "invalid" .targetCPUUtilizationPercentage) (kindIs "invalid" .targetMemoryUtilizationPercentage) -}}
{{- $wrong = append $wrong "autoscaling.targetCPUUtilizationPercentage: an autoscaler needs something to look at; set it or targetMemoryUtilizationPercentage" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* One or two peers stand no loss at all; there, refusing every eviction would only stop node drains. At 0 there is nothing to guard. */ -}}
{{- $peers := $v.autoscaling.enabled | ternary (int $v.autoscaling.minReplicas) $replicas -}}
{{- $tolerated := max 1 (min (include "qdrant.quorum.tolerated" $peers | int) (sub $factor 1)) | int -}}
{{- if and $v.pdb.enabled (gt $replicas 0) (gt (int $v.pdb.maxUnavailable) $tolerated) -}}
{{- $wrong = append $wrong (printf "pdb.maxUnavailable: with %d of %d peers away the consensus may have no majority, or a shard of %d copies none left; set it to %d or less" (int $v.pdb.maxUnavailable) $peers $factor $tolerated) -}}
{{- end -}}
{{- $grace := include "qdrant.gracePeriod" . | int -}}
{{- if lt $grace (add (int $v.preStopSeconds) 20 | int) -}}
{{- $wrong = append $wrong (printf "terminationGracePeriodSeconds: %d leaves less than 20 s to stop after the wait of preStopSeconds (%d); set it to %d or more" $grace (int $v.preStopSeconds) (add (int $v.preStopSeconds) 20)) -}}
{{- end -}}

{{- if and (or $v.shepherd.enabled $v.auth.generate) (not $v.shepherd.image.repository) -}}
{{- $wrong = append $wrong (printf "shepherd.image.repository: %s needs shepherd's image, and this chart names no registry; use a published chart, or build the image with `make image`, push it, and set shepherd.image.repository" ($v.shepherd.enabled | ternary "shepherd.enabled" "auth.generate")) -}}
{{- end -}}
{{- if $v.shepherd.enabled -}}
{{- if not $v.cluster.enabled -}}
{{- $wrong = append $wrong "shepherd.enabled: there are no shards to look after without a cluster; set cluster.enabled=true or shepherd.enabled=false" -}}
{{- end -}}
{{- range $v.extraEnv -}}
{{- if eq (toString .name) "QDRANT__SERVICE__API_KEY" -}}
{{- $wrong = append $wrong "extraEnv: shepherd needs the key that QDRANT__SERVICE__API_KEY sets, and can't read it from there; set auth.existingSecret instead" -}}
{{- end -}}
{{- end -}}
{{- $wait := include "qdrant.seconds" (dict "key" "rollout.maxWait" "duration" $v.rollout.maxWait) | int -}}
{{- if gt (add $wait 60 (int $v.preStopSeconds)) $grace -}}
{{- $wrong = append $wrong (printf "rollout.maxWait: %s does not fit into terminationGracePeriodSeconds (%d), which also holds preStopSeconds and a minute to stop; set terminationGracePeriodSeconds=%d or lower rollout.maxWait" $v.rollout.maxWait $grace (add $wait 60 (int $v.preStopSeconds))) -}}
{{- end -}}
{{- else -}}
{{- if $v.guard.enabled -}}
{{- $wrong = append $wrong "guard.enabled: the policy asks what shepherd knows; set shepherd.enabled=true or guard.enabled=false" -}}
{{- end -}}
{{- if $v.recovery.replaceLostVolumes -}}
{{- $wrong = append $wrong "recovery.replaceLostVolumes: nobody is there to replace them; set shepherd.enabled=true" -}}
{{- end -}}
{{- end -}}
{{- if and $v.auth.generate $v.auth.existingSecret -}}
{{- $wrong = append $wrong "auth.generate: makes a Secret, and auth.existingSecret names another one; set one of them" -}}
{{- end -}}

{{- range $name := list "serviceMonitor" "prometheusRule" -}}
{{- if and (get $v.metrics $name).enabled (not $v.metrics.enabled) -}}
{{- $wrong = append $wrong (printf "metrics.%s.enabled: there is no metrics port to scrape; set metrics.enabled=true" $name) -}}
{{- end -}}
{{- end -}}
{{- if and $v.metrics.prefix (or $v.metrics.prometheusRule.enabled $v.metrics.dashboard.enabled) -}}
{{- $wrong = append $wrong "metrics.prefix: the alerts and the dashboard know the metrics by their names without one; set it to \"\", or turn metrics.prometheusRule and metrics.dashboard off" -}}
{{- end -}}

{{- with $wrong -}}
{{- fail (printf "\n\n  %s\n" (. | uniq | join "\n  ")) -}}
{{- end -}}
{{- end }}
