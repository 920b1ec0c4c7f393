{{/*
spec.replicas of the StatefulSet, or nothing.

Without autoscaling, this is `replicas`. With autoscaling, the autoscaler owns the field and an upgrade must not change
it. It is not enough to leave the field out: if the last manifest had it, Helm removes it, and the API server sets it to
1. Therefore the live count is rendered.

The lookup reads the list of StatefulSets instead of one object. A cluster returns a list even if it is empty, which
distinguishes a new release (no StatefulSet yet: use `replicas`) from `helm template`, which has no access to a cluster
(leave the field out, for GitOps tools). If the StatefulSet was deleted without its pods, to be created again, the count
comes from the status of the autoscaler.
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
{{- /* At 0 the autoscaler is inactive, so only `replicas` can scale the release up again. */}}
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
How many of n peers can be down while consensus still works. A majority of n must remain, so this is (n - 1) / 2,
rounded down: 1 and 2 peers tolerate no loss, 3 and 4 tolerate one, 5 and 6 tolerate two.
Usage: {{ include "qdrant.quorum.tolerated" 3 }}
*/}}
{{- define "qdrant.quorum.tolerated" -}}
{{ div (sub (max 1 (int .)) 1) 2 }}
{{- end }}
