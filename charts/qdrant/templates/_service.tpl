{{/* The ports for clients: REST and gRPC. Usage: {{ include "qdrant.service.clientPorts" . }} */}}
{{- define "qdrant.service.clientPorts" -}}
- {name: http, port: 6333, targetPort: http, protocol: TCP}
- {name: grpc, port: 6334, targetPort: grpc, protocol: TCP
  {{- with .Values.service.grpcAppProtocol }}, appProtocol: {{ . | quote }}{{ end }}}
{{- end }}

{{/* The address families, which are the same for every Service. */}}
{{- define "qdrant.service.families" -}}
{{- with .Values.service.ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .Values.service.ipFamilies }}
ipFamilies:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The ClientIP affinity, if it is enabled. */}}
{{- define "qdrant.service.affinity" -}}
{{- with .Values.service.sessionAffinity }}
{{- if .enabled }}
sessionAffinity: ClientIP
sessionAffinityConfig:
  clientIP:
    timeoutSeconds: {{ int .timeoutSeconds }}
{{- end }}
{{- end }}
{{- end }}

{{/*
A route of the Gateway API. HTTPRoute and GRPCRoute differ only in kind and port.
Usage: {{ include "qdrant.route" (dict "root" $ "kind" "HTTPRoute" "route" .Values.gateway.httpRoute "port" 6333) }}
*/}}
{{- define "qdrant.route" -}}
{{- if or (not .root) (not .kind) (not .route) (not .port) }}{{ fail "qdrant.route: needs root, kind, route and port" }}{{ end -}}
apiVersion: gateway.networking.k8s.io/v1
kind: {{ .kind }}
metadata:
  {{- include "qdrant.metadata" (dict "root" .root "name" (include "qdrant.fullname" .root) "annotations" .route.annotations) | nindent 2 }}
spec:
  parentRefs:
    {{- toYaml .route.parentRefs | nindent 4 }}
  {{- with .route.hostnames }}
  hostnames:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    - backendRefs:
        - name: {{ include "qdrant.fullname" .root | quote }}
          port: {{ .port }}
{{- end }}
