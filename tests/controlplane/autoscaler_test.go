//go:build controlplane

package controlplane

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/qdrant-shepherd/shepherd/internal/shepherd/tend"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/metricsapi"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// metrics is the cluster's metrics server. There can be one only, so the first test that needs it makes it.
var metrics = sync.OnceValues(func() (*metricsapi.Server, error) {
	server := metricsapi.Start(suite)
	return server, server.Register(context.Background(), suite.Dynamic)
})

// The chart's own windows are half hours: right for a cluster that moves its data, too long to watch.
const (
	quick = `
autoscaling:
  scaleUp: {pods: 3, periodSeconds: 2, stabilizationWindowSeconds: 4}
  scaleDown: {pods: 2, periodSeconds: 2, stabilizationWindowSeconds: 4}
`
	window, period = 4 * time.Second, 2 * time.Second
	// waited is how much of a window has to be seen. It began with the autoscaler's look before the load changed, a second ago or two.
	waited = window / 2
	// least and most are the bounds of values-prod.
	least, most int32 = 3, 10
)

// What a pod of values-prod can use: it asks for one processor and 4Gi, and the targets are 70 and 320 percent.
var (
	busy  = server("2", "1Gi")
	calm  = server("100m", "1Gi")
	even  = server("700m", "1Gi")
	large = server("100m", "20Gi")
)

// TestTheAutoscalerFollowsTheLoad: Given a release of values-prod, with windows of seconds; When load comes, figures fail, an upgrade
// comes in between, the load goes and the release is uninstalled; Then it grows from three to ten and shrinks back to three, by the steps
// and after the windows that the values say, and nothing else ever changes the count.
func TestTheAutoscalerFollowsTheLoad(t *testing.T) {
	t.Parallel()
	d := install(t, namespace(t), "q", scenario(t, "values-prod.yaml"))
	requireDefaults(t, d.autoscaler(t).Spec)
	require.NoError(t, d.upgrade(t, scenario(t, "values-prod.yaml", quick)))
	d.awaitReady(t, least)
	record, err := suite.WatchReplicas(t.Context(), d.namespace, d.fullname())
	require.NoError(t, err)

	for _, phase := range []struct {
		name  string
		proof func(*testing.T)
	}{
		{"what_runs_beside_the_server_is_not_counted", func(t *testing.T) {
			d.use(t, func(pod *corev1.Pod) map[string]corev1.ResourceList {
				used := even(pod)
				used["shepherd"] = busy(pod)["qdrant"]
				return used
			})
			d.awaitAutoscaler(t, "no wish to change", unmoved(least, 70))
		}},
		{"it_grows_when_the_load_lasts", func(t *testing.T) {
			begin := time.Now()
			d.use(t, busy)
			awaitReplicas(t, record, 4, most)
			assert.GreaterOrEqual(t, time.Since(begin), waited)
		}},
		{"without_figures_nothing_changes", func(t *testing.T) {
			d.use(t, nil)
			d.awaitAutoscaler(t, "no figures", func(hpa *autoscalingv2.HorizontalPodAutoscaler) error {
				return condition(hpa, autoscalingv2.ScalingActive, corev1.ConditionFalse, "FailedGetContainerResourceMetric")
			})
		}},
		{"an_upgrade_leaves_the_count", func(t *testing.T) {
			before := record.Values()
			require.NoError(t, d.upgrade(t, scenario(t, "values-prod.yaml", quick, `commonAnnotations: {upgraded: "true"}`)))
			d.awaitReady(t, replicas(record))
			assert.Equal(t, before, record.Values())
		}},
		{"figures_of_a_few_pods_change_nothing", func(t *testing.T) {
			now := replicas(record)
			d.use(t, ofOrdinalsBelow(2, server("1400m", "1Gi")))
			d.awaitAutoscaler(t, "the load of two pods alone is not enough", unmoved(now, 140))
			d.use(t, ofOrdinalsBelow(2, calm))
			d.awaitAutoscaler(t, "nor is their calm", unmoved(now, 10))
			assert.Equal(t, now, replicas(record))
		}},
		{"it_grows_to_ten_and_no_further", func(t *testing.T) {
			d.use(t, busy)
			awaitReplicas(t, record, most, most)
			d.awaitReady(t, most)
			d.awaitAutoscaler(t, "it wants more", func(hpa *autoscalingv2.HorizontalPodAutoscaler) error {
				return condition(hpa, autoscalingv2.ScalingLimited, corev1.ConditionTrue, "TooManyReplicas")
			})
		}},
		{"it_wants_to_shrink_when_the_calm_lasts_and_the_guard_holds_it", func(t *testing.T) {
			d.tell(t, tend.Guard{MinReplicas: 2, Reason: "shards are not whole: one of a test"})
			begin := time.Now()
			d.use(t, calm)
			d.awaitAutoscaler(t, "refused", func(hpa *autoscalingv2.HorizontalPodAutoscaler) error {
				return condition(hpa, autoscalingv2.AbleToScale, corev1.ConditionFalse, "FailedUpdateScale")
			})
			assert.GreaterOrEqual(t, time.Since(begin), waited)
			assert.Equal(t, most, replicas(record))
		}},
		{"it_shrinks_to_three_when_all_is_whole", func(t *testing.T) {
			begin := time.Now()
			d.tell(t, tend.Guard{MinReplicas: 2, Whole: true})
			awaitReplicas(t, record, least, least)
			assert.GreaterOrEqual(t, time.Since(begin), 3*period, "10, 8, 6, 4, 3: three waits between four steps")
			d.awaitAutoscaler(t, "it wants less", func(hpa *autoscalingv2.HorizontalPodAutoscaler) error {
				return condition(hpa, autoscalingv2.ScalingLimited, corev1.ConditionTrue, "TooFewReplicas")
			})
			d.awaitReady(t, least)
		}},
		{"nothing_brings_back_what_is_uninstalled", func(t *testing.T) {
			d.use(t, busy)
			awaitReplicas(t, record, 4, most)
			require.NoError(t, d.helm.Uninstall(d.name))
			require.NoError(t, suite.WaitPodsGone(t.Context(), d.namespace, k8s.Selector(d.name), timeouts.Patience))
			_, err := suite.AutoscalingV2().HorizontalPodAutoscalers(d.namespace).Get(t.Context(), d.fullname(), metav1.GetOptions{})
			assert.True(t, apierrors.IsNotFound(err), "%v", err)
		}},
	} {
		require.True(t, t.Run(phase.name, phase.proof)) // each goes on where the one before it ended
	}
	values, err := record.Stop(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(values), 10)
	assert.Equal(t, []int32{3, 6, 9, 10, 8, 6, 4, 3, 6}, values[:9])
	assert.Equal(t, k8s.Deleted, values[len(values)-1])
}

// TestWithoutShepherdTheAutoscalerOnlyGrows: Given a release that nothing drains; When its memory fills and empties again; Then it grows,
// and stays as it is however much the autoscaler would like to shrink it.
func TestWithoutShepherdTheAutoscalerOnlyGrows(t *testing.T) {
	t.Parallel()
	d := install(t, namespace(t), "q", scenario(t, "values-prod.yaml", quick, `{shepherd: {enabled: false}, guard: {enabled: false}}`))
	d.awaitReady(t, least)
	record, err := suite.WatchReplicas(t.Context(), d.namespace, d.fullname())
	require.NoError(t, err)
	d.use(t, large)
	awaitReplicas(t, record, 4, most)
	d.use(t, calm)
	d.awaitAutoscaler(t, "kept from shrinking", func(hpa *autoscalingv2.HorizontalPodAutoscaler) error {
		return condition(hpa, autoscalingv2.ScalingLimited, corev1.ConditionTrue, "ScaleDownLimit")
	})
	values, err := record.Stop(t.Context())
	require.NoError(t, err)
	assert.IsNonDecreasing(t, values)
}

// requireDefaults holds what the server has stored of values-prod against the documentation of its values, `autoscaling.*`.
func requireDefaults(t *testing.T, spec autoscalingv2.HorizontalPodAutoscalerSpec) {
	t.Helper()
	slowly := func(window, period int32) *autoscalingv2.HPAScalingRules {
		return &autoscalingv2.HPAScalingRules{
			StabilizationWindowSeconds: ptr.To(window),
			SelectPolicy:               ptr.To(autoscalingv2.MaxChangePolicySelect),
			Policies:                   []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PodsScalingPolicy, Value: 1, PeriodSeconds: period}},
		}
	}
	percent := func(name corev1.ResourceName, of int32) autoscalingv2.MetricSpec {
		return autoscalingv2.MetricSpec{
			Type: autoscalingv2.ContainerResourceMetricSourceType,
			ContainerResource: &autoscalingv2.ContainerResourceMetricSource{
				Name: name, Container: "qdrant",
				Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: ptr.To(of)},
			},
		}
	}
	require.Equal(t, autoscalingv2.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "q-qdrant"},
		MinReplicas:    ptr.To(least), MaxReplicas: most,
		Metrics:  []autoscalingv2.MetricSpec{percent(corev1.ResourceCPU, 70), percent(corev1.ResourceMemory, 320)},
		Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: slowly(120, 300), ScaleDown: slowly(1800, 900)},
	}, spec)
}

// server is what the server's container of every pod uses.
func server(processors, memory string) metricsapi.Usage {
	return func(*corev1.Pod) map[string]corev1.ResourceList {
		return map[string]corev1.ResourceList{"qdrant": {
			corev1.ResourceCPU: resource.MustParse(processors), corev1.ResourceMemory: resource.MustParse(memory),
		}}
	}
}

// ofOrdinalsBelow leaves out the other pods, as if the metrics server had not seen them yet.
func ofOrdinalsBelow(n int, usage metricsapi.Usage) metricsapi.Usage {
	return func(pod *corev1.Pod) map[string]corev1.ResourceList {
		for ordinal := range n {
			if pod.Name == fmt.Sprintf("q-qdrant-%d", ordinal) {
				return usage(pod)
			}
		}
		return nil
	}
}

// use says what the release's pods use from now on.
func (d *deployment) use(t *testing.T, usage metricsapi.Usage) {
	t.Helper()
	server, err := metrics()
	require.NoError(t, err)
	server.Set(d.namespace, usage)
}

// tell writes what tend would into its ConfigMap.
func (d *deployment) tell(t *testing.T, guard tend.Guard) {
	t.Helper()
	patch := fmt.Appendf(nil, `{"data":{%q:"%d",%q:"%t",%q:%q}}`,
		tend.KeyMinReplicas, guard.MinReplicas, tend.KeyWhole, guard.Whole, tend.KeyReason, guard.Reason)
	_, err := suite.CoreV1().ConfigMaps(d.namespace).Patch(t.Context(), d.name+"-shepherd", types.MergePatchType, patch, metav1.PatchOptions{})
	require.NoError(t, err)
}

func (d *deployment) autoscaler(t *testing.T) *autoscalingv2.HorizontalPodAutoscaler {
	t.Helper()
	hpa, err := suite.AutoscalingV2().HorizontalPodAutoscalers(d.namespace).Get(t.Context(), d.fullname(), metav1.GetOptions{})
	require.NoError(t, err)
	return hpa
}

func (d *deployment) awaitAutoscaler(t *testing.T, what string, says func(*autoscalingv2.HorizontalPodAutoscaler) error) {
	t.Helper()
	require.NoError(t, k8s.Poll(t.Context(), timeouts.Patience, "the autoscaler to say: "+what, func(ctx context.Context) error {
		hpa, err := suite.AutoscalingV2().HorizontalPodAutoscalers(d.namespace).Get(ctx, d.fullname(), metav1.GetOptions{})
		if err != nil {
			return err
		}
		return says(hpa)
	}))
}

// awaitReplicas waits for a number of pods in these bounds.
func awaitReplicas(t *testing.T, record *k8s.ReplicaWatch, least, most int32) {
	t.Helper()
	what := fmt.Sprintf("%d to %d replicas", least, most)
	require.NoError(t, k8s.Poll(t.Context(), timeouts.Patience, what, func(context.Context) error {
		if n := replicas(record); n < least || n > most {
			return fmt.Errorf("they were %v", record.Values())
		}
		return nil
	}))
}

// replicas is how many there are now.
func replicas(record *k8s.ReplicaWatch) int32 {
	values := record.Values()
	return values[len(values)-1]
}

func condition(hpa *autoscalingv2.HorizontalPodAutoscaler, kind autoscalingv2.HorizontalPodAutoscalerConditionType, status corev1.ConditionStatus, reason string) error {
	for _, c := range hpa.Status.Conditions {
		if c.Type == kind && c.Status == status && c.Reason == reason {
			return nil
		}
	}
	return fmt.Errorf("%v", hpa.Status.Conditions)
}

// unmoved is an autoscaler that sees so many percent of the processors in use, and finds n pods right for it: it waits for nothing.
func unmoved(n, percent int32) func(*autoscalingv2.HorizontalPodAutoscaler) error {
	return func(hpa *autoscalingv2.HorizontalPodAutoscaler) error {
		for _, metric := range hpa.Status.CurrentMetrics {
			seen := metric.ContainerResource
			if seen == nil || seen.Name != corev1.ResourceCPU {
				continue
			}
			if used := ptr.Deref(seen.Current.AverageUtilization, -1); used != percent || hpa.Status.DesiredReplicas != n {
				return fmt.Errorf("it sees %d percent and wants %d", used, hpa.Status.DesiredReplicas)
			}
			return condition(hpa, autoscalingv2.AbleToScale, corev1.ConditionTrue, "ReadyForNewScale")
		}
		return fmt.Errorf("it sees %v", hpa.Status.CurrentMetrics)
	}
}
