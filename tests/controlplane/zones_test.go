//go:build controlplane

package controlplane

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"

	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/some"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// fixed turns the autoscaler and the guard off, so that the values say how many pods there are.
const fixed = `{autoscaling: {enabled: false}, guard: {enabled: false}}`

// TestPodsSpreadOverZonesAndHosts: Given three zones of four hosts; When a release grows from three to ten; Then no two of its pods are on
// one host, and no zone has more than one pod more than another.
func TestPodsSpreadOverZonesAndHosts(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"soft", "hard"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newPool(t, 4, zones...)
			d := install(t, namespace(t), "q", scenario(t, "values-prod.yaml", fixed, p.values, fmt.Sprintf(`zoneSpread: {mode: %s}`, mode)))
			for _, replicas := range []int32{3, 6, 9, 10} {
				d.scale(t, replicas)
				d.awaitReady(t, replicas)
				hosts, perZone := p.spread(t, d)
				assert.Len(t, hosts, int(replicas), "two pods share a host")
				counts := slices.Sorted(maps.Values(perZone))
				require.Len(t, counts, len(zones), "%v", perZone)
				assert.LessOrEqual(t, counts[len(counts)-1]-counts[0], 1, "%v", perZone)
			}
		})
	}
}

// TestTooFewHosts: Given fewer hosts than pods; When the hosts are insisted on (hard); Then the pods that find none wait; When they become
// a wish (soft); Then those still wait for the rule of the pods that run, and the rollout for them, until somebody deletes one of these.
func TestTooFewHosts(t *testing.T) {
	t.Parallel()
	p := newPool(t, 1, "a", "b")
	d := install(t, namespace(t), "q", scenario(t, "values-prod.yaml", fixed, p.values))
	d.awaitWaiting(t, 3, 1, "2 node(s) didn't match pod anti-affinity rules")
	hosts, _ := p.spread(t, d)
	assert.Len(t, hosts, 2)

	require.NoError(t, d.upgrade(t, scenario(t, "values-prod.yaml", fixed, p.values, `podAntiAffinity: soft`)))
	d.awaitWaiting(t, 3, 1, "2 node(s) didn't satisfy existing pods anti-affinity rules")
	pods := d.pods(t)
	running := slices.IndexFunc(pods, func(pod corev1.Pod) bool { return k8s.Ready(&pod) })
	require.NoError(t, suite.CoreV1().Pods(d.namespace).Delete(t.Context(), pods[running].Name, metav1.DeleteOptions{}))
	d.awaitReady(t, 3)
	hosts, _ = p.spread(t, d)
	assert.Len(t, hosts, 2)
}

// TestAFullZone: Given three zones of which one takes no pods for now; When an even spread is insisted on (hard); Then the pod that would
// belong there waits, and comes when the zone is open again; When it is preferred (soft); Then it runs in another zone.
func TestAFullZone(t *testing.T) {
	t.Parallel()
	for mode, elsewhere := range map[string]bool{"soft": true, "hard": false} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newPool(t, 2, zones...)
			p.cordon(t, "c", true)
			d := install(t, namespace(t), "q", scenario(t, "values-prod.yaml", fixed, p.values, fmt.Sprintf(`zoneSpread: {mode: %s}`, mode)))
			if elsewhere {
				d.awaitReady(t, 3)
				_, perZone := p.spread(t, d)
				assert.Zero(t, perZone["c"])
				return
			}
			d.awaitWaiting(t, 3, 1, "4 node(s) didn't match pod topology spread constraints")
			p.cordon(t, "c", false)
			d.awaitReady(t, 3)
			_, perZone := p.spread(t, d)
			assert.Equal(t, map[string]int{"a": 1, "b": 1, "c": 1}, perZone)
		})
	}
}

// TestAZoneIsLost: Given six pods on the six hosts of three zones; When a zone is gone for good, and comes back; Then the pods of the other
// zones are never touched, no volume is lost, and those of the lost one wait for hosts of their own (hard), with none of the others allowed
// to go meanwhile, or share those of the others (soft); and when the zone is back they are even again, those that run as soon as they move.
func TestAZoneIsLost(t *testing.T) {
	t.Parallel()
	even, without := map[string]int{"a": 2, "b": 2, "c": 2}, map[string]int{"a": 3, "b": 3}
	lose := func(t *testing.T, affinity string) (*pool, *deployment, func()) {
		t.Helper()
		p := newPool(t, 2, zones...)
		d := install(t, namespace(t), "q", scenario(t, "values-prod.yaml", fixed, p.values, fmt.Sprintf(`{replicas: 6, podAntiAffinity: %s}`, affinity)))
		d.awaitReady(t, 6)
		_, perZone := p.spread(t, d)
		require.Equal(t, even, perZone)
		before, volumes := p.uids(t, d), d.volumes(t)
		p.lose(t, "c")
		d.collectOrphans(t)
		return p, d, func() {
			t.Helper()
			for zone, uids := range before {
				if zone != "c" {
					assert.Subset(t, p.uids(t, d)[zone], uids, "a pod of zone %s was replaced", zone)
				}
			}
			assert.Equal(t, volumes, d.volumes(t), "a pod that is replaced finds its volumes again")
		}
	}

	t.Run("hard", func(t *testing.T) {
		t.Parallel()
		p, d, requireKept := lose(t, "hard")
		d.awaitWaiting(t, 6, 2, "4 node(s) didn't match pod anti-affinity rules")
		d.awaitBudget(t, 6, 4, 0)
		for _, pod := range d.pods(t) {
			if k8s.Ready(&pod) {
				assert.Falsef(t, d.mayGo(t, pod.Name), "%s, with two away already", pod.Name)
			}
		}
		p.add(t, 2, "c")
		d.awaitReady(t, 6)
		_, perZone := p.spread(t, d)
		assert.Equal(t, even, perZone)
		requireKept()
	})

	t.Run("soft", func(t *testing.T) {
		t.Parallel()
		p, d, requireKept := lose(t, "soft")
		d.awaitReady(t, 6)
		d.awaitBudget(t, 6, 6, 1)
		_, perZone := p.spread(t, d)
		assert.Equal(t, without, perZone)
		p.add(t, 2, "c")
		_, perZone = p.spread(t, d)
		assert.Equal(t, without, perZone, "nothing moves a pod that runs")
		requireKept()
		for _, zone := range []string{"a", "b"} {
			p.evictOne(t, d, zone)
		}
		_, perZone = p.spread(t, d)
		assert.Equal(t, even, perZone)
	})
}

// pool is nodes for one release, which nothing else runs on.
type pool struct {
	name string
	// values put a release on them.
	values string
}

// newPool adds so many nodes in each zone, and takes them away with the test.
func newPool(t *testing.T, perZone int, zones ...string) *pool {
	t.Helper()
	name := rand.String(8)
	p := &pool{name: name, values: fmt.Sprintf(`{nodeSelector: {pool: %s}, tolerations: [{key: pool, operator: Equal, value: %[1]s}]}`, name)}
	t.Cleanup(func() { // the release goes after it: nothing waits for its pods
		_ = suite.CoreV1().Nodes().DeleteCollection(context.Background(), metav1.DeleteOptions{}, p.options())
	})
	p.add(t, perZone, zones...)
	return p
}

func (p *pool) options() metav1.ListOptions {
	return metav1.ListOptions{LabelSelector: "pool=" + p.name}
}

// add adds nodes, and returns when pods could run on them.
func (p *pool) add(t *testing.T, perZone int, zones ...string) {
	t.Helper()
	size := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("16"), corev1.ResourceMemory: resource.MustParse("64Gi"), corev1.ResourcePods: resource.MustParse("110"),
	}
	for _, zone := range zones {
		for i := range perZone {
			name := fmt.Sprintf("%s-%s-%d", p.name, zone, i)
			_, err := suite.CoreV1().Nodes().Create(t.Context(), &corev1.Node{
				ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
					corev1.LabelHostname: name, corev1.LabelTopologyZone: zone, "pool": p.name,
				}},
				// From the first moment on: a pod of another test would be lost with it.
				Spec:   corev1.NodeSpec{Taints: []corev1.Taint{{Key: "pool", Value: p.name, Effect: corev1.TaintEffectNoSchedule}}},
				Status: corev1.NodeStatus{Capacity: size, Allocatable: size},
			}, metav1.CreateOptions{})
			require.NoError(t, err)
		}
	}
	require.NoError(t, k8s.Poll(t.Context(), timeouts.Patience, "nodes of pool "+p.name, func(ctx context.Context) error {
		list, err := suite.CoreV1().Nodes().List(ctx, p.options())
		if err != nil {
			return err
		}
		if len(list.Items) < perZone*len(zones) {
			return fmt.Errorf("there are %d", len(list.Items))
		}
		for _, node := range list.Items {
			if len(node.Spec.Taints) > 1 { // those of a node that is not ready yet
				return fmt.Errorf("%s has %v", node.Name, node.Spec.Taints)
			}
		}
		return nil
	}))
}

// lose deletes the nodes of a zone, as a cloud's controller does when their machines are gone.
func (p *pool) lose(t *testing.T, zone string) {
	t.Helper()
	options := p.options()
	options.LabelSelector += "," + corev1.LabelTopologyZone + "=" + zone
	require.NoError(t, suite.CoreV1().Nodes().DeleteCollection(t.Context(), metav1.DeleteOptions{}, options))
}

// cordon keeps new pods off a zone; with false it lets them on again.
func (p *pool) cordon(t *testing.T, zone string, on bool) {
	t.Helper()
	options := p.options()
	options.LabelSelector += "," + corev1.LabelTopologyZone + "=" + zone
	list, err := suite.CoreV1().Nodes().List(t.Context(), options)
	require.NoError(t, err)
	for _, node := range some.Of(t, list.Items) {
		require.NoError(t, suite.Cordon(t.Context(), node.Name, on))
	}
}

// spread counts the pods that have a node, by their nodes and by their zones.
func (p *pool) spread(t *testing.T, d *deployment) (perHost, perZone map[string]int) {
	t.Helper()
	perHost, perZone = map[string]int{}, map[string]int{}
	for _, pod := range d.pods(t) {
		if pod.Spec.NodeName != "" {
			perHost[pod.Spec.NodeName]++
			perZone[p.zone(t, pod.Spec.NodeName)]++
		}
	}
	return perHost, perZone
}

// uids are those of the pods, by zones.
func (p *pool) uids(t *testing.T, d *deployment) map[string][]types.UID {
	t.Helper()
	found := map[string][]types.UID{}
	for _, pod := range d.pods(t) {
		if pod.Spec.NodeName != "" {
			zone := p.zone(t, pod.Spec.NodeName)
			found[zone] = append(found[zone], pod.UID)
		}
	}
	return found
}

// zone is part of a node's name, which tells it when the node is gone, too.
func (p *pool) zone(t *testing.T, node string) string {
	t.Helper()
	zone, _, found := strings.Cut(strings.TrimPrefix(node, p.name+"-"), "-")
	require.Truef(t, found, "%s is no node of pool %s", node, p.name)
	return zone
}

// evictOne moves one pod away from a zone, as soon as the budget allows it.
func (p *pool) evictOne(t *testing.T, d *deployment, zone string) {
	t.Helper()
	pods := d.pods(t)
	at := slices.IndexFunc(pods, func(pod corev1.Pod) bool { return p.zone(t, pod.Spec.NodeName) == zone })
	require.GreaterOrEqual(t, at, 0, "no pod in zone %s", zone)
	d.awaitBudget(t, len(pods), len(pods), 1)
	require.NoError(t, suite.Evict(t.Context(), d.namespace, pods[at].Name))
	_, err := suite.WaitPodReplaced(t.Context(), d.namespace, pods[at].Name, pods[at].UID, timeouts.Patience)
	require.NoError(t, err)
}

// awaitWaiting waits until the scheduler finds no node for so many of the pods, for this reason, and all others are ready.
func (d *deployment) awaitWaiting(t *testing.T, pods, waiting int, reason string) {
	t.Helper()
	what := fmt.Sprintf("%d of %d pods without a node", waiting, pods)
	require.NoError(t, k8s.Poll(t.Context(), timeouts.Patience, what, func(ctx context.Context) error {
		all, err := suite.Pods(ctx, d.namespace, k8s.Selector(d.name))
		if err != nil {
			return err
		}
		var ready, without int
		var states []string
		for _, pod := range all {
			state := k8s.PodState(&pod)
			switch {
			case k8s.Ready(&pod):
				ready++
			case strings.Contains(state, reason):
				without++
			}
			states = append(states, state)
		}
		if without != waiting || ready != pods-waiting {
			return errors.New(strings.Join(states, "; "))
		}
		return nil
	}))
}

// collectOrphans takes away the pods whose nodes are gone. The garbage collector of pods does it, a minute later: its periods can't be set.
func (d *deployment) collectOrphans(t *testing.T) {
	t.Helper()
	collected := 0
	for _, pod := range d.pods(t) {
		_, err := suite.CoreV1().Nodes().Get(t.Context(), pod.Spec.NodeName, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			d.endPod(t, pod.Name)
			collected++
			continue
		}
		require.NoError(t, err)
	}
	require.Positive(t, collected, "no pod has lost its node")
}

// volumes are those of the claims, by the claims' names; scratch goes with its pod.
func (d *deployment) volumes(t *testing.T) map[string]string {
	t.Helper()
	claims, err := suite.CoreV1().PersistentVolumeClaims(d.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: k8s.Selector(d.name)})
	require.NoError(t, err)
	found := map[string]string{}
	for _, claim := range claims.Items {
		if !strings.Contains(claim.Name, "scratch") {
			found[claim.Name] = claim.Spec.VolumeName
		}
	}
	require.Len(t, found, 12, "two claims of each of six pods")
	return found
}
