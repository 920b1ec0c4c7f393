package chart

import "strings"

// EverythingIn is what the values of Everything must say differently from one cluster, and one release, to the other.
type EverythingIn struct {
	// Release is the release's name, which the labels of its pods have; Release when empty.
	Release string
	// StorageClass is the class that the release makes. It belongs to no namespace, so two releases of a cluster need two names.
	StorageClass string
	// IPFamilies are those that the cluster has: the API server refuses a Service with another one.
	IPFamilies []string
}

// Everything turns on each object and each part that can stand together. Nobody schedules its pods.
func Everything(in EverythingIn) string {
	if in.Release == "" {
		in.Release = Release
	}
	return strings.NewReplacer("RELEASE", in.Release, "STORAGE-CLASS", in.StorageClass, "IP-FAMILIES", strings.Join(in.IPFamilies, ", ")).Replace(everything)
}

const everything = `
schedulerName: nobody
replicas: 3
imagePullSecrets: [{name: registry}]
commonLabels: {team: search}
commonAnnotations: {example.org/owner: search}
podLabels: {tier: data}
podAnnotations: {example.org/note: pod}
collection: {quantization: {scalar: {type: int8, always_ram: true}}}
strictMode: {enabled: true, maxQueryLimit: 1000}
audit: {enabled: true}
config: {storage: {node_type: Normal}}
persistence:
  data: {storageClass: STORAGE-CLASS, labels: {claim: data}, annotations: {example.org/claim: data}}
  snapshots: {storageClass: slow, labels: {claim: snapshots}, annotations: {example.org/claim: snapshots}}
  scratch: {storageClass: STORAGE-CLASS}
storageClass: {create: true, name: STORAGE-CLASS, parameters: {type: gp3}, mountOptions: [noatime], annotations: {example.org/class: fast}}
service: {type: NodePort, annotations: {example.org/service: clients}, sessionAffinity: {enabled: true}, ipFamilyPolicy: PreferDualStack, ipFamilies: [IP-FAMILIES], grpcAppProtocol: kubernetes.io/h2c}
loadBalancer: {enabled: true, annotations: {example.org/lb: internal}, class: example.org/lb, sourceRanges: [10.0.0.0/8, "2001:db8::/32"]}
ingress: {enabled: true, className: nginx, annotations: {example.org/ingress: rest}, hosts: [{host: qdrant.example.org}, {host: "*.example.org", paths: [{path: /collections, pathType: Exact, port: grpc}]}], tls: [{secretName: ingress-tls, hosts: [qdrant.example.org]}]}
gateway:
  httpRoute: {enabled: true, parentRefs: [{name: gateway, namespace: gateways, sectionName: rest}], hostnames: [rest.example.org, "*.example.org"], annotations: {example.org/route: rest}}
  grpcRoute: {enabled: true, parentRefs: [{name: gateway, namespace: gateways, sectionName: grpc}], hostnames: [grpc.example.org], annotations: {example.org/route: grpc}}
shepherd: {enabled: true, image: {repository: example.org/shepherd, tag: everything}}
rebalance: {method: snapshot, untouched: [archive], readNodeZones: true}
recovery: {replaceLostVolumes: true}
guard: {enabled: true}
auth: {existingSecret: qdrant-keys, revision: "1", enforceInternal: true}
tls: {enabled: true, existingSecret: qdrant-tls}
networkPolicy:
  apiServer: [{ipBlock: {cidr: 203.0.113.1/32}}]
  dns: [{namespaceSelector: {}}]
  extraIngress: [{from: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.1/32]}}]}]
  extraEgress: [{to: [{ipBlock: {cidr: 198.51.100.0/24}}], ports: [{port: 443, endPort: 500, protocol: TCP}]}]
serviceAccount: {annotations: {example.org/role: qdrant}}
resources: {requests: {cpu: 1000m, memory: 1024Mi, ephemeral-storage: "1e9"}, limits: {cpu: 2.5, memory: 4096Mi}}
autoscaling: {enabled: true}
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: disk, operator: Exists}]}]}}}
topologySpreadConstraints: [{maxSkew: 1, topologyKey: rack, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: qdrant, app.kubernetes.io/name: qdrant, app.kubernetes.io/instance: RELEASE}}}]
nodeSelector: {disk: nvme}
tolerations: [{key: dedicated, operator: Exists}]
priorityClassName: high
runtimeClassName: gvisor
minReadySeconds: 5
updateStrategy: {partition: 0}
metrics:
  serviceMonitor: {enabled: true, labels: {release: prometheus}, perCollection: true, relabelings: [{action: labeldrop, regex: pod_uid}], metricRelabelings: [{action: drop, sourceLabels: [__name__], regex: "go_.*"}]}
  prometheusRule: {enabled: true, labels: {release: prometheus}}
  dashboard: {enabled: true, annotations: {example.org/folder: Qdrant}}
extraEnv: [{name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}, {name: RUST_BACKTRACE, value: "1"}]
extraEnvFrom: [{configMapRef: {name: more}}]
extraArgs: [--disable-telemetry]
extraVolumes: [{name: models, emptyDir: {sizeLimit: 1024Mi}}]
extraVolumeMounts: [{name: models, mountPath: /models}]
extraInitContainers:
  - {name: prepare, image: example.org/prepare, securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}}
extraContainers:
  - {name: beside, image: example.org/beside, securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}}
extraObjects:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: more, namespace: "{{ .Release.Namespace }}"}, data: {RUST_LOG: info}}
`
