{{/*
The pod template, in parts. Each list of containers and volumes is one helper, so that there is one place to extend it.
*/}}

{{- define "qdrant.pod" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
serviceAccountName: {{ include "qdrant.serviceAccount.name" . | quote }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
terminationGracePeriodSeconds: {{ include "qdrant.gracePeriod" . }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- with .Values.schedulerName }}
schedulerName: {{ . | quote }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "qdrant.pod.affinity" . | fromYaml }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "qdrant.pod.topologySpread" . | fromYamlArray }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if or .Values.extraInitContainers .Values.shepherd.enabled }}
initContainers:
  {{- with .Values.extraInitContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- if .Values.shepherd.enabled }}
  {{- include "qdrant.shepherd.containers" . | nindent 2 }}
  {{- end }}
{{- end }}
containers:
  {{- include "qdrant.pod.server" . | nindent 2 }}
  {{- with .Values.extraContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
volumes:
  {{- include "qdrant.pod.volumes" . | nindent 2 }}
{{- end }}

{{/* The server container. */}}
{{- define "qdrant.pod.server" -}}
- name: qdrant
  image: {{ include "qdrant.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [/bin/bash, /qdrant/config/start.sh]
  {{- with .Values.extraArgs }}
  args:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  env:
    {{- include "qdrant.pod.env" . | nindent 4 }}
  {{- with .Values.extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    - {name: http, containerPort: 6333, protocol: TCP}
    - {name: grpc, containerPort: 6334, protocol: TCP}
    {{- if .Values.cluster.enabled }}
    - {name: p2p, containerPort: 6335, protocol: TCP}
    {{- end }}
    {{- if .Values.metrics.enabled }}
    - {name: metrics, containerPort: 6336, protocol: TCP}
    {{- end }}
  # REST responds only after all collections are loaded, which can take any amount of time. The other probes wait for
  # this one.
  startupProbe:
    {{- include "qdrant.pod.probe" (dict "root" . "path" "/healthz" "probe" .Values.probes.startup) | nindent 4 }}
  readinessProbe:
    {{- if .Values.shepherd.enabled }}
    # Once true, the server's own /readyz never becomes false again. Shepherd also checks the shards and the consensus.
    {{- include "qdrant.pod.probe" (dict "root" . "path" "/ready" "port" 6337 "probe" .Values.probes.readiness) | nindent 4 }}
    {{- else }}
    {{- include "qdrant.pod.probe" (dict "root" . "path" "/readyz" "probe" .Values.probes.readiness) | nindent 4 }}
    {{- end }}
  {{- if .Values.probes.liveness.enabled }}
  livenessProbe:
    {{- include "qdrant.pod.probe" (dict "root" . "path" "/livez" "probe" .Values.probes.liveness) | nindent 4 }}
  {{- end }}
  {{- if .Values.shepherd.enabled }}
  lifecycle:
    preStop:
      # Shepherd responds when the pod can stop. The kubelet waits until then, at most for the grace period.
      httpGet: {path: /stop, port: 6337, scheme: HTTP}
  {{- else if .Values.preStopSeconds }}
  lifecycle:
    preStop:
      # Services remove the pod as soon as it is deleted, but proxies and clients notice that later. The server keeps
      # serving requests until then.
      exec:
        command: [sleep, {{ int .Values.preStopSeconds | quote }}]
  {{- end }}
  resources:
    {{- include "qdrant.pod.resources" . | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    - {name: qdrant-storage, mountPath: /qdrant/storage}
    - {name: qdrant-snapshots, mountPath: /qdrant/snapshots}
    {{- if .Values.persistence.scratch.enabled }}
    - {name: qdrant-scratch, mountPath: /qdrant/scratch}
    {{- end }}
    - {name: qdrant-config, mountPath: /qdrant/config/production.yaml, subPath: production.yaml, readOnly: true}
    - {name: qdrant-config, mountPath: /qdrant/config/start.sh, subPath: start.sh, readOnly: true}
    - {name: qdrant-init, mountPath: /qdrant/init}
    {{- if .Values.shepherd.enabled }}
    - {name: shepherd, mountPath: /qdrant/shepherd, readOnly: true}
    {{- end }}
    {{- if .Values.tls.enabled }}
    - {name: qdrant-tls, mountPath: /qdrant/tls, readOnly: true}
    {{- end }}
    {{- with .Values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{/* The resources of the server. A null amount is left out, so that a values file can remove a default. */}}
{{- define "qdrant.pod.resources" -}}
{{- $resources := dict -}}
{{- range $part, $amounts := .Values.resources -}}
{{- if kindIs "map" $amounts -}}
{{- $kept := dict -}}
{{- range $name, $amount := $amounts -}}
{{- if not (kindIs "invalid" $amount) -}}{{- $_ := set $kept $name $amount -}}{{- end -}}
{{- end -}}
{{- $_ := set $resources $part $kept -}}
{{- else if $amounts -}}
{{- $_ := set $resources $part $amounts -}}
{{- end -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end }}

{{/*
A probe of the server, or of another port, which belongs to shepherd.
Usage: {{ include "qdrant.pod.probe" (dict "root" $ "path" "/readyz" "port" 6337 "probe" .Values.probes.readiness) }}
*/}}
{{- define "qdrant.pod.probe" -}}
{{- if or (not .root) (not .path) (not .probe) }}{{ fail "qdrant.pod.probe: needs root, path and probe" }}{{ end -}}
httpGet:
  path: {{ .path }}
  port: {{ .port | default "http" }}
  scheme: {{ empty .port | ternary (include "qdrant.scheme" .root | upper) "HTTP" }}
periodSeconds: {{ int .probe.periodSeconds }}
timeoutSeconds: {{ int .probe.timeoutSeconds }}
failureThreshold: {{ int .probe.failureThreshold }}
{{- end }}

{{/* The environment of the server. API keys come from the Secret only. */}}
{{- define "qdrant.pod.env" -}}
- name: POD_NAME
  valueFrom:
    fieldRef: {fieldPath: metadata.name}
# The server creates this file after startup. Its default directory is read-only.
- name: QDRANT_INIT_FILE_PATH
  value: /qdrant/init/.qdrant-initialized
{{- with include "qdrant.auth.secretName" . }}
- name: QDRANT__SERVICE__API_KEY
  valueFrom:
    secretKeyRef: {name: {{ . | quote }}, key: {{ $.Values.auth.keys.apiKey | quote }}}
# Optional entries: without one, the variable is not set. The server would treat an empty value as a key.
- name: QDRANT__SERVICE__READ_ONLY_API_KEY
  valueFrom:
    secretKeyRef: {name: {{ . | quote }}, key: {{ $.Values.auth.keys.readOnlyApiKey | quote }}, optional: true}
- name: QDRANT__SERVICE__ALT_API_KEY
  valueFrom:
    secretKeyRef: {name: {{ . | quote }}, key: {{ $.Values.auth.keys.altApiKey | quote }}, optional: true}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The volumes of the pod, without the claims of the StatefulSet. */}}
{{- define "qdrant.pod.volumes" -}}
- name: qdrant-config
  configMap:
    name: {{ include "qdrant.fullname" . | quote }}
- name: qdrant-init
  emptyDir: {}
{{- if .Values.shepherd.enabled }}
{{ include "qdrant.shepherd.volumes" . }}
# The decisions of the init container, for the server and the sidecar.
- name: shepherd
  emptyDir: {}
{{- end }}
{{- if not .Values.persistence.snapshots.enabled }}
- name: qdrant-snapshots
  emptyDir: {}
{{- end }}
{{- with .Values.persistence.scratch }}
{{- if .enabled }}
- name: qdrant-scratch
  ephemeral:
    volumeClaimTemplate:
      metadata:
        labels:
          {{- include "qdrant.selectorLabels" $ | nindent 10 }}
      spec:
        {{- include "qdrant.claimSpec" . | nindent 8 }}
{{- end }}
{{- end }}
{{- if .Values.tls.enabled }}
- name: qdrant-tls
  secret:
    secretName: {{ .Values.tls.existingSecret | quote }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The spec of a claim. Usage: {{ include "qdrant.claimSpec" .Values.persistence.data }} */}}
{{- define "qdrant.claimSpec" -}}
accessModes:
  {{- toYaml .accessModes | nindent 2 }}
{{- if not (kindIs "invalid" .storageClass) }}
storageClassName: {{ .storageClass | quote }}
{{- end }}
resources:
  requests:
    storage: {{ .size | quote }}
{{- end }}

{{/*
A claim template. It includes apiVersion and kind, which the API server would add, so that GitOps tools see no
difference.
Usage: {{ include "qdrant.claimTemplate" (dict "root" $ "name" "qdrant-storage" "volume" .Values.persistence.data) }}
*/}}
{{- define "qdrant.claimTemplate" -}}
{{- if or (not .root) (not .name) (not .volume) }}{{ fail "qdrant.claimTemplate: needs root, name and volume" }}{{ end -}}
- apiVersion: v1
  kind: PersistentVolumeClaim
  metadata:
    name: {{ .name }}
    labels:
      {{- include "qdrant.selectorLabels" .root | nindent 6 }}
      {{- with .volume.labels }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- with .volume.annotations }}
    annotations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  spec:
    {{- include "qdrant.claimSpec" .volume | nindent 4 }}
    volumeMode: Filesystem
{{- end }}

{{/* The pod anti-affinity by host, with `affinity` merged over it. */}}
{{- define "qdrant.pod.affinity" -}}
{{- $term := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" (include "qdrant.selectorLabels" . | fromYaml)) -}}
{{- $affinity := dict -}}
{{- if eq .Values.podAntiAffinity "soft" -}}
{{- $_ := set $affinity "podAntiAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" (list (dict "weight" 100 "podAffinityTerm" $term))) -}}
{{- else if eq .Values.podAntiAffinity "hard" -}}
{{- $_ := set $affinity "podAntiAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" (list $term)) -}}
{{- end -}}
{{- toYaml (mergeOverwrite $affinity (deepCopy .Values.affinity)) -}}
{{- end }}

{{/* The spread over zones, and topologySpreadConstraints. */}}
{{- define "qdrant.pod.topologySpread" -}}
{{- $constraints := list -}}
{{- with .Values.zoneSpread -}}
{{- if ne .mode "none" -}}
{{- $constraints = append $constraints (dict
  "maxSkew" 1
  "topologyKey" .topologyKey
  "whenUnsatisfiable" (eq .mode "hard" | ternary "DoNotSchedule" "ScheduleAnyway")
  "labelSelector" (dict "matchLabels" (include "qdrant.selectorLabels" $ | fromYaml))) -}}
{{- end -}}
{{- end -}}
{{- toYaml (concat $constraints .Values.topologySpreadConstraints) -}}
{{- end }}
