{{/*
The labels by which the StatefulSet, Services and policies select pods. They are immutable in a StatefulSet, and equal
to those of the official chart.
*/}}
{{- define "qdrant.selectorLabels" -}}
app: {{ include "qdrant.name" . | quote }}
app.kubernetes.io/name: {{ include "qdrant.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* Labels of every object; qdrant.metadata adds commonLabels. */}}
{{- define "qdrant.labels" -}}
{{ include "qdrant.selectorLabels" . }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: qdrant
{{- end }}

{{/*
The metadata of an object: name, namespace, labels, annotations.
Usage: {{ include "qdrant.metadata" (dict "root" $ "name" "q-qdrant" "labels" (dict …) "annotations" (dict …) "namespaced" false) }}
labels and annotations are optional. namespaced defaults to true.
*/}}
{{- define "qdrant.metadata" -}}
{{- if or (not .root) (not .name) }}{{ fail "qdrant.metadata: needs root and name" }}{{ end -}}
name: {{ .name | quote }}
{{- if ne .namespaced false }}
namespace: {{ .root.Release.Namespace | quote }}
{{- end }}
labels:
  {{- /* Merged, because duplicate keys are invalid in YAML. */}}
  {{- mergeOverwrite (include "qdrant.labels" .root | fromYaml) .root.Values.commonLabels (.labels | default dict) | toYaml | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The labels of the `helm test` pod, which the network policy admits. */}}
{{- define "qdrant.test.labels" -}}
app: {{ include "qdrant.name" . }}-test
app.kubernetes.io/name: {{ include "qdrant.name" . }}-test
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}
