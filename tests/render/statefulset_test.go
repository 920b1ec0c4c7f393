package render

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
	"github.com/qdrant-shepherd/shepherd/tests/internal/images"
)

func podSpec(t *testing.T, o chart.Objects) corev1.PodSpec {
	t.Helper()
	return o.StatefulSet(t, chart.Fullname).Spec.Template.Spec
}

func TestStatefulSet(t *testing.T) {
	t.Parallel()
	behaves(t, map[string]behaviour{
		"all pods start at once": {want: func(t *testing.T, o chart.Objects) {
			spec := o.StatefulSet(t, chart.Fullname).Spec
			assert.Equal(t, appsv1.ParallelPodManagement, spec.PodManagementPolicy)
			assert.Equal(t, ptr.To[int32](3), spec.Replicas)
			assert.Equal(t, "q-qdrant-headless", spec.ServiceName)
		}},
		"pods are replaced one at a time, by the API's own default": {want: func(t *testing.T, o chart.Objects) {
			strategy := o.StatefulSet(t, chart.Fullname).Spec.UpdateStrategy
			assert.Equal(t, appsv1.RollingUpdateStatefulSetStrategyType, strategy.Type)
			assert.Nil(t, strategy.RollingUpdate, "maxUnavailable is dropped by API servers whose gate is off, and differs for ever then")
		}},
		"a partition of 0 is a value": {values: `updateStrategy: {partition: 0}`, want: func(t *testing.T, o chart.Objects) {
			rolling := o.StatefulSet(t, chart.Fullname).Spec.UpdateStrategy.RollingUpdate
			require.NotNil(t, rolling)
			assert.Equal(t, ptr.To[int32](0), rolling.Partition)
			assert.Nil(t, rolling.MaxUnavailable)
		}},
		"replacing pods can be left to a person": {values: `updateStrategy: {type: OnDelete, partition: 1}`, want: func(t *testing.T, o chart.Objects) {
			strategy := o.StatefulSet(t, chart.Fullname).Spec.UpdateStrategy
			assert.Equal(t, appsv1.OnDeleteStatefulSetStrategyType, strategy.Type)
			assert.Nil(t, strategy.RollingUpdate, "the API refuses it with OnDelete")
		}},
		"no replicas are a value": {values: `replicas: 0`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, ptr.To[int32](0), o.StatefulSet(t, chart.Fullname).Spec.Replicas)
		}},
		"a stop has time": {want: func(t *testing.T, o chart.Objects) {
			pod := podSpec(t, o)
			assert.Equal(t, ptr.To[int64](120), pod.TerminationGracePeriodSeconds)
			assert.Equal(t, []string{"sleep", "10"}, o.Server(t).Lifecycle.PreStop.Exec.Command, "endpoints forget the pod first")
		}},
		"the wait before a stop can be left out": {values: `preStopSeconds: 0`, want: func(t *testing.T, o chart.Objects) {
			assert.Nil(t, o.Server(t).Lifecycle)
		}},
		"minReadySeconds": {values: `minReadySeconds: 7`, want: func(t *testing.T, o chart.Objects) {
			assert.EqualValues(t, 7, o.StatefulSet(t, chart.Fullname).Spec.MinReadySeconds)
		}},
		"the pod is spread over hosts and zones where that can be": {want: func(t *testing.T, o chart.Objects) {
			pod := podSpec(t, o)
			terms := pod.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution
			require.Len(t, terms, 1)
			assert.Equal(t, "kubernetes.io/hostname", terms[0].PodAffinityTerm.TopologyKey)
			assert.Empty(t, pod.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution)
			require.Len(t, pod.TopologySpreadConstraints, 1)
			assert.Equal(t, "topology.kubernetes.io/zone", pod.TopologySpreadConstraints[0].TopologyKey)
			assert.Equal(t, corev1.ScheduleAnyway, pod.TopologySpreadConstraints[0].WhenUnsatisfiable)
			assert.EqualValues(t, 1, pod.TopologySpreadConstraints[0].MaxSkew)
		}},
		"spreading can be insisted on": {values: `{podAntiAffinity: hard, zoneSpread: {mode: hard, topologyKey: rack}}`, want: func(t *testing.T, o chart.Objects) {
			pod := podSpec(t, o)
			terms := pod.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
			require.Len(t, terms, 1)
			assert.Equal(t, "kubernetes.io/hostname", terms[0].TopologyKey)
			assert.Empty(t, pod.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
			assert.Equal(t, "rack", pod.TopologySpreadConstraints[0].TopologyKey)
			assert.Equal(t, corev1.DoNotSchedule, pod.TopologySpreadConstraints[0].WhenUnsatisfiable)
		}},
		"spreading can be turned off": {values: `{podAntiAffinity: none, zoneSpread: {mode: none}}`, want: func(t *testing.T, o chart.Objects) {
			assert.Nil(t, podSpec(t, o).Affinity)
			assert.Empty(t, podSpec(t, o).TopologySpreadConstraints)
		}},
		"affinity is merged with the spread over hosts": {
			values: `affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: disk, operator: In, values: [nvme]}]}]}}}`,
			want: func(t *testing.T, o chart.Objects) {
				assert.NotNil(t, podSpec(t, o).Affinity.NodeAffinity)
				assert.Len(t, podSpec(t, o).Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution, 1)
			}},
		"further spread constraints come on top": {
			values: `topologySpreadConstraints: [{maxSkew: 2, topologyKey: rack, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: qdrant, app.kubernetes.io/name: qdrant, app.kubernetes.io/instance: q}}}]`,
			want: func(t *testing.T, o chart.Objects) {
				require.Len(t, podSpec(t, o).TopologySpreadConstraints, 2)
				assert.Equal(t, "rack", podSpec(t, o).TopologySpreadConstraints[1].TopologyKey)
			}},
		"scheduling as the pod says": {
			values: `{nodeSelector: {disk: nvme}, tolerations: [{key: dedicated, operator: Equal, value: qdrant, effect: NoSchedule}], priorityClassName: high, runtimeClassName: kata, schedulerName: stork}`,
			want: func(t *testing.T, o chart.Objects) {
				pod := podSpec(t, o)
				assert.Equal(t, map[string]string{"disk": "nvme"}, pod.NodeSelector)
				assert.Equal(t, []corev1.Toleration{{Key: "dedicated", Operator: "Equal", Value: "qdrant", Effect: "NoSchedule"}}, pod.Tolerations)
				assert.Equal(t, "high", pod.PriorityClassName)
				assert.Equal(t, ptr.To("kata"), pod.RuntimeClassName)
				assert.Equal(t, "stork", pod.SchedulerName)
			}},
		"the image": {want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, images.QdrantDefault, o.Server(t).Image)
			assert.Equal(t, corev1.PullIfNotPresent, o.Server(t).ImagePullPolicy)
		}},
		"another tag": {values: `{image: {repository: example.org/qdrant, tag: v1.18.2, pullPolicy: Always}, imagePullSecrets: [{name: registry}]}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, "example.org/qdrant:v1.18.2", o.Server(t).Image)
			assert.Equal(t, corev1.PullAlways, o.Server(t).ImagePullPolicy)
			for _, pod := range []corev1.PodSpec{podSpec(t, o), o.Pod(t, "q-qdrant-test").Spec} {
				assert.Equal(t, []corev1.LocalObjectReference{{Name: "registry"}}, pod.ImagePullSecrets)
			}
		}},
		"a digest wins over a tag": {values: `image: {tag: v1.18.2, digest: sha256:` + strings.Repeat("ab", 32) + `}`, want: func(t *testing.T, o chart.Objects) {
			want := "docker.io/qdrant/qdrant@sha256:" + strings.Repeat("ab", 32)
			assert.Equal(t, want, o.Server(t).Image)
			assert.Equal(t, want, o.Pod(t, "q-qdrant-test").Spec.Containers[0].Image)
		}},
		"resources": {values: `resources: {requests: {cpu: "2", memory: 8Gi}, limits: {memory: 8Gi, cpu: null}}`, want: func(t *testing.T, o chart.Objects) {
			resources := o.Server(t).Resources
			assert.Equal(t, "2", resources.Requests.Cpu().String())
			assert.Equal(t, "8Gi", resources.Limits.Memory().String())
			assert.NotContains(t, resources.Limits, corev1.ResourceCPU)
		}},
		"ports are named": {want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, []corev1.ContainerPort{
				{Name: "http", ContainerPort: 6333, Protocol: "TCP"},
				{Name: "grpc", ContainerPort: 6334, Protocol: "TCP"},
				{Name: "p2p", ContainerPort: 6335, Protocol: "TCP"},
				{Name: "metrics", ContainerPort: 6336, Protocol: "TCP"},
			}, o.Server(t).Ports)
		}},
		"a single node has no port for peers": {values: `{replicas: 1, cluster: {enabled: false}, metrics: {enabled: false}}`, want: func(t *testing.T, o chart.Objects) {
			assert.Len(t, o.Server(t).Ports, 2)
			assert.Len(t, o.Service(t, "q-qdrant-headless").Spec.Ports, 2)
		}},
		"it knows neither its token nor the services of its namespace": {want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, ptr.To(false), podSpec(t, o).EnableServiceLinks, "a Service called qdrant would set QDRANT_* variables")
			assert.Equal(t, ptr.To(false), podSpec(t, o).AutomountServiceAccountToken)
			assert.Equal(t, "q-qdrant", podSpec(t, o).ServiceAccountName)
		}},
		"an account of one's own": {values: `serviceAccount: {create: false, name: mine}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, "mine", podSpec(t, o).ServiceAccountName)
			assert.Equal(t, "mine", o.Pod(t, "q-qdrant-test").Spec.ServiceAccountName)
			assert.False(t, o.Has("ServiceAccount", "mine"))
		}},
		"no account of one's own": {values: `serviceAccount: {create: false}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, "default", podSpec(t, o).ServiceAccountName)
		}},
		"an account with a name and annotations": {values: `serviceAccount: {name: mine, annotations: {example.org/role: "123"}}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, "mine", podSpec(t, o).ServiceAccountName)
			assert.Equal(t, "123", o.ServiceAccount(t, "mine").Annotations["example.org/role"])
		}},
		"labels and annotations": {
			values: `{commonLabels: {team: search, tier: all}, commonAnnotations: {example.org/a: common}, podLabels: {tier: data}, podAnnotations: {example.org/b: pod}}`,
			want: func(t *testing.T, o chart.Objects) {
				for _, object := range o.All {
					if object.Kind == "Pod" {
						continue
					}
					assert.Equal(t, "search", object.Typed.GetLabels()["team"], object.ID())
					assert.Equal(t, "common", object.Typed.GetAnnotations()["example.org/a"], object.ID())
				}
				template := o.StatefulSet(t, chart.Fullname).Spec.Template
				assert.Equal(t, "search", template.Labels["team"])
				assert.Equal(t, "data", template.Labels["tier"], "pods' own labels win")
				assert.Equal(t, "pod", template.Annotations["example.org/b"])
				assert.NotContains(t, template.Annotations, "example.org/a")
			}},
	})
}

func TestProbes(t *testing.T) {
	t.Parallel()
	behaves(t, map[string]behaviour{
		"a long recovery is not killed": {want: func(t *testing.T, o chart.Objects) {
			probe := o.Server(t).StartupProbe
			require.NotNil(t, probe)
			assert.Equal(t, &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromString("http"), Scheme: "HTTP"}, probe.HTTPGet)
			assert.GreaterOrEqual(t, probe.PeriodSeconds*probe.FailureThreshold, int32(3600), "seconds until the container is killed")
		}},
		"readiness is asked often": {want: func(t *testing.T, o chart.Objects) {
			probe := o.Server(t).ReadinessProbe
			assert.Equal(t, "/readyz", probe.HTTPGet.Path)
			assert.LessOrEqual(t, probe.PeriodSeconds, int32(5), "the server works towards ready only when it is asked")
		}},
		"liveness asks the process alone": {want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, "/livez", o.Server(t).LivenessProbe.HTTPGet.Path)
		}},
		"liveness can be turned off": {values: `probes: {liveness: {enabled: false}}`, want: func(t *testing.T, o chart.Objects) {
			assert.Nil(t, o.Server(t).LivenessProbe)
			assert.NotNil(t, o.Server(t).StartupProbe)
		}},
		"numbers are values": {
			values: `probes: {startup: {periodSeconds: 1, timeoutSeconds: 2, failureThreshold: 3}, readiness: {periodSeconds: 4, timeoutSeconds: 5, failureThreshold: 6}, liveness: {periodSeconds: 7, timeoutSeconds: 8, failureThreshold: 9}}`,
			want: func(t *testing.T, o chart.Objects) {
				server := o.Server(t)
				for i, probe := range []*corev1.Probe{server.StartupProbe, server.ReadinessProbe, server.LivenessProbe} {
					first := int32(3*i + 1)
					assert.Equal(t, [3]int32{first, first + 1, first + 2}, [3]int32{probe.PeriodSeconds, probe.TimeoutSeconds, probe.FailureThreshold})
				}
			}},
		"probes speak TLS when the server does": {values: `tls: {enabled: true, existingSecret: certificate}`, want: func(t *testing.T, o chart.Objects) {
			server := o.Server(t)
			for _, probe := range []*corev1.Probe{server.StartupProbe, server.ReadinessProbe, server.LivenessProbe} {
				assert.Equal(t, corev1.URISchemeHTTPS, probe.HTTPGet.Scheme)
			}
		}},
	})
}

func TestEscapeHatches(t *testing.T) {
	t.Parallel()
	o := chart.Render(t, everything)
	pod, server := podSpec(t, o), o.Server(t)

	assert.Contains(t, server.Env, corev1.EnvVar{Name: "RUST_BACKTRACE", Value: "1"})
	assert.Equal(t, corev1.EnvVar{Name: "RUST_BACKTRACE", Value: "1"}, server.Env[len(server.Env)-1], "the last of two wins, so the user's is last")
	assert.Equal(t, "more", server.EnvFrom[0].ConfigMapRef.Name)
	assert.Equal(t, []string{"--disable-telemetry"}, server.Args)
	assert.Equal(t, "1Gi", volume(t, o, "models").EmptyDir.SizeLimit.String())
	assert.Contains(t, server.VolumeMounts, corev1.VolumeMount{Name: "models", MountPath: "/models"})
	require.Len(t, pod.InitContainers, 3)
	assert.Equal(t, "prepare", pod.InitContainers[0].Name, "what the user prepares is there when shepherd decides")
	require.Len(t, pod.Containers, 2)
	assert.Equal(t, "qdrant", pod.Containers[0].Name, "kubectl logs and exec take the first")
	assert.Equal(t, "beside", pod.Containers[1].Name)
	assert.Equal(t, "info", o.ConfigMap(t, "more").Data["RUST_LOG"])
}

func TestExtraObjectsMayBeText(t *testing.T) {
	t.Parallel()
	o := chart.Render(t, `
extraObjects:
  - |
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: {{ include "qdrant.fullname" . }}-more
      namespace: {{ .Release.Namespace }}
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: second, namespace: "{{ .Release.Namespace }}"}}
`)
	assert.True(t, o.Has("ConfigMap", "q-qdrant-more"))
	assert.True(t, o.Has("ConfigMap", "second"))
}

// A pod is replaced when its template changes. What changes nothing in a pod must not change the template.
func TestPodTemplateChangesOnlyWithThePod(t *testing.T) {
	t.Parallel()
	base := chart.Render(t, `replicas: 3`).StatefulSet(t, chart.Fullname).Spec.Template
	each(t, map[string]struct {
		values  string
		options []chart.Option
		changes bool
	}{
		"more peers":              {values: `replicas: 5`},
		"an upgrade":              {options: []chart.Option{chart.Upgrade()}},
		"a newer Kubernetes":      {options: []chart.Option{chart.KubeVersion(chart.Oldest)}},
		"a budget":                {values: `pdb: {enabled: false}`},
		"a network policy":        {values: `networkPolicy: {enabled: false}`},
		"alerts and dashboards":   {values: `metrics: {prometheusRule: {enabled: true}, dashboard: {enabled: true}, serviceMonitor: {enabled: true}}`},
		"annotations of objects":  {values: `commonAnnotations: {a: b}`},
		"a setting of the server": {values: `hnsw: {m: 32}`, changes: true},
		"a setting by config":     {values: `config: {log_level: DEBUG}`, changes: true},
		"the start script":        {values: `clusterDomain: example.org`, changes: true},
		"the revision of keys":    {values: `auth: {existingSecret: keys, revision: "2"}`, changes: true},
		"resources":               {values: `resources: {requests: {cpu: "3"}}`, changes: true},
	}, func(t *testing.T, c struct {
		values  string
		options []chart.Option
		changes bool
	}) {
		template := chart.Render(t, c.values, c.options...).StatefulSet(t, chart.Fullname).Spec.Template
		if c.changes {
			assert.NotEqual(t, base, template)
		} else {
			assert.Equal(t, base, template)
		}
	})
}

func TestPodTemplateDoesNotNameTheChart(t *testing.T) {
	t.Parallel()
	template := chart.Render(t, ``).StatefulSet(t, chart.Fullname).Spec.Template
	require.NotEmpty(t, template.Labels)
	for _, key := range []string{"helm.sh/chart", "app.kubernetes.io/version", "app.kubernetes.io/managed-by"} {
		assert.NotContains(t, template.Labels, key, "a new version of the chart would restart every pod")
	}
}

// The revision of the keys restarts pods by its checksum alone: with another text, and only then.
func TestAuthRevision(t *testing.T) {
	t.Parallel()
	checksum := func(values string) string {
		return chart.Render(t, values).StatefulSet(t, chart.Fullname).Spec.Template.Annotations["checksum/auth-revision"]
	}
	assert.Empty(t, checksum(`auth: {existingSecret: keys}`))
	first := checksum(`auth: {existingSecret: keys, revision: "1"}`)
	assert.NotEmpty(t, first)
	assert.NotEqual(t, first, checksum(`auth: {existingSecret: keys, revision: "2"}`))
}
