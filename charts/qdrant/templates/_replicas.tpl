{{/*
spec.replicas of the StatefulSet, or nothing.

Without autoscaling: `replicas`. With it the count belongs to the autoscaler, and an upgrade must not touch it. Leaving the field out
is not enough: if the last manifest had it, Helm removes it, and the API server sets it to 1. So the live count is rendered.
The list, not the single object, is looked up: a cluster answers a list even when it is empty, so a first install (no StatefulSet
yet: `replicas`) can be told from `helm template`, which asks no cluster (the field is left out, for GitOps tools). Where the StatefulSet
was taken away from under its pods, to be made anew, the autoscaler still knows how many they are.
*/}}
{{- define "qdrant.replicas" -}}
{{- if or (not .Values.autoscaling.enabled) (eq (int .Values.replicas) 0) }}
{{- int .Values.replicas }}
{{- else }}
{{- $live := lookup "apps/v1" "StatefulSet" .Release.Namespace "" }}
{{- if $live }}
{{- $count := int .Values.replicas }}
{{- $found := false }}
{{- range $live.items }}
{{- if eq .metadata.name (include "qdrant.fullname" $) }}
{{- $found = true }}
{{- /* At 0 the autoscaler rests, and only this can wake the release. */}}
{{- $count = .spec.replicas | int | default $count }}
{{- end }}
{{- end }}
{{- if not $found }}
{{- range (lookup "autoscaling/v2" "HorizontalPodAutoscaler" .Release.Namespace "").items }}
{{- if eq .metadata.name (include "qdrant.fullname" $) }}
{{- $count = dig "status" "currentReplicas" 0 . | int | default $count }}
{{- end }}
{{- end }}
{{- end }}
{{- $count }}
{{- end }}
{{- end }}
{{- end }}

{{/*
How many peers of n may be away while the consensus goes on: a majority of n must stay, so (n - 1) / 2, rounded down.
1 and 2 peers stand no loss, 3 and 4 stand one, 5 and 6 two.
Usage: {{ include "qdrant.quorum.tolerated" 3 }}
*/}}
{{- define "qdrant.quorum.tolerated" -}}
{{ div (sub (max 1 (int .)) 1) 2 }}
{{- end }}
