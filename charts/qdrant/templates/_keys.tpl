{{/*
The hook job that makes the API keys. Everything of it is a hook, and gone when it has succeeded.
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
