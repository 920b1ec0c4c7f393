// Package render tests what the chart makes of values: Helm runs as a library, so neither a cluster nor a helm binary is needed.
// Every render is decoded strictly and held to the invariants of tests/internal/chart; the tests here say what is to be seen in it.
package render

import (
	"io"
	"log"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
)

func TestMain(m *testing.M) {
	// Helm's library warns of each value that the tests mistype on purpose.
	log.SetOutput(io.Discard)
	// A thousand renders make much garbage and keep none of it: collecting it less often halves the time.
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// each runs a table whose keys are the sentences. A table without cases would pass for ever, so it fails.
func each[C any](t *testing.T, cases map[string]C, run func(t *testing.T, c C)) {
	t.Helper()
	require.NotEmpty(t, cases, "the table is empty")
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			run(t, cases[name])
		})
	}
}

// behaviour is values and what is to be seen of them.
type behaviour struct {
	values  string
	options []chart.Option
	want    func(t *testing.T, o chart.Objects)
}

func behaves(t *testing.T, cases map[string]behaviour) {
	t.Helper()
	each(t, cases, func(t *testing.T, c behaviour) {
		c.want(t, chart.Render(t, c.values, c.options...))
	})
}

// refusal is values that must not be installed, and what the message has to say: the key, and what to do.
type refusal struct {
	values  string
	options []chart.Option
	// live is what the cluster has at an upgrade; nil stands for no cluster at all.
	live []metav1.Object
	want []string
}

func (r refusal) err(t *testing.T) error {
	t.Helper()
	options := r.options
	if r.live != nil {
		options = append(slices.Clone(options), chart.Live(t, r.live...), chart.Upgrade())
	}
	return chart.RenderErr(t, r.values, options...)
}

func refuses(t *testing.T, cases map[string]refusal) {
	t.Helper()
	each(t, cases, func(t *testing.T, c refusal) {
		require.NotEmpty(t, c.want, "the case expects no message")
		err := c.err(t)
		for _, want := range c.want {
			assert.ErrorContains(t, err, want)
		}
	})
}

// everything is for a cluster of both address families.
var everything = chart.Everything(chart.EverythingIn{StorageClass: "qdrant-fast", IPFamilies: []string{"IPv4", "IPv6"}})

func TestEverythingAtOnceStillHolds(t *testing.T) {
	t.Parallel()
	o := chart.Render(t, everything)
	assert.Equal(t, []string{
		"ClusterRole/qdrant-test.q-shepherd", "ClusterRoleBinding/qdrant-test.q-shepherd",
		"ConfigMap/more", "ConfigMap/q-qdrant", "ConfigMap/q-qdrant-dashboards", "ConfigMap/q-shepherd", "Deployment/q-shepherd",
		"GRPCRoute/q-qdrant", "HTTPRoute/q-qdrant", "HorizontalPodAutoscaler/q-qdrant", "Ingress/q-qdrant", "Lease/q-qdrant-stop", "Lease/q-shepherd",
		"NetworkPolicy/q-qdrant", "NetworkPolicy/q-shepherd", "Pod/q-qdrant-test", "PodDisruptionBudget/q-qdrant", "PrometheusRule/q-qdrant",
		"Role/q-qdrant-pod", "Role/q-shepherd", "RoleBinding/q-qdrant-pod", "RoleBinding/q-shepherd",
		"Service/q-qdrant", "Service/q-qdrant-clients", "Service/q-qdrant-headless", "Service/q-qdrant-lb", "Service/q-shepherd",
		"ServiceAccount/q-qdrant", "ServiceAccount/q-shepherd", "ServiceMonitor/q-qdrant", "ServiceMonitor/q-shepherd",
		"StatefulSet/q-qdrant", "StorageClass/qdrant-fast",
		"ValidatingAdmissionPolicy/qdrant-test.q-qdrant", "ValidatingAdmissionPolicy/qdrant-test.q-qdrant.keeper",
		"ValidatingAdmissionPolicyBinding/qdrant-test.q-qdrant", "ValidatingAdmissionPolicyBinding/qdrant-test.q-qdrant.keeper",
	}, o.IDs())
}

func TestDefaultObjects(t *testing.T) {
	t.Parallel()
	o := chart.Render(t, ``)
	assert.Equal(t, []string{
		"ConfigMap/q-qdrant", "NetworkPolicy/q-qdrant", "Pod/q-qdrant-test", "PodDisruptionBudget/q-qdrant",
		"Service/q-qdrant", "Service/q-qdrant-clients", "Service/q-qdrant-headless", "ServiceAccount/q-qdrant", "StatefulSet/q-qdrant",
	}, o.IDs(), "what needs anything that is not in every cluster is off by default")
}
