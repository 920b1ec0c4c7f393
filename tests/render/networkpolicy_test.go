package render

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
	"github.com/qdrant-shepherd/shepherd/tests/internal/some"
)

var peers = metav1.LabelSelector{MatchLabels: map[string]string{"app": "qdrant", "app.kubernetes.io/name": "qdrant", "app.kubernetes.io/instance": "q"}}

// allowedTo returns who may connect to a port. Nobody is an empty list; a rule without `from` would be everybody, and fails.
func allowedTo(t *testing.T, policy *networkingv1.NetworkPolicy, port string) []networkingv1.NetworkPolicyPeer {
	t.Helper()
	var allowed []networkingv1.NetworkPolicyPeer
	for _, rule := range policy.Spec.Ingress {
		require.NotEmpty(t, rule.From, "a rule without from lets in everybody")
		require.NotEmpty(t, rule.Ports, "a rule without ports opens all of them")
		if slices.ContainsFunc(rule.Ports, func(p networkingv1.NetworkPolicyPort) bool { return p.Port.String() == port }) {
			allowed = append(allowed, rule.From...)
		}
	}
	return allowed
}

func TestNetworkPolicy(t *testing.T) {
	t.Parallel()
	self := networkingv1.NetworkPolicyPeer{PodSelector: &peers}
	tester := networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "qdrant-test", "app.kubernetes.io/name": "qdrant-test", "app.kubernetes.io/instance": "q"}}}
	everyPod := networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{}}
	monitoring := networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "monitoring"}}}

	behaves(t, map[string]behaviour{
		"both ways are ruled": {want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, []networkingv1.PolicyType{"Ingress", "Egress"}, o.NetworkPolicy(t, chart.Fullname).Spec.PolicyTypes)
		}},
		"who may connect": {want: func(t *testing.T, o chart.Objects) {
			policy := o.NetworkPolicy(t, chart.Fullname)
			assert.ElementsMatch(t, []networkingv1.NetworkPolicyPeer{everyPod, tester, self}, allowedTo(t, policy, "6333"))
			assert.ElementsMatch(t, []networkingv1.NetworkPolicyPeer{everyPod, tester}, allowedTo(t, policy, "6334"))
			assert.Equal(t, []networkingv1.NetworkPolicyPeer{self}, allowedTo(t, policy, "6335"), "peers and nobody else")
			assert.Equal(t, []networkingv1.NetworkPolicyPeer{monitoring}, allowedTo(t, policy, "6336"))
		}},
		"clients are values": {values: `networkPolicy: {clients: [{podSelector: {matchLabels: {role: client}}}, {ipBlock: {cidr: 192.0.2.0/24}}]}`, want: func(t *testing.T, o chart.Objects) {
			allowed := allowedTo(t, o.NetworkPolicy(t, chart.Fullname), "6334")
			assert.ElementsMatch(t, []networkingv1.NetworkPolicyPeer{
				{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"role": "client"}}},
				{IPBlock: &networkingv1.IPBlock{CIDR: "192.0.2.0/24"}},
				tester,
			}, allowed)
		}},
		"no clients are nobody": {values: `networkPolicy: {clients: []}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, []networkingv1.NetworkPolicyPeer{tester}, allowedTo(t, o.NetworkPolicy(t, chart.Fullname), "6334"))
		}},
		"nobody may read metrics": {values: `networkPolicy: {metrics: []}`, want: func(t *testing.T, o chart.Objects) {
			assert.Empty(t, allowedTo(t, o.NetworkPolicy(t, chart.Fullname), "6336"))
		}},
		"no rule for a port that is not there": {values: `{replicas: 1, cluster: {enabled: false}, metrics: {enabled: false}}`, want: func(t *testing.T, o chart.Objects) {
			policy := o.NetworkPolicy(t, chart.Fullname)
			assert.Empty(t, allowedTo(t, policy, "6336"))
			assert.Empty(t, allowedTo(t, policy, "6335"))
			assert.Len(t, policy.Spec.Egress, 1, "DNS alone")
		}},
		"the load balancer's networks are let in": {
			values: `{auth: {existingSecret: s}, loadBalancer: {enabled: true, sourceRanges: [192.0.2.0/24]}}`,
			want: func(t *testing.T, o chart.Objects) {
				policy := o.NetworkPolicy(t, chart.Fullname)
				block := networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: "192.0.2.0/24"}}
				assert.Contains(t, allowedTo(t, policy, "6333"), block)
				assert.Contains(t, allowedTo(t, policy, "6334"), block)
				assert.NotContains(t, allowedTo(t, policy, "6336"), block)
			}},
		"networks of a load balancer that is off are not": {values: `loadBalancer: {sourceRanges: [192.0.2.0/24]}`, want: func(t *testing.T, o chart.Objects) {
			assert.ElementsMatch(t, []networkingv1.NetworkPolicyPeer{everyPod, tester}, allowedTo(t, o.NetworkPolicy(t, chart.Fullname), "6334"))
		}},
		"out to DNS anywhere and to peers": {want: func(t *testing.T, o chart.Objects) {
			egress := o.NetworkPolicy(t, chart.Fullname).Spec.Egress
			require.Len(t, egress, 2)
			assert.Empty(t, egress[0].To)
			for _, port := range some.Of(t, egress[0].Ports) {
				assert.Equal(t, 53, port.Port.IntValue())
			}
			assert.Equal(t, []networkingv1.NetworkPolicyPeer{self}, egress[1].To)
			assert.Equal(t, []string{"6333", "6335"}, []string{egress[1].Ports[0].Port.String(), egress[1].Ports[1].Port.String()})
		}},
		"further rules": {
			values: `networkPolicy: {dns: [{namespaceSelector: {matchLabels: {dns: here}}}], extraIngress: [{from: [{ipBlock: {cidr: 192.0.2.0/24}}], ports: [{port: 6333, protocol: TCP}]}], extraEgress: [{to: [{ipBlock: {cidr: 198.51.100.0/24}}], ports: [{port: 443, protocol: TCP}]}]}`,
			want: func(t *testing.T, o chart.Objects) {
				policy := o.NetworkPolicy(t, chart.Fullname)
				assert.Equal(t, map[string]string{"dns": "here"}, policy.Spec.Egress[0].To[0].NamespaceSelector.MatchLabels)
				assert.Contains(t, allowedTo(t, policy, "6333"), networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: "192.0.2.0/24"}})
				last := policy.Spec.Egress[len(policy.Spec.Egress)-1]
				assert.Equal(t, "198.51.100.0/24", last.To[0].IPBlock.CIDR)
			}},
		"it can be turned off": {values: `networkPolicy: {enabled: false}`, want: func(t *testing.T, o chart.Objects) {
			assert.False(t, o.Has("NetworkPolicy", chart.Fullname))
		}},
	})
}

func TestNetworkPoliciesWithShepherd(t *testing.T) {
	t.Parallel()
	self := networkingv1.NetworkPolicyPeer{PodSelector: &peers}
	shepherd := networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{
		MatchLabels: map[string]string{"app": "qdrant-shepherd", "app.kubernetes.io/name": "qdrant-shepherd", "app.kubernetes.io/instance": "q"}}}
	monitoring := networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "monitoring"}}}
	// apiServer is the rule that leads to it.
	apiServer := func(t *testing.T, policy *networkingv1.NetworkPolicy) networkingv1.NetworkPolicyEgressRule {
		t.Helper()
		for _, rule := range policy.Spec.Egress {
			if slices.ContainsFunc(rule.Ports, func(p networkingv1.NetworkPolicyPort) bool { return p.Port.String() == "6443" }) {
				return rule
			}
		}
		require.FailNow(t, "no way to the API server", "from %s", policy.Name)
		return networkingv1.NetworkPolicyEgressRule{}
	}
	const tendPolicy = "q-shepherd"

	behaves(t, map[string]behaviour{
		"tend reaches the servers, and no other port of theirs": {values: withShepherd + `networkPolicy: {clients: []}`, want: func(t *testing.T, o chart.Objects) {
			policy := o.NetworkPolicy(t, chart.Fullname)
			assert.Contains(t, allowedTo(t, policy, "6333"), shepherd)
			for _, port := range []string{"6334", "6335", "6336", "6338"} {
				assert.NotContains(t, allowedTo(t, policy, port), shepherd, port)
			}
			var to []networkingv1.NetworkPolicyPeer
			for _, rule := range o.NetworkPolicy(t, tendPolicy).Spec.Egress {
				if slices.ContainsFunc(rule.Ports, func(p networkingv1.NetworkPolicyPort) bool { return p.Port.String() == "6333" }) {
					to = append(to, rule.To...)
				}
			}
			assert.Equal(t, []networkingv1.NetworkPolicyPeer{self}, to)
		}},
		"nobody reaches the sidecar's port": {values: withShepherd, want: func(t *testing.T, o chart.Objects) {
			// The kubelet asks it, which no policy keeps out. Whoever else could would have stops released, or counted.
			assert.Empty(t, allowedTo(t, o.NetworkPolicy(t, chart.Fullname), "6337"))
			for _, service := range []string{"q-qdrant", "q-qdrant-clients", "q-qdrant-headless", "q-shepherd"} {
				for _, port := range some.Of(t, o.Service(t, service).Spec.Ports) {
					assert.NotContains(t, []string{"watch", "6337"}, port.TargetPort.String(), service)
				}
			}
		}},
		"metrics are for those that may read them": {values: withShepherd, want: func(t *testing.T, o chart.Objects) {
			for _, name := range []string{chart.Fullname, tendPolicy} {
				assert.Equal(t, []networkingv1.NetworkPolicyPeer{monitoring}, allowedTo(t, o.NetworkPolicy(t, name), "6338"), name)
			}
		}},
		"and for nobody else": {values: withShepherd + `networkPolicy: {metrics: []}`, want: func(t *testing.T, o chart.Objects) {
			for _, name := range []string{chart.Fullname, tendPolicy} {
				assert.Empty(t, allowedTo(t, o.NetworkPolicy(t, name), "6338"), name)
			}
			assert.Empty(t, o.NetworkPolicy(t, tendPolicy).Spec.Ingress)
			assert.Contains(t, o.NetworkPolicy(t, tendPolicy).Spec.PolicyTypes, networkingv1.PolicyTypeIngress, "an empty list is nobody")
		}},
		"both reach the API server": {values: withShepherd, want: func(t *testing.T, o chart.Objects) {
			for _, name := range []string{chart.Fullname, tendPolicy} {
				rule := apiServer(t, o.NetworkPolicy(t, name))
				assert.Empty(t, rule.To, "its address is not known to the chart")
				assert.Equal(t, []string{"443", "6443"}, []string{rule.Ports[0].Port.String(), rule.Ports[1].Port.String()})
			}
		}},
		"its address is a value": {values: withShepherd + `networkPolicy: {apiServer: [{ipBlock: {cidr: 203.0.113.1/32}}]}`, want: func(t *testing.T, o chart.Objects) {
			for _, name := range []string{chart.Fullname, tendPolicy} {
				assert.Equal(t, []networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: "203.0.113.1/32"}}}, apiServer(t, o.NetworkPolicy(t, name)).To)
			}
		}},
		"DNS is asked where the peers ask": {values: withShepherd + `networkPolicy: {dns: [{namespaceSelector: {matchLabels: {dns: here}}}]}`, want: func(t *testing.T, o chart.Objects) {
			for _, name := range []string{chart.Fullname, tendPolicy} {
				assert.Equal(t, map[string]string{"dns": "here"}, o.NetworkPolicy(t, name).Spec.Egress[0].To[0].NamespaceSelector.MatchLabels)
			}
		}},
		"they can be turned off": {values: withShepherd + `networkPolicy: {enabled: false}`, want: func(t *testing.T, o chart.Objects) {
			assert.False(t, o.Has("NetworkPolicy", tendPolicy))
		}},
		"without shepherd there is no way to the API server": {want: func(t *testing.T, o chart.Objects) {
			for _, rule := range some.Of(t, o.NetworkPolicy(t, chart.Fullname).Spec.Egress) {
				for _, port := range some.Of(t, rule.Ports) { // a rule without ports opens all of them
					assert.NotContains(t, []string{"443", "6443"}, port.Port.String())
				}
			}
		}},
	})
}

// The pod that helm test runs is let in by its labels, and is no peer by them.
func TestHelmTestIsLetIn(t *testing.T) {
	t.Parallel()
	for _, values := range []string{``, withShepherd} {
		isLetIn(t, chart.Render(t, values+`networkPolicy: {clients: []}`))
	}
}

func isLetIn(t *testing.T, o chart.Objects) {
	t.Helper()
	allowed := allowedTo(t, o.NetworkPolicy(t, chart.Fullname), "6333")
	pod := o.Pod(t, "q-qdrant-test")
	assert.True(t, slices.ContainsFunc(allowed, func(peer networkingv1.NetworkPolicyPeer) bool {
		selector, err := metav1.LabelSelectorAsSelector(peer.PodSelector)
		require.NoError(t, err)
		return selector.Matches(labels.Set(pod.Labels))
	}))
}
