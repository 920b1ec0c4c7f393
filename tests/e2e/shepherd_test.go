//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/wordvectors"
	"github.com/qdrant-shepherd/shepherd/internal/workload"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// library is what lies in a release beside the ledger's own collection: real vectors in three collections of different shard counts,
// two copies of each shard.
type library struct {
	d           *deployment
	collections map[string]wordvectors.Set
}

// librarySize is how many vectors a library has, all collections together.
const librarySize = 100_000

// fillLibrary writes the vectors.
func (d *deployment) fillLibrary(t *testing.T) *library {
	t.Helper()
	words, err := wordvectors.Load(t.Context(), librarySize)
	require.NoError(t, err)
	db := d.connect(t, d.keys["api-key"])
	l := &library{d: d, collections: map[string]wordvectors.Set{}}
	rest := words.Base
	for i, shards := range []uint32{1, 4, 6} {
		share := rest
		if i < 2 {
			share, rest = rest.Head(librarySize/3), rest.Tail(librarySize/3)
		}
		name := fmt.Sprintf("words-%d", shards)
		// What is moved counts here, not how it is searched: a small graph is soon built.
		require.NoError(t, workload.Create(t.Context(), db, workload.Collection{Name: name, Dim: wordvectors.Dim, Shards: shards, Replicas: 2, M: 8, EFConstruct: 32}))
		_, err := workload.Load(t.Context(), db, name, share)
		require.NoError(t, err)
		l.collections[name] = share
	}
	l.requireWhole(t)
	return l
}

// requireWhole waits until both copies of each shard are Active, and counts.
func (l *library) requireWhole(t *testing.T) {
	t.Helper()
	db := l.d.connect(t, l.d.keys["api-key"])
	for name, words := range l.collections {
		l.d.awaitActive(t, name, 2)
		require.NoError(t, workload.RequireCount(t.Context(), db, name, nil, words.Len()))
	}
}

// tend is the pod that changes the cluster.
func (d *deployment) tend(ctx context.Context) (*corev1.Pod, error) {
	pods, err := d.cluster.CoreV1().Pods(d.namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=qdrant-shepherd"})
	if err != nil {
		return nil, err
	}
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp == nil && k8s.Ready(&pod) {
			return &pod, nil
		}
	}
	return nil, errors.New("no pod of tend is ready")
}

// command runs a command of shepherd's as a person does.
func (d *deployment) command(ctx context.Context, args ...string) (stdout, stderr string, err error) {
	pod, err := d.tend(ctx)
	if err != nil {
		return "", "", err
	}
	return d.cluster.ExecIn(ctx, d.namespace, pod.Name, "tend", append([]string{"/shepherd"}, args...)...)
}

// metric sums the samples of a metric that a pod of shepherd's serves.
func (d *deployment) metric(ctx context.Context, pod, name string) (float64, error) {
	address, stop, err := d.cluster.Forward(ctx, d.namespace, pod, 6338)
	if err != nil {
		return 0, err
	}
	defer stop()
	text, err := clusterapi.New("http://"+address, "").Metrics(ctx)
	if err != nil {
		return 0, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(text)))
	if err != nil {
		return 0, fmt.Errorf("reading the metrics of %s: %w", pod, err)
	}
	family, found := families[name]
	if !found {
		return 0, nil // a counter with labels has no sample before it counts
	}
	sum := 0.0
	for _, sample := range family.Metric {
		sum += sample.GetGauge().GetValue() + sample.GetCounter().GetValue() + sample.GetUntyped().GetValue()
	}
	return sum, nil
}

// awaitMetric waits until a metric of tend's satisfies.
func (d *deployment) awaitMetric(t *testing.T, name string, timeout time.Duration, satisfies func(value float64) bool) {
	t.Helper()
	require.NoError(t, k8s.Poll(t.Context(), timeout, name, func(ctx context.Context) error {
		pod, err := d.tend(ctx)
		if err != nil {
			return err
		}
		value, err := d.metric(ctx, pod.Name, name)
		if err != nil {
			return err
		}
		if !satisfies(value) {
			return fmt.Errorf("it is %g", value)
		}
		return nil
	}))
}

// awaitLog waits until a container has written a line with all of these words.
func (d *deployment) awaitLog(t *testing.T, pod, container string, timeout time.Duration, words ...string) {
	t.Helper()
	require.NoError(t, k8s.Poll(t.Context(), timeout, fmt.Sprintf("%s of %s says %q", container, pod, words), func(ctx context.Context) error {
		text, err := d.cluster.Logs(ctx, d.namespace, pod, container, false)
		if err != nil {
			return err
		}
		for line := range strings.Lines(text) {
			if containsAll(line, words) {
				return nil
			}
		}
		return errors.New("not yet; its last line: " + lastLine(text))
	}))
}

func containsAll(text string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// scene is a disruption under the ledger with a library beside it, and what it cost.
type scene struct {
	*disruption
	library *library
	begin   time.Time
	moved   float64
}

// beginScene starts a ledger of two copies.
func (l *library) beginScene(t *testing.T) *scene {
	t.Helper()
	return l.beginSceneWith(t, l.d.beginLedger(t, 2))
}

// beginSceneWith waits until all is whole with the ledger too, and remembers how much has been moved so far.
func (l *library) beginSceneWith(t *testing.T, x *disruption) *scene {
	t.Helper()
	s := &scene{disruption: x, library: l}
	l.d.awaitGuardOpen(t)
	s.moved = l.d.bytesMoved(t.Context())
	s.begin = time.Now()
	return s
}

// awaitGuardOpen waits until tend has seen that all is whole, and the guard lets a shrink through.
func (d *deployment) awaitGuardOpen(t *testing.T) {
	t.Helper()
	require.NoError(t, k8s.Poll(t.Context(), timeouts.ShardsActive, "the guard lets a shrink through", func(ctx context.Context) error {
		state, err := d.cluster.CoreV1().ConfigMaps(d.namespace).Get(ctx, "q-shepherd", metav1.GetOptions{})
		if err == nil && state.Data["whole"] != "true" {
			err = fmt.Errorf("%v", state.Data)
		}
		return err
	}))
}

// bytesMoved is what tend has moved since it was started; 0 when there is no tend to ask.
func (d *deployment) bytesMoved(ctx context.Context) float64 {
	pod, err := d.tend(ctx)
	if err != nil {
		return 0
	}
	bytes, _ := d.metric(ctx, pod.Name, "shepherd_bytes_moved_total")
	return bytes
}

// requireNothingLost ends a scene: the ledger's verdict, and the library still complete. took is how long what was done took, without
// the judging.
func (s *scene) requireNothingLost(t *testing.T, size int) {
	t.Helper()
	took := time.Since(s.begin)
	s.disruption.requireNothingLost(t, size)
	s.library.requireWhole(t)
	moved := s.d.bytesMoved(t.Context())
	if moved >= s.moved { // else tend was started anew, and counts from there
		moved -= s.moved
	}
	t.Logf("SCENE %s: %.0f s, %.1f MB moved by tend", t.Name(), took.Seconds(), moved/1e6)
}

// awaitBalanced waits until each of size peers holds as many replicas as any other, or one less, in each collection and in all
// together; a replica counts where its own peer has it Active, and two copies of a shard on one peer can't be.
func (d *deployment) awaitBalanced(t *testing.T, size int) {
	t.Helper()
	require.NoError(t, k8s.Poll(t.Context(), timeouts.Balanced, fmt.Sprintf("even shares of %d peers", size), func(ctx context.Context) error {
		all := map[string]int{}
		each := map[string]map[string]int{}
		err := d.eachPeer(ctx, func(pod string, peer *clusterapi.Client) error {
			names, err := peer.Collections(ctx)
			if err != nil {
				return err
			}
			all[pod] += 0
			for _, name := range names {
				view, err := peer.CollectionCluster(ctx, name)
				if err != nil {
					return err
				}
				if len(view.Transfers) > 0 {
					return fmt.Errorf("%s has transfers under way", name)
				}
				if each[name] == nil {
					each[name] = map[string]int{}
				}
				each[name][pod] += 0
				for _, replica := range view.Replicas {
					if replica.Local && replica.State == clusterapi.Active {
						all[pod]++
						each[name][pod]++
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if len(all) != size || len(each) == 0 {
			return fmt.Errorf("%d pods, %d collections", len(all), len(each))
		}
		each["all collections"] = all
		for name, counts := range each {
			least, most := 1<<30, 0
			for _, count := range counts {
				least, most = min(least, count), max(most, count)
			}
			if most-least > 1 {
				return fmt.Errorf("%s: %v", name, counts)
			}
		}
		return nil
	}))
}

// scale sets the number of pods as `kubectl scale` does.
func (d *deployment) scale(ctx context.Context, replicas int32) error {
	sets := d.cluster.AppsV1().StatefulSets(d.namespace)
	scale, err := sets.GetScale(ctx, d.Fullname(), metav1.GetOptions{})
	if err != nil {
		return err
	}
	scale.Spec.Replicas = replicas
	_, err = sets.UpdateScale(ctx, d.Fullname(), scale, metav1.UpdateOptions{})
	return err
}

// awaitPods waits until there are exactly so many pods, and returns how long that took.
func (d *deployment) awaitPods(t *testing.T, count int, timeout time.Duration) time.Duration {
	t.Helper()
	begin := time.Now()
	require.NoError(t, k8s.Poll(t.Context(), timeout, fmt.Sprintf("%d pods", count), func(ctx context.Context) error {
		pods, err := d.cluster.Pods(ctx, d.namespace, d.Selector())
		if err == nil && len(pods) != count {
			err = fmt.Errorf("%d pods", len(pods))
		}
		return err
	}))
	return time.Since(begin)
}

// keepAway deletes a pod and waits until the one that comes in its place is pending: its volume is on a node that takes no pods now, until
// the node is uncordoned or the test is over.
func (d *deployment) keepAway(t *testing.T, pod corev1.Pod) {
	t.Helper()
	node := pod.Spec.NodeName
	require.NoError(t, d.cluster.Cordon(t.Context(), node, true))
	t.Cleanup(func() { _ = d.cluster.Cordon(context.WithoutCancel(t.Context()), node, false) })
	require.NoError(t, d.cluster.CoreV1().Pods(d.namespace).Delete(t.Context(), pod.Name, metav1.DeleteOptions{}))
	require.NoError(t, k8s.Poll(t.Context(), timeouts.PodGone, pod.Name+" is replaced and pending", func(ctx context.Context) error {
		now, err := d.cluster.CoreV1().Pods(d.namespace).Get(ctx, pod.Name, metav1.GetOptions{})
		if err == nil && (now.UID == pod.UID || now.Status.Phase != corev1.PodPending) {
			err = errors.New(k8s.PodState(now))
		}
		return err
	}))
}
