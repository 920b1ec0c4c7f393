//go:build controlplane

package controlplane

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// podWatch records what becomes of a release's pods. The API server sends every change, in the order in which they were made, so two
// pods that are away at the same time show, however short that was.
type podWatch struct {
	d    *deployment
	stop func()
	done chan struct{}

	mu     sync.Mutex
	now    map[string]corev1.Pod // as seen last, by name
	events []string
	err    error
}

// watchPods starts to record. An event is an ordinal and what became of it: "2 leaving", "2 gone", "2 created", "2 ready", "2 unready".
func (d *deployment) watchPods(t *testing.T) *podWatch {
	t.Helper()
	selected := metav1.ListOptions{LabelSelector: k8s.Selector(d.name)}
	list, err := suite.CoreV1().Pods(d.namespace).List(t.Context(), selected)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	watcher, err := watchtools.NewRetryWatcherWithContext(ctx, list.ResourceVersion, &cache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.LabelSelector = selected.LabelSelector
			return suite.CoreV1().Pods(d.namespace).Watch(ctx, options)
		},
	})
	require.NoError(t, err)
	w := &podWatch{d: d, stop: stop, done: make(chan struct{}), now: map[string]corev1.Pod{}}
	t.Cleanup(stop)
	for _, pod := range list.Items {
		w.now[pod.Name] = pod
	}
	go func() {
		defer close(w.done)
		for event := range watcher.ResultChan() {
			w.see(event)
		}
	}()
	return w
}

func (w *podWatch) see(event watch.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	pod, ok := event.Object.(*corev1.Pod)
	if !ok {
		w.err = apierrors.FromObject(event.Object)
		return
	}
	was := w.now[pod.Name]
	note := func(what string) {
		w.events = append(w.events, strings.TrimPrefix(pod.Name, w.d.fullname()+"-")+" "+what)
	}
	switch event.Type {
	case watch.Added:
		note("created")
	case watch.Deleted:
		note("gone")
		delete(w.now, pod.Name)
		return
	}
	if pod.DeletionTimestamp != nil && was.DeletionTimestamp == nil {
		note("leaving")
	}
	switch ready := k8s.Ready(pod); {
	case ready && !k8s.Ready(&was):
		note("ready")
	case !ready && k8s.Ready(&was):
		note("unready")
	}
	w.now[pod.Name] = *pod
}

// soFar is what has been recorded until now, and why the record may have gaps.
func (w *podWatch) soFar() ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.events), w.err
}

// end waits until the record has caught up with the pods as they are now, ends it and returns it. Until then a record may lack what has
// happened: that nothing more came is said of what end returns.
func (w *podWatch) end(t *testing.T) []string {
	t.Helper()
	require.NoError(t, k8s.Poll(t.Context(), timeouts.Patience, "the record of pods to catch up", func(ctx context.Context) error {
		pods, err := suite.Pods(ctx, w.d.namespace, k8s.Selector(w.d.name))
		if err != nil {
			return err
		}
		present := map[string]string{}
		for _, pod := range pods {
			present[pod.Name] = pod.ResourceVersion
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		seen := map[string]string{}
		for name, pod := range w.now {
			seen[name] = pod.ResourceVersion
		}
		if w.err == nil && !maps.Equal(seen, present) {
			return fmt.Errorf("it has seen %v, there are %v", seen, present)
		}
		return nil
	}))
	w.stop()
	<-w.done
	require.NoError(t, w.err)
	return w.events
}

// podsDuring is what becomes of the pods while something is done.
func (d *deployment) podsDuring(t *testing.T, do func()) []string {
	t.Helper()
	w := d.watchPods(t)
	do()
	return w.end(t)
}

// awaitEvents waits until just these have been recorded.
func (w *podWatch) awaitEvents(t *testing.T, want []string) {
	t.Helper()
	require.NoError(t, k8s.Poll(t.Context(), timeouts.Patience, "the pods", w.look(want, slices.Clone)))
}

// awaitOnly waits until just these have been recorded, and sees that no more come while a controller would have the time for it. It is
// end that sees what the record has not caught up with.
func (w *podWatch) awaitOnly(t *testing.T, want []string) {
	t.Helper()
	w.awaitEvents(t, want)
	require.NoError(t, k8s.Steady(t.Context(), settled, "the pods", w.look(want, slices.Clone)))
}

// awaitInAnyOrder is awaitEvents for what Kubernetes does side by side.
func (w *podWatch) awaitInAnyOrder(t *testing.T, want []string) {
	t.Helper()
	require.NoError(t, k8s.Poll(t.Context(), timeouts.Patience, "the pods", w.look(want, sorted)))
}

// sorted are events in an order that tells nothing of when they came.
func sorted(events []string) []string { return slices.Sorted(slices.Values(events)) }

func (w *podWatch) look(want []string, order func([]string) []string) func(context.Context) error {
	return func(context.Context) error {
		got, err := w.soFar()
		if err != nil {
			return err
		}
		if !slices.Equal(order(got), order(want)) {
			return fmt.Errorf("what became of the pods is %q, not %q", got, want)
		}
		return nil
	}
}

// replaced is what a rollout does that leaves each pod only when the one before it is back: these ordinals, one after the other.
func replaced(ordinals ...int) []string {
	var events []string
	for _, ordinal := range ordinals {
		events = append(events, unready(ordinal)...)
		events = append(events, fmt.Sprintf("%d ready", ordinal))
	}
	return events
}

// unready is what becomes of a pod that is replaced by one that is not ready.
func unready(ordinal int) []string {
	return []string{fmt.Sprintf("%d leaving", ordinal), fmt.Sprintf("%d gone", ordinal), fmt.Sprintf("%d created", ordinal)}
}

// downFrom are the ordinals of so many pods, the highest first.
func downFrom(replicas int32) []int {
	var ordinals []int
	for ordinal := int(replicas) - 1; ordinal >= 0; ordinal-- {
		ordinals = append(ordinals, ordinal)
	}
	return ordinals
}
