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
			for _, port := range egress[0].Ports {
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

// The pod that helm test runs is let in by its labels, and is no peer by them.
func TestHelmTestIsLetIn(t *testing.T) {
	t.Parallel()
	o := chart.Render(t, `networkPolicy: {clients: []}`)
	allowed := allowedTo(t, o.NetworkPolicy(t, chart.Fullname), "6333")
	pod := o.Pod(t, "q-qdrant-test")
	assert.True(t, slices.ContainsFunc(allowed, func(peer networkingv1.NetworkPolicyPeer) bool {
		selector, err := metav1.LabelSelectorAsSelector(peer.PodSelector)
		require.NoError(t, err)
		return selector.Matches(labels.Set(pod.Labels))
	}))
}
