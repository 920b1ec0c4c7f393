package render

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
)

func TestPodDisruptionBudget(t *testing.T) {
	t.Parallel()
	behaves(t, map[string]behaviour{
		"three peers allow one eviction": {want: func(t *testing.T, o chart.Objects) {
			spec := o.PodDisruptionBudget(t, chart.Fullname).Spec
			assert.Equal(t, ptr.To(intstr.FromInt32(1)), spec.MaxUnavailable)
			assert.Nil(t, spec.MinAvailable)
			assert.Equal(t, ptr.To(policyv1.IfHealthyBudget), spec.UnhealthyPodEvictionPolicy)
		}},
		"none is a value": {values: `pdb: {maxUnavailable: 0}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, ptr.To(intstr.FromInt32(0)), o.PodDisruptionBudget(t, chart.Fullname).Spec.MaxUnavailable)
		}},
		"drains need not wait for the unhealthy": {values: `pdb: {unhealthyPodEvictionPolicy: AlwaysAllow}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, ptr.To(policyv1.AlwaysAllow), o.PodDisruptionBudget(t, chart.Fullname).Spec.UnhealthyPodEvictionPolicy)
		}},
		"it can be turned off": {values: `pdb: {enabled: false}`, want: func(t *testing.T, o chart.Objects) {
			assert.False(t, o.Has("PodDisruptionBudget", chart.Fullname))
		}},
		"turned off, its number does not matter": {values: `pdb: {enabled: false, maxUnavailable: 3}`, want: func(t *testing.T, o chart.Objects) {
			assert.False(t, o.Has("PodDisruptionBudget", chart.Fullname))
		}},
	})
}

// A majority of n peers must stay: (n - 1) / 2 may be away. One and two peers stand no loss, and there a budget of 1 is let
// through, for refusing every eviction would only stop node drains.
func TestQuorumBoundsTheBudget(t *testing.T) {
	t.Parallel()
	for peers, most := range map[int]int{1: 1, 2: 1, 3: 1, 4: 1, 5: 2, 6: 2, 7: 3} {
		t.Run(fmt.Sprintf("%d_peers", peers), func(t *testing.T) {
			t.Parallel()
			values := func(away int) string {
				return fmt.Sprintf("{replicas: %d, collection: {replicationFactor: %d}, pdb: {maxUnavailable: %d}}", peers, peers, away)
			}
			o := chart.Render(t, values(most))
			assert.Equal(t, most, o.PodDisruptionBudget(t, chart.Fullname).Spec.MaxUnavailable.IntValue())
			err := chart.RenderErr(t, values(most+1))
			require.ErrorContains(t, err, "pdb.maxUnavailable: ")
			assert.ErrorContains(t, err, fmt.Sprintf("set it to %d or less", most))
		})
	}
}

// Peers that go at once may hold all copies of a shard, however many peers there are.
func TestCopiesBoundTheBudget(t *testing.T) {
	t.Parallel()
	for copies, most := range map[int]int{1: 1, 2: 1, 3: 2, 4: 3, 7: 3} {
		values := func(away int) string {
			return fmt.Sprintf("{replicas: 7, collection: {replicationFactor: %d}, pdb: {maxUnavailable: %d}}", copies, away)
		}
		chart.Render(t, values(most))
		assert.ErrorContains(t, chart.RenderErr(t, values(most+1)), fmt.Sprintf("set it to %d or less", most))
	}
}

// The autoscaler may take the release down to its least, so that is what the budget is held against.
func TestQuorumOfAnAutoscaledReleaseIsThatOfItsLeast(t *testing.T) {
	t.Parallel()
	const values = `{replicas: 5, collection: {replicationFactor: 3}, pdb: {maxUnavailable: 2}, autoscaling: {enabled: true, minReplicas: %d}}`
	chart.Render(t, fmt.Sprintf(values, 5))
	assert.ErrorContains(t, chart.RenderErr(t, fmt.Sprintf(values, 3)), "pdb.maxUnavailable: with 2 of 3 peers down")
}
