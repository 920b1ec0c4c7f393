{{/*
The hook job that generates the API keys. All of its objects are hooks and are deleted when the job has succeeded.
*/}}

{{/* Annotations of a hook. Usage: {{ include "qdrant.keys.hook" -10 }} */}}
{{- define "qdrant.keys.hook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{- define "qdrant.keys.labels" -}}
app: {{ include "qdrant.name" . }}-keys
app.kubernetes.io/name: {{ include "qdrant.name" . }}-keys
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}
