//go:build e2e

package e2e

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/tests/internal/evidence"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/release"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// testNetworkPolicy: Given a release behind its network policy; When pods of each kind knock at each port; Then each gets in where it
// has business, and nowhere else.
func testNetworkPolicy(t *testing.T, d *deployment) {
	c := d.cluster
	requireNetworkPolicy(t, c)
	pods := d.Pods(t)
	target := pods[0].Status.PodIP
	ports := []string{"6333", "6334", "6335", "6336"}
	targets := make([]string, len(ports))
	for i, port := range ports {
		targets[i] = net.JoinHostPort(target, port)
	}
	reached := func(answers map[string]bool) (open []string) {
		for i, port := range ports {
			if answers[targets[i]] {
				open = append(open, port)
			}
		}
		return open
	}

	monitoring := c.Namespace(t)
	evidence.OnFailure(t, c, monitoring)
	for _, test := range []struct {
		name, namespace string
		labels          map[string]string
		open            []string
	}{
		{"clients_reach_rest_and_grpc", d.namespace, map[string]string{"qdrant-client": "true"}, []string{"6333", "6334"}},
		{"other_pods_of_the_namespace_reach_nothing", d.namespace, nil, nil},
		{"other_namespaces_reach_nothing", monitoring, map[string]string{"qdrant-client": "true"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			answers, err := c.Reach(t.Context(), test.namespace, k8s.PodOptions{Image: c.ProbeImage, Labels: test.labels}, targets...)
			require.NoError(t, err)
			assert.Equal(t, test.open, reached(answers))
		})
	}

	t.Run("prometheus_reaches_the_metrics_alone", func(t *testing.T) {
		// The values name the namespace by the label that every namespace has; "monitoring" is the documented default.
		_, err := c.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "monitoring"}}, metav1.CreateOptions{})
		require.NoError(t, err)
		defer func() { require.NoError(t, c.DeleteNamespace(t.Context(), "monitoring")) }()
		answers, err := c.Reach(t.Context(), "monitoring", k8s.PodOptions{Image: c.ProbeImage}, targets...)
		require.NoError(t, err)
		assert.Equal(t, []string{"6336"}, reached(answers))
	})

	t.Run("peers_reach_rest_and_p2p_of_each_other", func(t *testing.T) {
		answers, err := c.ReachFrom(t.Context(), d.namespace, pods[1].Name, targets...)
		require.NoError(t, err)
		assert.Equal(t, []string{"6333", "6335"}, reached(answers))
	})

	t.Run("peers_reach_dns_and_what_further_egress_allows", func(t *testing.T) {
		// The API server is open to every pod; so is a port of a pod that no policy selects.
		api, err := c.CoreV1().Services("default").Get(t.Context(), "kubernetes", metav1.GetOptions{})
		require.NoError(t, err)
		dns, err := c.CoreV1().Services("kube-system").Get(t.Context(), "kube-dns", metav1.GetOptions{})
		require.NoError(t, err)
		toAPI, toDNS := net.JoinHostPort(api.Spec.ClusterIP, "443"), net.JoinHostPort(dns.Spec.ClusterIP, "53")
		answers, err := c.ReachFrom(t.Context(), d.namespace, pods[1].Name, toAPI, toDNS)
		require.NoError(t, err)
		assert.Equal(t, map[string]bool{toAPI: false, toDNS: true}, answers)
		// The same address is open to a pod without the policy, so it is the policy that refuses.
		open, err := c.Reach(t.Context(), d.namespace, k8s.PodOptions{Image: c.ProbeImage}, toAPI)
		require.NoError(t, err)
		assert.True(t, open[toAPI])

		// The same port as a Service has it, and as the API server does.
		d.Upgrade(t, release.Chart, d.values(t, `networkPolicy: {extraEgress: [{ports: [{port: 443, protocol: TCP}, {port: 6443, protocol: TCP}]}]}`))
		require.NoError(t, k8s.Poll(t.Context(), timeouts.PolicyInForce, "further egress in force", func(ctx context.Context) error {
			answers, err := c.ReachFrom(ctx, d.namespace, pods[1].Name, toAPI)
			if err == nil && !answers[toAPI] {
				err = errors.New("refused")
			}
			return err
		}))
	})
}
