{{/*
Names follow the official chart, so that a release of it can be adopted with its volumes, and what people know still works.
*/}}

{{/* The chart's name, or what replaces it. Part of the selector. */}}
{{- define "qdrant.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of all objects: the release's, with the chart's name added where it isn't in it. */}}
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
What this release's StatefulSet is called in the cluster, where that is not qdrant.fullname; nothing in a first installation and in `helm template`,
which asks no cluster. A StatefulSet of another chart in the same release has that chart's label.
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

{{/* The Service that gives each peer its name, ready or not. */}}
{{- define "qdrant.headless.name" -}}
{{ include "qdrant.fullname" . }}-headless
{{- end }}

{{/* The domain below which each pod has its name. A full name works the same in every namespace and with every resolver, so a peer's URI never has to change. */}}
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

{{/* The server's image. A digest wins over a tag. */}}
{{- define "qdrant.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default (printf "v%s-unprivileged" .Chart.AppVersion)) }}
{{- end }}
{{- end }}

{{/*
The Deployment that watches over the cluster, its account, its ConfigMap, and the Lease of its leader: the release's name, not the chart's, for
people type it. A parent chart may have this one several times, under aliases; there the full name tells them apart.
*/}}
{{- define "qdrant.shepherd.name" -}}
{{- if or .Values.fullnameOverride (ne (include "qdrant.name" .) "qdrant") }}
{{- include "qdrant.fullname" . }}-shepherd
{{- else }}
{{- .Release.Name }}-shepherd
{{- end }}
{{- end }}

{{/* What the pods may do in the API. */}}
{{- define "qdrant.shepherd.pod.name" -}}
{{ include "qdrant.fullname" . }}-pod
{{- end }}

{{/* The Lease that a pod holds while it is away. */}}
{{- define "qdrant.shepherd.permit.name" -}}
{{ include "qdrant.fullname" . }}-stop
{{- end }}

{{/* The hook job that makes the API keys. */}}
{{- define "qdrant.keys.name" -}}
{{ include "qdrant.fullname" . }}-keys
{{- end }}

{{/* The name of an admission policy, which has no namespace. */}}
{{- define "qdrant.guard.name" -}}
{{ .Release.Namespace }}.{{ include "qdrant.fullname" . }}
{{- end }}

{{- define "qdrant.guard.keeper.name" -}}
{{ include "qdrant.guard.name" . }}.keeper
{{- end }}

{{/* Shepherd's image. A digest wins over a tag. */}}
{{- define "qdrant.shepherd.image" -}}
{{- with .Values.shepherd.image }}
{{- if .digest }}
{{- printf "%s@%s" (.repository | default "") .digest }}
{{- else }}
{{- printf "%s:%s" (.repository | default "") (.tag | default $.Chart.Version | replace "+" "_") }}
{{- end }}
{{- end }}
{{- end }}

{{/* The Secret with the API keys: one of the user's, the one that the hook job makes, or none. */}}
{{- define "qdrant.auth.secretName" -}}
{{- if .Values.auth.existingSecret }}
{{- .Values.auth.existingSecret }}
{{- else if .Values.auth.generate }}
{{- include "qdrant.keys.name" . }}
{{- end }}
{{- end }}
