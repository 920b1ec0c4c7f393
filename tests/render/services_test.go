package render

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
	"github.com/qdrant-shepherd/shepherd/tests/internal/some"
)

// portsOf returns the ports of a Service as "name port".
func portsOf(service *corev1.Service) map[string]int32 {
	ports := map[string]int32{}
	for _, port := range service.Spec.Ports {
		ports[port.Name] = port.Port
	}
	return ports
}

func TestServices(t *testing.T) {
	t.Parallel()
	clients := map[string]int32{"http": 6333, "grpc": 6334}
	behaves(t, map[string]behaviour{
		"clients have one address": {want: func(t *testing.T, o chart.Objects) {
			service := o.Service(t, "q-qdrant")
			assert.Equal(t, corev1.ServiceTypeClusterIP, service.Spec.Type)
			assert.Empty(t, service.Spec.ClusterIP)
			assert.Equal(t, clients, portsOf(service))
			assert.Empty(t, service.Spec.SessionAffinity)
			assert.False(t, service.Spec.PublishNotReadyAddresses)
		}},
		"peers find each other before they are ready": {want: func(t *testing.T, o chart.Objects) {
			service := o.Service(t, "q-qdrant-headless")
			assert.Equal(t, corev1.ClusterIPNone, service.Spec.ClusterIP)
			assert.True(t, service.Spec.PublishNotReadyAddresses)
			assert.Equal(t, map[string]int32{"http": 6333, "grpc": 6334, "p2p": 6335, "metrics": 6336}, portsOf(service))
		}},
		"clients that balance themselves get ready pods alone": {want: func(t *testing.T, o chart.Objects) {
			service := o.Service(t, "q-qdrant-clients")
			assert.Equal(t, corev1.ClusterIPNone, service.Spec.ClusterIP)
			assert.False(t, service.Spec.PublishNotReadyAddresses)
			assert.Equal(t, clients, portsOf(service))
		}},
		"ports lead to the container's by name": {want: func(t *testing.T, o chart.Objects) {
			for _, name := range []string{"q-qdrant", "q-qdrant-clients", "q-qdrant-headless"} {
				for _, port := range some.Of(t, o.Service(t, name).Spec.Ports) {
					assert.Equal(t, port.Name, port.TargetPort.StrVal, name)
					assert.Equal(t, corev1.ProtocolTCP, port.Protocol, name)
				}
			}
		}},
		"no metrics port without metrics": {values: `metrics: {enabled: false}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, map[string]int32{"http": 6333, "grpc": 6334, "p2p": 6335}, portsOf(o.Service(t, "q-qdrant-headless")))
		}},
		"session affinity is on the Services with an address of their own": {
			values: `{service: {sessionAffinity: {enabled: true, timeoutSeconds: 60}}, loadBalancer: {enabled: true, sessionAffinity: true, sourceRanges: [192.0.2.0/24]}, auth: {existingSecret: keys}}`,
			want: func(t *testing.T, o chart.Objects) {
				for _, name := range []string{"q-qdrant", "q-qdrant-lb"} {
					spec := o.Service(t, name).Spec
					assert.Equal(t, corev1.ServiceAffinityClientIP, spec.SessionAffinity, name)
					assert.Equal(t, ptr.To[int32](60), spec.SessionAffinityConfig.ClientIP.TimeoutSeconds, name)
				}
				assert.Empty(t, o.Service(t, "q-qdrant-clients").Spec.SessionAffinity)
				assert.Empty(t, o.Service(t, "q-qdrant-headless").Spec.SessionAffinity)
			}},
		"the load balancer": {
			values: `{auth: {existingSecret: keys}, loadBalancer: {enabled: true, class: example.org/lb, sourceRanges: [192.0.2.0/24, 2001:db8::/32], annotations: {example.org/scheme: internal}}}`,
			want: func(t *testing.T, o chart.Objects) {
				service := o.Service(t, "q-qdrant-lb")
				assert.Equal(t, corev1.ServiceTypeLoadBalancer, service.Spec.Type)
				assert.Equal(t, clients, portsOf(service), "never the peers' port, never the metrics")
				assert.Equal(t, []string{"192.0.2.0/24", "2001:db8::/32"}, service.Spec.LoadBalancerSourceRanges)
				assert.Equal(t, corev1.ServiceExternalTrafficPolicyLocal, service.Spec.ExternalTrafficPolicy)
				assert.Equal(t, ptr.To("example.org/lb"), service.Spec.LoadBalancerClass)
				assert.Equal(t, "internal", service.Annotations["example.org/scheme"])
			}},
		"the load balancer may spread evenly": {
			values: `{auth: {existingSecret: keys}, loadBalancer: {enabled: true, externalTrafficPolicy: Cluster, sourceRanges: [192.0.2.0/24]}}`,
			want: func(t *testing.T, o chart.Objects) {
				assert.Equal(t, corev1.ServiceExternalTrafficPolicyCluster, o.Service(t, "q-qdrant-lb").Spec.ExternalTrafficPolicy)
			}},
		"no load balancer unless asked for": {want: func(t *testing.T, o chart.Objects) {
			assert.False(t, o.Has("Service", "q-qdrant-lb"))
		}},
		"node ports and annotations": {values: `service: {type: NodePort, annotations: {a: b}}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, corev1.ServiceTypeNodePort, o.Service(t, "q-qdrant").Spec.Type)
			assert.Equal(t, "b", o.Service(t, "q-qdrant").Annotations["a"])
			assert.Empty(t, o.Service(t, "q-qdrant-clients").Annotations)
		}},
		"both address families": {
			values: `{service: {ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6, IPv4]}, loadBalancer: {enabled: true, sourceRanges: [192.0.2.0/24]}, auth: {existingSecret: keys}}`,
			want: func(t *testing.T, o chart.Objects) {
				for _, name := range []string{"q-qdrant", "q-qdrant-clients", "q-qdrant-headless", "q-qdrant-lb"} {
					spec := o.Service(t, name).Spec
					assert.Equal(t, ptr.To(corev1.IPFamilyPolicyRequireDualStack), spec.IPFamilyPolicy, name)
					assert.Equal(t, []corev1.IPFamily{corev1.IPv6Protocol, corev1.IPv4Protocol}, spec.IPFamilies, name)
				}
			}},
		"the hint for proxies": {values: `service: {grpcAppProtocol: kubernetes.io/h2c}`, want: func(t *testing.T, o chart.Objects) {
			for _, name := range []string{"q-qdrant", "q-qdrant-clients", "q-qdrant-headless"} {
				hinted := map[string]string{}
				for _, port := range o.Service(t, name).Spec.Ports {
					if port.AppProtocol != nil {
						hinted[port.Name] = *port.AppProtocol
					}
				}
				assert.Equal(t, map[string]string{"grpc": "kubernetes.io/h2c"}, hinted, name)
			}
		}},
	})
}

// Selectors and the names of Services are the official chart's: they can't be changed in a release, and one of that chart may come to be
// a release of this one.
func TestSelectorLabels(t *testing.T) {
	t.Parallel()
	o := chart.Render(t, `{nameOverride: vectors, commonLabels: {team: a}, podLabels: {tier: b}}`)
	want := map[string]string{"app": "vectors", "app.kubernetes.io/name": "vectors", "app.kubernetes.io/instance": "q"}
	assert.Equal(t, want, o.StatefulSet(t, "q-vectors").Spec.Selector.MatchLabels)
	require.Equal(t, want, o.Service(t, "q-vectors").Spec.Selector)
	assert.Equal(t, want, o.PodDisruptionBudget(t, "q-vectors").Spec.Selector.MatchLabels)
	assert.Equal(t, want, o.NetworkPolicy(t, "q-vectors").Spec.PodSelector.MatchLabels)
}
