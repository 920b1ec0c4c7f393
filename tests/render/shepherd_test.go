package render

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
	"github.com/qdrant-shepherd/shepherd/tests/internal/some"
)

// withShepherd is the least that turns it on in a clone.
const withShepherd = `shepherd: {enabled: true, image: {repository: example.org/shepherd, tag: t}}` + "\n"

// value returns the value of a container's variable, and fails where there is none.
func value(t *testing.T, container corev1.Container, name string) string {
	t.Helper()
	variable := env(container, name)
	require.NotNil(t, variable, "%s has no %s", container.Name, name)
	return variable.Value
}

func tend(t *testing.T, o chart.Objects) corev1.Container {
	t.Helper()
	containers := o.Deployment(t, "q-shepherd").Spec.Template.Spec.Containers
	require.Len(t, containers, 1)
	return containers[0]
}

// paths returns where a container mounts which volume.
func paths(container corev1.Container) map[string]string {
	found := map[string]string{}
	for _, mount := range container.VolumeMounts {
		found[mount.MountPath] = mount.Name
	}
	return found
}

// Off, the chart is what it is without shepherd: nothing of it is rendered, and not a byte of the pod depends on its values.
func TestShepherdOff(t *testing.T) {
	t.Parallel()
	o := chart.Render(t, ``)
	for _, object := range o.All {
		assert.NotContains(t, object.Typed.GetName(), "shepherd", object.ID())
		assert.NotContains(t, strings.ToLower(object.Template), "shepherd-", object.ID())
	}
	pod := podSpec(t, o)
	assert.Empty(t, pod.InitContainers)
	assert.Len(t, pod.Containers, 1)
	for _, volume := range some.Of(t, pod.Volumes) {
		assert.Nil(t, volume.Projected, volume.Name)
	}
	assert.Equal(t, "/readyz", o.Server(t).ReadinessProbe.HTTPGet.Path)
	assert.NotNil(t, o.Server(t).Lifecycle.PreStop.Exec)

	template := o.StatefulSet(t, chart.Fullname).Spec.Template
	others := chart.Render(t, `
shepherd: {image: {repository: r, tag: t}, logLevel: debug, tend: {interval: 9s, dryRun: true}}
rollout: {maxWait: 9m, permitFor: 9m, apiWait: 9s}
rebalance: {strategy: size, maxConcurrentTransfers: 9, method: snapshot, untouched: [a], readNodeZones: true}
recovery: {setAsideDays: 9}
autoscaling: {scaleDown: {pods: 9}}
networkPolicy: {apiServer: [{ipBlock: {cidr: 203.0.113.1/32}}]}
`)
	assert.Equal(t, o.IDs(), others.IDs())
	assert.Equal(t, template, others.StatefulSet(t, chart.Fullname).Spec.Template)
	assert.Equal(t, o.NetworkPolicy(t, chart.Fullname), others.NetworkPolicy(t, chart.Fullname))
}

func TestShepherdObjects(t *testing.T) {
	t.Parallel()
	without := chart.Render(t, ``).IDs()
	var added []string
	for _, id := range chart.Render(t, withShepherd).IDs() {
		if !slices.Contains(without, id) {
			added = append(added, id)
		}
	}
	assert.Equal(t, []string{
		"ConfigMap/q-shepherd", "Deployment/q-shepherd", "Lease/q-qdrant-stop", "Lease/q-shepherd", "NetworkPolicy/q-shepherd",
		"Role/q-qdrant-pod", "Role/q-shepherd", "RoleBinding/q-qdrant-pod", "RoleBinding/q-shepherd", "Service/q-shepherd", "ServiceAccount/q-shepherd",
	}, added, "nothing of it is cluster-scoped unless it is asked for")
}

func TestShepherdInThePod(t *testing.T) {
	t.Parallel()
	behaves(t, map[string]behaviour{
		"it decides before the server starts, and stays beside it": {values: withShepherd, want: func(t *testing.T, o chart.Objects) {
			containers := podSpec(t, o).InitContainers
			require.Len(t, containers, 2)
			assert.Equal(t, []string{"shepherd-start", "shepherd-watch"}, []string{containers[0].Name, containers[1].Name})
			assert.Nil(t, containers[0].RestartPolicy, "it runs to its end")
			assert.Equal(t, ptr.To(corev1.ContainerRestartPolicyAlways), containers[1].RestartPolicy, "a native sidecar ends after the server")
			assert.Equal(t, []string{"start"}, containers[0].Args)
			assert.Equal(t, []string{"watch"}, containers[1].Args)
			assert.Len(t, podSpec(t, o).Containers, 1)
		}},
		"the user's containers come first": {
			values: withShepherd + `extraInitContainers: [{name: prepare, image: i, securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}}]`,
			want: func(t *testing.T, o chart.Objects) {
				assert.Equal(t, "prepare", podSpec(t, o).InitContainers[0].Name)
				assert.Len(t, podSpec(t, o).InitContainers, 3)
			}},
		"the server starts as it was decided": {values: withShepherd, want: func(t *testing.T, o chart.Objects) {
			script := o.ConfigMap(t, chart.Fullname).Data["start.sh"]
			const shared = "/qdrant/shepherd" // the image has its binary at /shepherd
			assert.Contains(t, script, "mapfile -t arguments < "+shared+"/arguments")
			assert.NotContains(t, script, "/dev/tcp", "it looks for nobody itself")
			for _, name := range []string{"shepherd-start", "shepherd-watch"} {
				assert.Equal(t, "shepherd", paths(o.Sidecar(t, name))[shared])
				assert.Equal(t, shared, value(t, o.Sidecar(t, name), "SHEPHERD_SHARED"))
			}
			assert.Contains(t, o.Server(t).VolumeMounts, corev1.VolumeMount{Name: "shepherd", MountPath: shared, ReadOnly: true}, "the server may not change what was decided")
			assert.Equal(t, "qdrant-storage", paths(o.Sidecar(t, "shepherd-start"))["/qdrant/storage"])
		}},
		"readiness asks the sidecar, the others the server": {values: withShepherd, want: func(t *testing.T, o chart.Objects) {
			server := o.Server(t)
			assert.Equal(t, &corev1.HTTPGetAction{Path: "/ready", Port: intstr.FromInt32(6337), Scheme: "HTTP"}, server.ReadinessProbe.HTTPGet)
			assert.Equal(t, "/healthz", server.StartupProbe.HTTPGet.Path)
			assert.Equal(t, intstr.FromString("http"), server.StartupProbe.HTTPGet.Port)
			assert.Equal(t, "/livez", server.LivenessProbe.HTTPGet.Path, "a sidecar that hangs must not kill the server")
		}},
		"a stop asks the sidecar": {values: withShepherd, want: func(t *testing.T, o chart.Objects) {
			stop := o.Server(t).Lifecycle.PreStop
			// By number: a hook finds a port's name in its own container only.
			assert.Equal(t, &corev1.HTTPGetAction{Path: "/stop", Port: intstr.FromInt32(6337), Scheme: "HTTP"}, stop.HTTPGet)
			assert.Nil(t, stop.Exec)
			assert.Nil(t, o.Sidecar(t, "shepherd-watch").Lifecycle)
		}},
		"the sidecar is asked itself whether it lives": {values: withShepherd, want: func(t *testing.T, o chart.Objects) {
			watch := o.Sidecar(t, "shepherd-watch")
			for _, probe := range []*corev1.Probe{watch.StartupProbe, watch.LivenessProbe} {
				assert.Equal(t, "/healthz", probe.HTTPGet.Path)
				assert.Equal(t, intstr.FromString("watch"), probe.HTTPGet.Port)
			}
			assert.Nil(t, watch.ReadinessProbe, "the server's asks for both")
			assert.Equal(t, []corev1.ContainerPort{
				{Name: "watch", ContainerPort: 6337, Protocol: "TCP"}, {Name: "shepherd", ContainerPort: 6338, Protocol: "TCP"},
			}, watch.Ports)
		}},
		"TLS of the server is not the sidecar's": {values: withShepherd + `tls: {enabled: true, existingSecret: s}`, want: func(t *testing.T, o chart.Objects) {
			server := o.Server(t)
			assert.EqualValues(t, "HTTP", server.ReadinessProbe.HTTPGet.Scheme)
			assert.EqualValues(t, "HTTP", server.Lifecycle.PreStop.HTTPGet.Scheme)
			assert.EqualValues(t, "HTTPS", server.StartupProbe.HTTPGet.Scheme)
		}},
		"a single peer is looked after too": {values: withShepherd + `replicas: 1`, want: func(t *testing.T, o chart.Objects) {
			assert.Len(t, podSpec(t, o).InitContainers, 2)
		}},
	})
}

// What stands in values reaches the command that it is for.
func TestShepherdValues(t *testing.T) {
	t.Parallel()
	behaves(t, map[string]behaviour{
		"what every command knows": {values: withShepherd, want: func(t *testing.T, o chart.Objects) {
			for _, container := range []corev1.Container{o.Sidecar(t, "shepherd-start"), o.Sidecar(t, "shepherd-watch"), tend(t, o), o.Pod(t, "q-qdrant-test").Spec.Containers[0]} {
				assert.Equal(t, "metadata.namespace", env(container, "SHEPHERD_NAMESPACE").ValueFrom.FieldRef.FieldPath)
				assert.Equal(t, "metadata.name", env(container, "SHEPHERD_POD").ValueFrom.FieldRef.FieldPath)
				for name, want := range map[string]string{
					"SHEPHERD_STATEFULSET": "q-qdrant", "SHEPHERD_DOMAIN": "q-qdrant-headless.qdrant-test.svc.cluster.local", "SHEPHERD_SCHEME": "http",
					"SHEPHERD_P2P_SCHEME": "http", "SHEPHERD_LEASE": "q-qdrant-stop", "SHEPHERD_LOG_LEVEL": "info",
				} {
					assert.Equal(t, want, value(t, container, name), "%s: %s", container.Name, name)
				}
				assert.Nil(t, env(container, "SHEPHERD_API_KEY"), "no key, and an empty one would be one")
				assert.Nil(t, env(container, "SHEPHERD_CA_FILE"))
				assert.Equal(t, "example.org/shepherd:t", container.Image)
				assert.Empty(t, container.Command, "the image's entrypoint is the binary")
			}
		}},
		"the key comes from the Secret": {values: withShepherd + `auth: {existingSecret: s, keys: {apiKey: k}}`, want: func(t *testing.T, o chart.Objects) {
			for _, container := range []corev1.Container{o.Sidecar(t, "shepherd-start"), o.Sidecar(t, "shepherd-watch"), tend(t, o), o.Pod(t, "q-qdrant-test").Spec.Containers[0]} {
				key := env(container, "SHEPHERD_API_KEY")
				require.NotNil(t, key, container.Name)
				assert.Equal(t, &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "s"}, Key: "k"}, key.ValueFrom.SecretKeyRef)
			}
		}},
		"TLS": {values: withShepherd + `tls: {enabled: true, existingSecret: s, caKey: authority.pem}`, want: func(t *testing.T, o chart.Objects) {
			for _, container := range []corev1.Container{o.Sidecar(t, "shepherd-start"), o.Sidecar(t, "shepherd-watch"), tend(t, o), o.Pod(t, "q-qdrant-test").Spec.Containers[0]} {
				assert.Equal(t, "https", value(t, container, "SHEPHERD_SCHEME"), container.Name)
				assert.Equal(t, "https", value(t, container, "SHEPHERD_P2P_SCHEME"), container.Name)
				assert.Equal(t, "/qdrant/tls/authority.pem", value(t, container, "SHEPHERD_CA_FILE"), container.Name)
				assert.Equal(t, "qdrant-tls", paths(container)["/qdrant/tls"], container.Name)
			}
			// Where no server runs there is nothing but the authority: the private key stays with the peers.
			for _, pod := range []corev1.PodSpec{o.Deployment(t, "q-shepherd").Spec.Template.Spec, o.Pod(t, "q-qdrant-test").Spec} {
				var secrets []*corev1.SecretVolumeSource
				for _, volume := range pod.Volumes {
					if volume.Secret != nil {
						secrets = append(secrets, volume.Secret)
					}
				}
				require.Len(t, secrets, 1)
				assert.Equal(t, []corev1.KeyToPath{{Key: "authority.pem", Path: "authority.pem"}}, secrets[0].Items)
			}
		}},
		"TLS for clients alone": {values: withShepherd + `tls: {enabled: true, existingSecret: s, p2p: false}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, "https", value(t, o.Sidecar(t, "shepherd-start"), "SHEPHERD_SCHEME"))
			assert.Equal(t, "http", value(t, o.Sidecar(t, "shepherd-start"), "SHEPHERD_P2P_SCHEME"))
		}},
		"how stops are held": {
			values: withShepherd + "rollout: {maxWait: 10m, permitFor: 2m, apiWait: 7s}\nterminationGracePeriodSeconds: 900\npreStopSeconds: 4",
			want: func(t *testing.T, o chart.Objects) {
				watch := o.Sidecar(t, "shepherd-watch")
				for name, want := range map[string]string{
					"SHEPHERD_MAX_WAIT": "10m", "SHEPHERD_PERMIT_FOR": "2m", "SHEPHERD_API_WAIT": "7s", "SHEPHERD_GRACE_PERIOD": "900s", "SHEPHERD_PRESTOP": "4s",
				} {
					assert.Equal(t, want, value(t, watch, name), name)
				}
				assert.Equal(t, ptr.To[int64](900), podSpec(t, o).TerminationGracePeriodSeconds)
			}},
		"how tend looks and moves": {
			values: withShepherd + `
rebalance: {strategy: size, maxConcurrentTransfers: 5, method: stream_records, untouched: [a, b]}
recovery: {replaceLostVolumes: true, setAsideDays: 2}`,
			want: func(t *testing.T, o chart.Objects) {
				for name, want := range map[string]string{
					"SHEPHERD_STRATEGY": "size", "SHEPHERD_MAX_CONCURRENT_TRANSFERS": "5", "SHEPHERD_TRANSFER_METHOD": "stream_records", "SHEPHERD_UNTOUCHED": "a,b",
					"SHEPHERD_REPLACE_LOST_VOLUMES": "true", "SHEPHERD_INTERVAL": "3s", "SHEPHERD_CONFIRM": "3", "SHEPHERD_DRY_RUN": "false",
					"SHEPHERD_READ_NODES": "false", "SHEPHERD_REPLICAS_LIMIT": "100", "SHEPHERD_LEADER_LEASE": "q-shepherd", "SHEPHERD_STATE_CONFIGMAP": "q-shepherd",
				} {
					assert.Equal(t, want, value(t, tend(t, o), name), name)
				}
				assert.Equal(t, "48h", value(t, o.Sidecar(t, "shepherd-start"), "SHEPHERD_SET_ASIDE_KEEP"))
			}},
		"what is null is left to the server": {values: withShepherd, want: func(t *testing.T, o chart.Objects) {
			assert.Nil(t, env(tend(t, o), "SHEPHERD_TRANSFER_METHOD"))
			assert.Nil(t, env(tend(t, o), "SHEPHERD_UNTOUCHED"))
		}},
		"only looking on": {values: `shepherd: {enabled: true, image: {repository: r}, logLevel: debug, tend: {interval: 20s, confirmations: 7, dryRun: true}}`, want: func(t *testing.T, o chart.Objects) {
			for name, want := range map[string]string{"SHEPHERD_INTERVAL": "20s", "SHEPHERD_CONFIRM": "7", "SHEPHERD_DRY_RUN": "true", "SHEPHERD_LOG_LEVEL": "debug"} {
				assert.Equal(t, want, value(t, tend(t, o), name), name)
			}
		}},
		"the chart's version is the image's": {values: `shepherd: {enabled: true, image: {repository: example.org/s, pullPolicy: Always}}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, "example.org/s:"+chart.Loaded(t).Metadata.Version, tend(t, o).Image)
			assert.Equal(t, corev1.PullAlways, tend(t, o).ImagePullPolicy)
		}},
		"a digest wins over the tag": {values: `shepherd: {enabled: true, image: {repository: example.org/s, tag: t, digest: "sha256:` + strings.Repeat("cd", 32) + `"}}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, "example.org/s@sha256:"+strings.Repeat("cd", 32), o.Sidecar(t, "shepherd-watch").Image)
		}},
		"a published chart has its image": {values: `shepherd: {enabled: true}`, options: []chart.Option{chart.Published()}, want: func(t *testing.T, o chart.Objects) {
			assert.Contains(t, tend(t, o).Image, "registry.example.org/charts/qdrant-shepherd@sha256:")
		}},
		"resources": {
			values: `shepherd: {enabled: true, image: {repository: r}, resources: {requests: {cpu: 11m}}, tend: {resources: {limits: {memory: 99Mi}}}}`,
			want: func(t *testing.T, o chart.Objects) {
				for _, name := range []string{"shepherd-start", "shepherd-watch"} {
					assert.Equal(t, "11m", ptr.To(o.Sidecar(t, name).Resources.Requests[corev1.ResourceCPU]).String())
				}
				assert.Equal(t, "99Mi", ptr.To(tend(t, o).Resources.Limits[corev1.ResourceMemory]).String())
			}},
	})
}

func TestTend(t *testing.T) {
	t.Parallel()
	behaves(t, map[string]behaviour{
		"one, which a Lease makes the only one that acts": {values: withShepherd, want: func(t *testing.T, o chart.Objects) {
			spec := o.Deployment(t, "q-shepherd").Spec
			assert.Equal(t, ptr.To[int32](1), spec.Replicas)
			assert.Equal(t, appsv1.RollingUpdateDeploymentStrategyType, spec.Strategy.Type)
			assert.Equal(t, 0, spec.Strategy.RollingUpdate.MaxUnavailable.IntValue(), "somebody is there while it is updated")
			assert.Equal(t, []string{"tend"}, tend(t, o).Args)
			assert.Empty(t, o.Lease(t, "q-shepherd").Spec, "who holds it is no matter of an upgrade")
			assert.Empty(t, o.Lease(t, "q-qdrant-stop").Spec)
			assert.Empty(t, o.ConfigMap(t, "q-shepherd").Data, "an upgrade leaves what tend and people wrote")
		}},
		"it is no endpoint of the release": {values: withShepherd, want: func(t *testing.T, o chart.Objects) {
			for _, name := range []string{"q-qdrant", "q-qdrant-clients", "q-qdrant-headless"} {
				assert.NotEqual(t, o.Service(t, name).Spec.Selector["app"], o.Deployment(t, "q-shepherd").Spec.Template.Labels["app"])
			}
		}},
		"it runs where the server may": {
			values: withShepherd + "nodeSelector: {a: b}\ntolerations: [{operator: Exists}]\npriorityClassName: high\nimagePullSecrets: [{name: registry}]\ncommonLabels: {team: search}",
			want: func(t *testing.T, o chart.Objects) {
				template := o.Deployment(t, "q-shepherd").Spec.Template
				assert.Equal(t, map[string]string{"a": "b"}, template.Spec.NodeSelector)
				assert.Len(t, template.Spec.Tolerations, 1)
				assert.Equal(t, "high", template.Spec.PriorityClassName)
				assert.Equal(t, []corev1.LocalObjectReference{{Name: "registry"}}, template.Spec.ImagePullSecrets)
				assert.Equal(t, "search", template.Labels["team"])
			}},
		"its name is the release's, which people type": {values: withShepherd, options: []chart.Option{chart.Named("vectors")}, want: func(t *testing.T, o chart.Objects) {
			o.Deployment(t, "vectors-shepherd")
			o.StatefulSet(t, "vectors-qdrant")
		}},
		"or the one that was given": {values: withShepherd + `fullnameOverride: search`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, "search-shepherd", o.Deployment(t, "search-shepherd").Spec.Template.Spec.ServiceAccountName)
			o.Lease(t, "search-stop")
		}},
		"its metrics have a Service where there are metrics": {values: withShepherd + `metrics: {enabled: false}`, want: func(t *testing.T, o chart.Objects) {
			assert.False(t, o.Has("Service", "q-shepherd"))
		}},
		"a release at 0 has it too": {values: withShepherd + `replicas: 0`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, ptr.To[int32](1), o.Deployment(t, "q-shepherd").Spec.Replicas)
		}},
	})
}

func TestGracePeriod(t *testing.T) {
	t.Parallel()
	each(t, map[string]struct {
		values string
		want   int64
	}{
		"without shepherd":            {want: 120},
		"with shepherd":               {values: withShepherd, want: 3600},
		"one of the user's":           {values: `terminationGracePeriodSeconds: 45`, want: 45},
		"one of the user's, shepherd": {values: withShepherd + "terminationGracePeriodSeconds: 7200\nrollout: {maxWait: 1h}", want: 7200},
	}, func(t *testing.T, c struct {
		values string
		want   int64
	}) {
		assert.Equal(t, &c.want, podSpec(t, chart.Render(t, c.values)).TerminationGracePeriodSeconds)
	})
	refuses(t, map[string]refusal{
		"a wait in two units": {values: withShepherd + `rollout: {maxWait: 1m30s}`, want: []string{"rollout.maxWait", "1m30s"}},
	})
}

// What changes nothing in a peer's pod must not restart it.
func TestTendsValuesDoNotRestartPeers(t *testing.T) {
	t.Parallel()
	base := chart.Render(t, withShepherd).StatefulSet(t, chart.Fullname).Spec.Template
	each(t, map[string]string{
		"how tend moves":    `rebalance: {strategy: size, maxConcurrentTransfers: 9, method: snapshot, untouched: [a], readNodeZones: true}`,
		"how tend recovers": `recovery: {replaceLostVolumes: true}`,
		"the guard":         `guard: {enabled: true}`,
		"more peers":        `replicas: 9`,
		"a network policy":  `networkPolicy: {apiServer: [{ipBlock: {cidr: 203.0.113.1/32}}]}`,
		"autoscaling":       `autoscaling: {enabled: true}`,
	}, func(t *testing.T, values string) {
		assert.Equal(t, base, chart.Render(t, withShepherd+values).StatefulSet(t, chart.Fullname).Spec.Template)
	})
}

// What keeps the API server following ConfigMaps stays when the release goes, is bound, and refuses nothing.
func TestGuardKeeper(t *testing.T) {
	t.Parallel()
	o := chart.Render(t, withShepherd+"guard: {enabled: true}")
	const name = chart.Namespace + ".q-qdrant.keeper"
	policy, binding := o.ValidatingAdmissionPolicy(t, name), o.ValidatingAdmissionPolicyBinding(t, name)
	for _, annotations := range []map[string]string{policy.Annotations, binding.Annotations} {
		assert.Equal(t, "keep", annotations["helm.sh/resource-policy"])
	}
	require.Len(t, policy.Spec.Validations, 1)
	assert.Equal(t, "true", policy.Spec.Validations[0].Expression)
	guard := o.ValidatingAdmissionPolicy(t, chart.Namespace+".q-qdrant")
	assert.Equal(t, guard.Spec.ParamKind, policy.Spec.ParamKind)
	assert.NotContains(t, guard.Annotations, "helm.sh/resource-policy")
	assert.Equal(t, name, binding.Spec.PolicyName)
}
