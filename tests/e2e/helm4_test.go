//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/release"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// TestHelm4: Given a release of two that Helm 3 installed and the autoscaler took to three; When Helm 4 upgrades it, as Helm 3 did and then
// by server-side apply, rolls it back and uninstalls it; Then the count is three throughout, the fields change hands as docs/operations/helm4.md says,
// no acknowledged write is lost, and the volumes stay.
func TestHelm4(t *testing.T) {
	c := requireCluster(t)
	if err := release.Require(release.Helm3, release.Helm4); err != nil {
		t.Skipf("SKIP: %v", err)
	}
	d := prepare(t, c)
	three, four := d.Using(t, release.Helm3), d.Using(t, release.Helm4)

	// An idle server never reaches the targets, and there are no more than three: whatever figures there are, the autoscaler rests.
	const on = "replicas: 2\nautoscaling: {enabled: true, minReplicas: 2, maxReplicas: 3}"
	step(t, "Helm 3 installs two", func() {
		three.Install(t, release.Chart, d.values(t, on))
		d.WaitReady(t, 2)
		d.awaitOneCluster(t, 2)
		d.requireOwners(t, []string{"helm Update"}, "spec", "template")
	})
	step(t, "the autoscaler makes it three", func() {
		scale := &autoscalingv1.Scale{
			ObjectMeta: metav1.ObjectMeta{Name: d.Fullname(), Namespace: d.namespace}, Spec: autoscalingv1.ScaleSpec{Replicas: 3},
		}
		_, err := c.AppsV1().StatefulSets(d.namespace).UpdateScale(t.Context(), d.Fullname(), scale, metav1.UpdateOptions{FieldManager: autoscaler})
		require.NoError(t, err)
		d.WaitReady(t, 3)
		d.awaitOneCluster(t, 3)
		d.requireOwners(t, []string{autoscaler + " Update scale"}, "spec", "replicas")
	})

	x := d.beginLedger(t, 2)
	step(t, "Helm 4 upgrades what Helm 3 made as Helm 3 would", func() {
		require.Equal(t, []int32{3}, d.replicasDuring(t, func() {
			four.Upgrade(t, release.Chart, d.values(t, on, "service: {annotations: {example.org/helm: four}}"))
		}))
		d.requireOwners(t, []string{"helm Update"}, "spec", "template")
	})
	changed := release.Values{Files: production, YAML: d.values(t, on, "performance: {maxSearchThreads: 2}").YAML, Args: []string{"--server-side=true"}}
	step(t, "Helm 4 goes over to server-side apply, with another setting", func() {
		require.Equal(t, []int32{3}, d.replicasDuring(t, func() {
			four.Upgrade(t, release.Chart, changed)
			x.awaitWhole(t, 3)
		}))
		d.requireOwners(t, []string{"helm Apply"}, "spec", "template")
		d.requireOwners(t, []string{"helm Apply", autoscaler + " Update scale"}, "spec", "replicas")
	})
	step(t, "a rollback to the time of two is refused, and leaves three", func() {
		require.Equal(t, []int32{3}, d.replicasDuring(t, func() {
			err := four.RollbackE(t, 1, "--server-side=true")
			require.ErrorContains(t, err, "conflict")
			require.ErrorContains(t, err, ".spec.replicas")
		}))
	})
	step(t, "a rollback to the time of three puts the setting back", func() {
		require.Equal(t, []int32{3}, d.replicasDuring(t, func() {
			four.Rollback(t, 2, "--server-side=true")
			x.awaitWhole(t, 3)
		}))
		d.requireOwners(t, []string{"helm Apply"}, "spec", "template")
	})
	x.requireNothingLost(t, 3)

	before := d.claims(t)
	step(t, "Helm 4 uninstalls it, and the volumes stay", func() {
		four.Uninstall(t)
		require.NoError(t, c.WaitPodsGone(t.Context(), d.namespace, d.Selector(), timeouts.PodGone))
		after := d.claims(t)
		for claim, uid := range before {
			if !strings.HasSuffix(claim, "-scratch") { // scratch space goes with its pod
				assert.Equal(t, uid, after[claim], claim)
			}
		}
	})
}

// autoscaler is the manager of fields that the autoscaler writes as.
const autoscaler = "kube-controller-manager"

// requireOwners wants just these managers for a field of the StatefulSet.
func (d *deployment) requireOwners(t *testing.T, want []string, path ...string) {
	t.Helper()
	set, err := d.cluster.AppsV1().StatefulSets(d.namespace).Get(t.Context(), d.Fullname(), metav1.GetOptions{})
	require.NoError(t, err)
	owners, err := k8s.Owners(set, path...)
	require.NoError(t, err)
	require.Equal(t, want, owners, "owners of %v", path)
}
