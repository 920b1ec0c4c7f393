//go:build controlplane

package controlplane

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/qdrant-shepherd/shepherd/internal/local/controlplane"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// TestABudgetLetsNoMorePodsGoThanItSays: Given a budget, and pods that take their time to stop, as those do that shepherd drains; When
// one after the other is evicted; Then as many may go as the budget says, the next is refused, and when they are back it may go.
func TestABudgetLetsNoMorePodsGoThanItSays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file, values string
		replicas     int
		allowed      int
		none         bool // there is no budget
	}{
		"production":         {file: "values-prod.yaml", replicas: 3, allowed: 1},
		"one_pod":            {file: "values-dev.yaml", values: `pdb: {enabled: true}`, replicas: 1, allowed: 1},
		"a_budget_of_two":    {file: "values-dev.yaml", values: `{replicas: 5, collection: {replicationFactor: 3}, pdb: {enabled: true, maxUnavailable: 2}}`, replicas: 5, allowed: 2},
		"a_budget_of_nobody": {file: "values-dev.yaml", values: `{replicas: 2, pdb: {enabled: true, maxUnavailable: 0}}`, replicas: 2, allowed: 0},
		"no_budget":          {file: "values-dev.yaml", values: `replicas: 2`, replicas: 2, allowed: 2, none: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := install(t, namespace(t), "q", scenario(t, c.file, `guard: {enabled: false}`, c.values))
			d.awaitReady(t, int32(c.replicas))
			awaitBudget := d.awaitBudget
			if c.none {
				awaitBudget = d.requireNoBudget
			}
			awaitBudget(t, c.replicas, c.replicas, c.allowed)
			pods := d.pods(t)
			for _, pod := range pods {
				d.patchPod(t, pod.Name, fmt.Sprintf(`{"metadata":{"annotations":{%q:"true"}}}`, controlplane.LingerAnnotation))
			}

			for _, pod := range pods[:c.allowed] {
				require.NoError(t, suite.Evict(t.Context(), d.namespace, pod.Name))
			}
			for _, pod := range pods[c.allowed:] {
				err := suite.Evict(t.Context(), d.namespace, pod.Name)
				require.Truef(t, k8s.Refused(err), "%s, with %d away: %v", pod.Name, c.allowed, err)
			}
			awaitBudget(t, c.replicas, c.replicas-c.allowed, 0)

			for _, pod := range pods[:c.allowed] {
				d.endPod(t, pod.Name)
				_, err := suite.WaitPodReplaced(t.Context(), d.namespace, pod.Name, pod.UID, timeouts.Patience)
				require.NoError(t, err)
			}
			awaitBudget(t, c.replicas, c.replicas, c.allowed)
			last := pods[c.replicas-1].Name // one that was refused, where any was
			assert.Equal(t, c.allowed == 0, k8s.Refused(suite.Evict(t.Context(), d.namespace, last)))
		})
	}
}

// TestAnUnreadyPodMayGoAsItsPolicySays: Given pods that are not ready, so that the budget is used up; When they and the others are
// to be evicted; Then no ready one is, and an unready one is while enough others are ready, or always, as pdb.unhealthyPodEvictionPolicy says.
func TestAnUnreadyPodMayGoAsItsPolicySays(t *testing.T) {
	t.Parallel()
	const always = `pdb: {enabled: true, unhealthyPodEvictionPolicy: AlwaysAllow}`
	// decisions are whether a ready and an unready pod may go, by how many are unready.
	type decisions map[int][2]bool
	for name, c := range map[string]struct {
		file      string
		replicas  int
		ifHealthy decisions
		always    decisions
	}{
		// With one of three unready two are ready, which is enough: it may go. It is left alone when another one is away, too.
		"production": {
			file: "values-prod.yaml", replicas: 3,
			ifHealthy: decisions{0: {true, false}, 1: {false, true}, 2: {false, false}, 3: {false, false}},
			always:    decisions{0: {true, false}, 1: {false, true}, 2: {false, true}, 3: {false, true}},
		},
		// Nobody else could be ready, so a broken pod blocks the drain of its node.
		"one_pod": {
			file: "values-dev.yaml", replicas: 1,
			ifHealthy: decisions{0: {true, false}, 1: {false, false}},
			always:    decisions{0: {true, false}, 1: {false, true}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := install(t, namespace(t), "q", scenario(t, c.file, `{guard: {enabled: false}, pdb: {enabled: true}}`))
			d.awaitReady(t, int32(c.replicas))
			decide := func() decisions {
				got := decisions{}
				for unready := range c.replicas + 1 {
					d.setReady(t, c.replicas-unready)
					d.awaitBudget(t, c.replicas, c.replicas-unready, max(0, 1-unready))
					// Of the ready ones, and of the others: what the API server says of the first it must say of each.
					var said [2][]bool
					for _, pod := range d.pods(t) {
						of := 1
						if k8s.Ready(&pod) {
							of = 0
						}
						said[of] = append(said[of], d.mayGo(t, pod.Name))
					}
					require.Len(t, said[1], unready)
					var may [2]bool
					for of, answers := range said {
						may[of] = len(answers) > 0 && answers[0]
						assert.Len(t, slices.Compact(answers), min(len(answers), 1), "with %d unready, of pods alike some may go and some may not", unready)
					}
					got[unready] = may
				}
				return got
			}
			assert.Equal(t, c.ifHealthy, decide(), "IfHealthyBudget, the chart's default")
			require.NoError(t, d.upgrade(t, scenario(t, c.file, `guard: {enabled: false}`, always)))
			assert.Equal(t, c.always, decide(), "AlwaysAllow")
		})
	}
}

// awaitBudget waits until the disruption controller counts so many pods in all, so many of them healthy, and lets so many go.
func (d *deployment) awaitBudget(t *testing.T, pods, healthy, allowed int) {
	t.Helper()
	want := fmt.Sprintf("%d of %d healthy, %d may go", healthy, pods, allowed)
	require.NoError(t, k8s.Poll(t.Context(), timeouts.Patience, "a budget with "+want, func(ctx context.Context) error {
		budget, err := suite.PolicyV1().PodDisruptionBudgets(d.namespace).Get(ctx, d.fullname(), metav1.GetOptions{})
		if err != nil {
			return err
		}
		s := budget.Status
		if got := fmt.Sprintf("%d of %d healthy, %d may go", s.CurrentHealthy, s.ExpectedPods, s.DisruptionsAllowed); got != want || s.ObservedGeneration != budget.Generation {
			return fmt.Errorf("it has %s, at generation %d of %d", got, s.ObservedGeneration, budget.Generation)
		}
		return nil
	}))
}

// requireNoBudget is awaitBudget where there is nothing to wait for.
func (d *deployment) requireNoBudget(t *testing.T, _, _, _ int) {
	t.Helper()
	_, err := suite.PolicyV1().PodDisruptionBudgets(d.namespace).Get(t.Context(), d.fullname(), metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
}

// mayGo asks whether a pod could be evicted, and leaves it where it is.
func (d *deployment) mayGo(t *testing.T, pod string) bool {
	t.Helper()
	err := suite.PolicyV1().Evictions(d.namespace).Evict(t.Context(), &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Namespace: d.namespace, Name: pod},
		DeleteOptions: &metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}},
	})
	if !k8s.Refused(err) {
		require.NoError(t, err)
	}
	return err == nil
}

// setReady makes the first n pods ready and the others not, as their kubelets would.
func (d *deployment) setReady(t *testing.T, n int) {
	t.Helper()
	for i, pod := range d.pods(t) {
		status := corev1.ConditionTrue
		if i >= n {
			status = corev1.ConditionFalse
		}
		d.patchPod(t, pod.Name, fmt.Sprintf(`{"status":{"conditions":[{"type":"Ready","status":%q}]}}`, status), "status")
	}
}

func (d *deployment) patchPod(t *testing.T, name, patch string, subresources ...string) {
	t.Helper()
	_, err := suite.CoreV1().Pods(d.namespace).Patch(t.Context(), name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, subresources...)
	require.NoError(t, err)
}

// endPod takes a pod away for good, as its kubelet does when all has stopped.
func (d *deployment) endPod(t *testing.T, name string) {
	t.Helper()
	require.NoError(t, suite.CoreV1().Pods(d.namespace).Delete(t.Context(), name, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}))
}
