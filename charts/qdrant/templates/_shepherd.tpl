{{/*
Shepherd: its containers in the pods of the server, and what they share with the Deployment.
*/}}

{{/* The selector of the Deployment. It differs from the server's, so that the Services do not select its pod. */}}
{{- define "qdrant.shepherd.selectorLabels" -}}
app: {{ include "qdrant.name" . }}-shepherd
app.kubernetes.io/name: {{ include "qdrant.name" . }}-shepherd
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* The grace period of the pods, in seconds. */}}
{{- define "qdrant.gracePeriod" -}}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds }}
{{- .Values.shepherd.enabled | ternary 3600 120 }}
{{- else }}
{{- int .Values.terminationGracePeriodSeconds }}
{{- end }}
{{- end }}

{{/*
A duration such as 90s, 15m or 1h, in seconds.
Usage: {{ include "qdrant.seconds" (dict "key" "rollout.maxWait" "duration" .Values.rollout.maxWait) }}
*/}}
{{- define "qdrant.seconds" -}}
{{- if or (not .key) (not .duration) }}{{ fail "qdrant.seconds: needs key and duration" }}{{ end -}}
{{- if not (regexMatch "^[0-9]+(s|m|h)$" .duration) }}{{ fail (printf "\n\n  %s: %q has more than one unit; write it as a whole number of seconds, minutes or hours, such as 90s\n" .key .duration) }}{{ end -}}
{{- mul (regexFind "^[0-9]+" .duration | int) (get (dict "s" 1 "m" 60 "h" 3600) (regexFind "[smh]$" .duration)) }}
{{- end }}

{{/*
The number of ordinals in the roles. RBAC has no patterns, so the roles list each pod and claim by name. The number is
always the maximum of `replicas`: if it followed the values, a pod that is scaled away would lose its permissions when
it needs them.
*/}}
{{- define "qdrant.shepherd.ordinals" -}}
100
{{- end }}

{{/*
The names of the pods, or of their data claims.
Usage: {{ include "qdrant.shepherd.ordinalNames" (dict "root" $ "prefix" "qdrant-storage-") }}
*/}}
{{- define "qdrant.shepherd.ordinalNames" -}}
{{- if not .root }}{{ fail "qdrant.shepherd.ordinalNames: needs root" }}{{ end -}}
{{- range $ordinal := include "qdrant.shepherd.ordinals" .root | int | until }}
- {{ $.prefix }}{{ include "qdrant.fullname" $.root }}-{{ $ordinal }}
{{- end }}
{{- end }}

{{/* The environment of every shepherd container. */}}
{{- define "qdrant.shepherd.env" -}}
- {name: SHEPHERD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
- {name: SHEPHERD_POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: SHEPHERD_STATEFULSET, value: {{ include "qdrant.fullname" . | quote }}}
- {name: SHEPHERD_DOMAIN, value: {{ include "qdrant.headless.domain" . | quote }}}
- {name: SHEPHERD_SCHEME, value: {{ include "qdrant.scheme" . | quote }}}
- {name: SHEPHERD_P2P_SCHEME, value: {{ include "qdrant.p2p.scheme" . | quote }}}
{{- if .Values.tls.enabled }}
- {name: SHEPHERD_CA_FILE, value: /qdrant/tls/{{ .Values.tls.caKey }}}
{{- end }}
{{- with include "qdrant.auth.secretName" . }}
- name: SHEPHERD_API_KEY
  valueFrom:
    secretKeyRef: {name: {{ . | quote }}, key: {{ $.Values.auth.keys.apiKey | quote }}}
{{- end }}
- {name: SHEPHERD_LEASE, value: {{ include "qdrant.shepherd.permit.name" . | quote }}}
- {name: SHEPHERD_LOG_LEVEL, value: {{ .Values.shepherd.logLevel | quote }}}
{{- end }}

{{/* The init container and the sidecar. Only they mount the token of the ServiceAccount, not the server. */}}
{{- define "qdrant.shepherd.containers" -}}
- name: shepherd-start
  image: {{ include "qdrant.shepherd.image" . | quote }}
  imagePullPolicy: {{ .Values.shepherd.image.pullPolicy }}
  args: [start]
  env:
    {{- include "qdrant.shepherd.env" . | nindent 4 }}
    - {name: SHEPHERD_SHARED, value: /qdrant/shepherd}
    - {name: SHEPHERD_SET_ASIDE_KEEP, value: {{ printf "%dh" (mul 24 (int .Values.recovery.setAsideDays)) | quote }}}
  resources:
    {{- toYaml .Values.shepherd.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    - {name: qdrant-storage, mountPath: /qdrant/storage}
    {{- include "qdrant.shepherd.mounts" . | nindent 4 }}
- name: shepherd-watch
  image: {{ include "qdrant.shepherd.image" . | quote }}
  imagePullPolicy: {{ .Values.shepherd.image.pullPolicy }}
  # A native sidecar starts before the server and ends after it, so it handles every stop.
  restartPolicy: Always
  args: [watch]
  env:
    {{- include "qdrant.shepherd.env" . | nindent 4 }}
    - {name: SHEPHERD_SHARED, value: /qdrant/shepherd}
    - {name: SHEPHERD_API_WAIT, value: {{ .Values.rollout.apiWait | quote }}}
    - {name: SHEPHERD_MAX_WAIT, value: {{ .Values.rollout.maxWait | quote }}}
    - {name: SHEPHERD_PERMIT_FOR, value: {{ .Values.rollout.permitFor | quote }}}
    - {name: SHEPHERD_GRACE_PERIOD, value: {{ printf "%ss" (include "qdrant.gracePeriod" .) | quote }}}
    - {name: SHEPHERD_PRESTOP, value: {{ printf "%ds" (int .Values.preStopSeconds) | quote }}}
  ports:
    - {name: watch, containerPort: 6337, protocol: TCP}
    - {name: shepherd, containerPort: 6338, protocol: TCP}
  startupProbe:
    httpGet: {path: /healthz, port: watch}
    periodSeconds: 1
    failureThreshold: 60
  livenessProbe:
    httpGet: {path: /healthz, port: watch}
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 6
  resources:
    {{- toYaml .Values.shepherd.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    # The sidecar counts stops here, next to the init container's count of starts.
    - {name: qdrant-storage, mountPath: /qdrant/storage}
    {{- include "qdrant.shepherd.mounts" . | nindent 4 }}
{{- end }}

{{/* The mounts of both containers: the shared directory, the token, and the CA of the server certificate. */}}
{{- define "qdrant.shepherd.mounts" -}}
- {name: shepherd, mountPath: /qdrant/shepherd}
{{ include "qdrant.shepherd.tokenMount" . }}
{{- if .Values.tls.enabled }}
- {name: qdrant-tls, mountPath: /qdrant/tls, readOnly: true}
{{- end }}
{{- end }}

{{- define "qdrant.shepherd.tokenMount" -}}
- {name: shepherd-token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
{{- end }}

{{/* The token of the ServiceAccount. Kubernetes would mount the same in every container, including the server. */}}
{{- define "qdrant.shepherd.volumes" -}}
- name: shepherd-token
  projected:
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3600}
      - configMap:
          name: kube-root-ca.crt
          items: [{key: ca.crt, path: ca.crt}]
      - downwardAPI:
          items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]
{{- end }}

{{/* Egress to the API server. Some small clusters use ports 8443 and 16443. */}}
{{- define "qdrant.shepherd.apiServerEgress" -}}
- ports:
    - {port: 443, protocol: TCP}
    - {port: 6443, protocol: TCP}
    - {port: 8443, protocol: TCP}
    - {port: 16443, protocol: TCP}
  {{- with .Values.networkPolicy.apiServer }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
