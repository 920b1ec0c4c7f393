{{/*
Names follow the official chart, so that this chart can take over its releases and volumes, and familiar names still
work.
*/}}

{{/* The chart's name or nameOverride. It is part of the selector. */}}
{{- define "qdrant.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of all objects: the release name, followed by the chart's name unless it contains that name. */}}
{{- define "qdrant.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride }}
{{- else if contains (include "qdrant.name" .) .Release.Name }}
{{- .Release.Name }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "qdrant.name" .) }}
{{- end }}
{{- end }}

{{/*
The name of this release's StatefulSet in the cluster if it differs from qdrant.fullname. Empty for a new release and in
`helm template`, which has no access to a cluster. The label helm.sh/chart excludes StatefulSets of other charts in the
same release.
*/}}
{{- define "qdrant.formerName" -}}
{{- if .Release.IsUpgrade }}
{{- $former := "" }}
{{- $kept := false }}
{{- range (lookup "apps/v1" "StatefulSet" .Release.Namespace "").items }}
{{- $labels := .metadata.labels | default dict }}
{{- if eq .metadata.name (include "qdrant.fullname" $) }}
{{- $kept = true }}
{{- else if and (eq (dig "app.kubernetes.io/instance" "" $labels) $.Release.Name) (regexMatch (printf "^%s-[0-9]" $.Chart.Name) (dig "helm.sh/chart" "" $labels)) }}
{{- $former = .metadata.name }}
{{- end }}
{{- end }}
{{- if not $kept }}
{{- $former }}
{{- end }}
{{- end }}
{{- end }}

{{/* The headless Service that gives each peer a DNS name, whether the pod is ready or not. */}}
{{- define "qdrant.headless.name" -}}
{{ include "qdrant.fullname" . }}-headless
{{- end }}

{{/*
The domain of the pods' DNS names. A fully qualified name works in every namespace and with every resolver, so the URI
of a peer never changes.
*/}}
{{- define "qdrant.headless.domain" -}}
{{ include "qdrant.headless.name" . }}.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}
{{- end }}

{{- define "qdrant.serviceAccount.name" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "qdrant.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{/* The image of the server. A digest takes precedence over a tag. */}}
{{- define "qdrant.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default (printf "v%s-unprivileged" .Chart.AppVersion)) }}
{{- end }}
{{- end }}

{{/*
The name of the Deployment that runs `shepherd tend`, and of its ServiceAccount, ConfigMap and leader Lease. It contains
only the release name, because people type it. A parent chart can include this chart several times under aliases; then
the full name makes it unique.
*/}}
{{- define "qdrant.shepherd.name" -}}
{{- if or .Values.fullnameOverride (ne (include "qdrant.name" .) "qdrant") }}
{{- include "qdrant.fullname" . }}-shepherd
{{- else }}
{{- .Release.Name }}-shepherd
{{- end }}
{{- end }}

{{/* The Role and RoleBinding of the pods. */}}
{{- define "qdrant.shepherd.pod.name" -}}
{{ include "qdrant.fullname" . }}-pod
{{- end }}

{{/* The stop permit: the Lease that a pod holds while it stops and restarts. */}}
{{- define "qdrant.shepherd.permit.name" -}}
{{ include "qdrant.fullname" . }}-stop
{{- end }}

{{/* The hook job that generates the API keys. */}}
{{- define "qdrant.keys.name" -}}
{{ include "qdrant.fullname" . }}-keys
{{- end }}

{{/* The name of the admission policy, which is cluster-scoped. */}}
{{- define "qdrant.guard.name" -}}
{{ .Release.Namespace }}.{{ include "qdrant.fullname" . }}
{{- end }}

{{- define "qdrant.guard.keeper.name" -}}
{{ include "qdrant.guard.name" . }}.keeper
{{- end }}

{{/* The image of shepherd. A digest takes precedence over a tag. */}}
{{- define "qdrant.shepherd.image" -}}
{{- with .Values.shepherd.image }}
{{- if .digest }}
{{- printf "%s@%s" (.repository | default "") .digest }}
{{- else }}
{{- printf "%s:%s" (.repository | default "") (.tag | default $.Chart.Version | replace "+" "_") }}
{{- end }}
{{- end }}
{{- end }}

{{/* The Secret with the API keys: an existing Secret, the one that the hook job creates, or none. */}}
{{- define "qdrant.auth.secretName" -}}
{{- if .Values.auth.existingSecret }}
{{- .Values.auth.existingSecret }}
{{- else if .Values.auth.generate }}
{{- include "qdrant.keys.name" . }}
{{- end }}
{{- end }}
