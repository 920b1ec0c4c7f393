//go:build e2e

package e2e

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/qdrant-shepherd/shepherd/tests/internal/release"
)

// TestAdoption: Given a release of the official chart with data (its objects, names and claims are in testdata/official); When it is
// migrated as docs/operations/adopt-official-chart.md says, with clients that never pause; Then the pods are replaced one by one on the same volumes, the
// peers learn each other's full names, nothing is lost, and no request fails once it is tried again.
func TestAdoption(t *testing.T) {
	t.Parallel()
	c := requireCluster(t)
	d := prepare(t, c)
	// The official release of this test has no key; adding one is a second step, when all peers are of this chart.
	d.keys["api-key"] = ""
	step(t, "the official release", func() {
		d.Install(t, "tests/e2e/testdata/official", release.Values{})
		d.WaitReady(t, 3)
		d.awaitOneCluster(t, 3)
	})
	x := d.beginLedger(t, 2)
	before := d.claims(t)

	// As the official chart has it by default: snapshots on an emptyDir. The claim templates are then the same, and the StatefulSet
	// controller replaces the pods that it takes over by itself.
	adopted := []string{d.clients(t), `
resources: {requests: {cpu: 100m, memory: 256Mi}, limits: {memory: 1Gi}}
persistence:
  data: {size: 1Gi}
  snapshots: {enabled: false, size: 1Gi}
  scratch: {size: 1Gi}
`}
	step(t, "kubectl delete statefulset --cascade=orphan", func() { d.orphanPods(t) })
	step(t, "helm upgrade to this chart", func() {
		d.Upgrade(t, release.Chart, release.Values{YAML: adopted})
		x.awaitWhole(t, 3)
	})

	// A volume for snapshots is a new claim template; pods that lack it are replaced only by hand, one by one. From the lowest ordinal up:
	// the StatefulSet controller tries to give each pod its claims in that order, and stops at the first that it can't change.
	step(t, "a volume for snapshots", func() {
		d.orphanPods(t)
		d.Upgrade(t, release.Chart, release.Values{YAML: append(adopted, "persistence: {snapshots: {enabled: true}}")})
		for _, pod := range d.Pods(t) {
			d.replace(t, pod)
			d.awaitActive(t, x.collection, 2)
		}
	})
	x.requireNothingLost(t, 3)

	after := d.claims(t)
	for name, uid := range before {
		assert.Equalf(t, uid, after[name], "the volume %s is the same", name)
	}
	for _, peer := range d.peers(t) {
		view, err := peer.Client.Cluster(t.Context())
		require.NoError(t, err)
		require.Lenf(t, view.Peers, 3, "peers that %s knows", peer.Name)
		for _, known := range view.Peers {
			assert.Containsf(t, known.URI, ".svc.cluster.local:6335", "%s knows peer %s by its full name", peer.Name, known.ID)
		}
	}
}

// claims are the uids of the claims of the release's StatefulSet, by name.
func (d *deployment) claims(t *testing.T) map[string]types.UID {
	t.Helper()
	list, err := d.cluster.CoreV1().PersistentVolumeClaims(d.namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	claims := map[string]types.UID{}
	for _, claim := range list.Items {
		claims[claim.Name] = claim.UID
	}
	require.NotEmpty(t, claims)
	return claims
}
