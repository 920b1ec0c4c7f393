//go:build controlplane

package controlplane

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/qdrant-shepherd/shepherd/internal/local/controlplane"
	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// settled is the window in which something must not happen. The controllers act within milliseconds of a change.
const settled = time.Second

// setup is a way to install the chart.
type setup struct {
	name, file string
	over       string // values over those of the file
	replicas   int32
}

var (
	development = setup{name: "development", file: "values-dev.yaml", replicas: 1}
	production  = setup{name: "production", file: "values-prod.yaml", replicas: 3}
	// fivePlain has nothing of shepherd's.
	fivePlain = setup{name: "five_without_shepherd", file: "values-prod.yaml", replicas: 5, over: `
replicas: 5
shepherd: {enabled: false}
guard: {enabled: false}
autoscaling: {enabled: false}
podAntiAffinity: none
zoneSpread: {mode: none}
`}
)

// with are the setup's values and more.
func (s setup) with(t *testing.T, more ...string) map[string]any {
	t.Helper()
	return scenario(t, s.file, slices.Concat([]string{s.over}, more)...)
}

// start installs it and waits until all pods are ready.
func (s setup) start(t *testing.T, more ...string) *deployment {
	t.Helper()
	d := install(t, namespace(t), "q", s.with(t, more...))
	d.awaitReady(t, s.replicas)
	return d
}

// eachSetup runs a test for several of them, side by side.
func eachSetup(t *testing.T, run func(t *testing.T, s setup), setups ...setup) {
	t.Helper()
	t.Parallel()
	for _, s := range setups {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			run(t, s)
		})
	}
}

// stuck makes pods that never become ready.
const stuck = "podAnnotations: {" + controlplane.HoldAnnotation + `: "yes"}`

// revised makes another pod template.
func revised(revision int) string { return fmt.Sprintf(`podAnnotations: {revision: "%d"}`, revision) }

// TestRollouts: an upgrade that changes the pods replaces them from the highest ordinal down, each when the one before it is back; one that
// does not change them touches none. At a pod that does not become ready it stops, and the next good upgrade, or a rollback, gets the
// release out of that by itself: Kubernetes waits for a stuck pod only where pods start in order (OrderedReady), which these do not.
func TestRollouts(t *testing.T) {
	eachSetup(t, func(t *testing.T, s setup) {
		d := s.start(t)
		all, highest := replaced(downFrom(s.replicas)...), int(s.replicas)-1
		rollout := func(do func() error) []string {
			return d.podsDuring(t, func() {
				require.NoError(t, do())
				d.awaitReady(t, s.replicas)
			})
		}
		assert.Equal(t, all, rollout(func() error { return d.upgrade(t, s.with(t, revised(1))) }))

		before := d.set(t)
		require.NoError(t, d.upgrade(t, s.with(t, revised(1), `service: {annotations: {owner: "somebody"}}`)))
		assert.Equal(t, before.Generation, d.set(t).Generation, "an annotation of a Service is nothing to the StatefulSet")

		for _, out := range []struct {
			name string
			do   func() error
			want []string
		}{
			{name: "a rollback replaces the stuck pod and no other", do: func() error { return d.helm.Rollback(d.name, 0) }, want: replaced(highest)},
			{name: "a good upgrade replaces the stuck pod first", do: func() error { return d.upgrade(t, s.with(t, revised(2))) }, want: all},
		} {
			w := d.watchPods(t)
			require.NoError(t, d.upgrade(t, s.with(t, stuck)))
			w.awaitOnly(t, unready(highest))
			assert.Equal(t, unready(highest), w.end(t), "no further than the stuck pod")
			assert.Equal(t, out.want, rollout(out.do), out.name)
		}
	}, development, production, fivePlain)
}

// TestPodsStartWithoutWaitingForEachOther: after the loss of all, each must come up for the others, in any order. So none of them is
// waited for, neither in an install nor when all were deleted; and an upgrade gets such a release going.
func TestPodsStartWithoutWaitingForEachOther(t *testing.T) {
	eachSetup(t, func(t *testing.T, s setup) {
		d := newDeployment(t, namespace(t), "q")
		w := d.watchPods(t)
		require.NoError(t, d.install(t, chart.Loaded(t), s.with(t, stuck)))
		var want []string
		for _, ordinal := range downFrom(s.replicas) {
			want = append(want, fmt.Sprintf("%d created", ordinal))
		}
		w.awaitInAnyOrder(t, want)

		for _, ordinal := range downFrom(s.replicas) {
			d.deletePod(t, ordinal)
			want = append(want, unready(ordinal)...)
		}
		w.awaitInAnyOrder(t, want)
		assert.Equal(t, sorted(want), sorted(w.end(t)))

		// None of them serves, so Kubernetes 1.37 waits for none either. Up to 1.36 it went by a rollout's order.
		assert.Equal(t, sorted(replaced(downFrom(s.replicas)...)), sorted(d.podsDuring(t, func() {
			require.NoError(t, d.upgrade(t, s.with(t)))
			d.awaitReady(t, s.replicas)
		})), "each of the pods that are stuck is replaced once")
	}, development, production)
}

// TestUpdateStrategies: what the chart's updateStrategy says is what happens, and each can follow any other in an upgrade.
func TestUpdateStrategies(t *testing.T) {
	t.Parallel()
	s := production
	d := s.start(t)
	strategy := func(t *testing.T, revision int, text string, want []string) {
		t.Helper()
		w := d.watchPods(t)
		require.NoError(t, d.upgrade(t, s.with(t, revised(revision), "updateStrategy: "+text)))
		w.awaitOnly(t, want)
		assert.Equal(t, want, w.end(t))
	}
	remake := func(t *testing.T, ordinal int) string {
		t.Helper()
		w := d.watchPods(t)
		d.deletePod(t, ordinal)
		w.awaitEvents(t, replaced(ordinal))
		assert.Equal(t, replaced(ordinal), w.end(t))
		return d.revisions(t)[ordinal]
	}

	t.Run("a_partition_holds_the_lower_ordinals_back", func(t *testing.T) {
		strategy(t, 1, "{partition: 2}", replaced(2))
		assert.Empty(t, remake(t, 0), "a pod below the partition comes back as it was")
		strategy(t, 1, "{partition: null}", replaced(1, 0))
	})
	t.Run("OnDelete_leaves_it_to_people", func(t *testing.T) {
		strategy(t, 2, "{type: OnDelete}", nil)
		assert.Equal(t, "2", remake(t, 1))
		assert.Equal(t, []string{"1", "2", "1"}, d.revisions(t))
	})
	t.Run("back_to_RollingUpdate_replaces_what_is_left", func(t *testing.T) {
		strategy(t, 2, "{type: RollingUpdate}", replaced(2, 0))
	})
	// Limits of Kubernetes where pods start side by side. Up to 1.36 a rollout did not wait for a pod that is down at a lower ordinal. From 1.37
	// on it begins with that pod, and as long as others of the old revision are above it, makes the next one by the old revision too, which it
	// deletes at once because it is not ready yet: the rollout does not end. Nothing else is touched, and a rollback ends it.
	t.Run("a_pod_that_is_down_at_a_lower_ordinal_is_not_waited_for", func(t *testing.T) {
		before := d.pods(t)
		d.failPod(t, 0)
		require.NoError(t, d.upgrade(t, s.with(t, revised(3), "updateStrategy: {}")))
		seen := map[types.UID]bool{}
		require.NoError(t, k8s.Poll(t.Context(), timeouts.Patience, "pod 0 to be replaced again and again", func(ctx context.Context) error {
			pod, err := suite.CoreV1().Pods(d.namespace).Get(ctx, d.pod(0), metav1.GetOptions{})
			if err != nil {
				return err
			}
			seen[pod.UID] = true
			if len(seen) < 4 {
				return fmt.Errorf("%d pods had the name", len(seen))
			}
			return nil
		}))
		require.NoError(t, d.helm.Rollback(d.name, 0))
		d.awaitReady(t, s.replicas)
		after := d.pods(t)
		for _, ordinal := range []int{1, 2} {
			assert.Equalf(t, before[ordinal].UID, after[ordinal].UID, "pod %d is the same", ordinal)
		}
		assert.Equal(t, []string{"2", "2", "2"}, d.revisions(t))
	})
}

// set is the release's StatefulSet.
func (d *deployment) set(t *testing.T) *appsv1.StatefulSet {
	t.Helper()
	set, err := suite.AppsV1().StatefulSets(d.namespace).Get(t.Context(), d.fullname(), metav1.GetOptions{})
	require.NoError(t, err)
	return set
}

// revisions are what revised has put on the pods, by ordinal.
func (d *deployment) revisions(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, pod := range d.pods(t) {
		found = append(found, pod.Annotations["revision"])
	}
	return found
}

// pod is the name of one.
func (d *deployment) pod(ordinal int) string { return fmt.Sprintf("%s-%d", d.fullname(), ordinal) }

func (d *deployment) deletePod(t *testing.T, ordinal int) {
	t.Helper()
	require.NoError(t, suite.CoreV1().Pods(d.namespace).Delete(t.Context(), d.pod(ordinal), metav1.DeleteOptions{}))
}

// failPod makes a pod not ready, as its kubelet would; it stays so until it is replaced.
func (d *deployment) failPod(t *testing.T, ordinal int) {
	t.Helper()
	_, err := suite.CoreV1().Pods(d.namespace).Patch(t.Context(), d.pod(ordinal), types.StrategicMergePatchType,
		[]byte(`{"status":{"conditions":[{"type":"Ready","status":"False"}]}}`), metav1.PatchOptions{}, "status")
	require.NoError(t, err)
}
