//go:build e2e

package e2e

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
)

// awayWatch records which pods of a release serve and which do not, at every change that the API server tells.
type awayWatch struct {
	watcher watch.Interface
	done    chan struct{}

	mu      sync.Mutex
	serving map[string]types.UID // by name; a pod that is away has none
	pods    map[string]bool
	went    []string // the pods that went away, in order
	most    int      // how many were away at the same time, at most
	at      []string // who they were
	changes int
}

// watchAway begins to watch the pods there are, all of which must be ready.
func (d *deployment) watchAway(t *testing.T) *awayWatch {
	t.Helper()
	w := &awayWatch{done: make(chan struct{}), serving: map[string]types.UID{}, pods: map[string]bool{}}
	list, err := d.cluster.CoreV1().Pods(d.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: d.Selector()})
	require.NoError(t, err)
	require.NotEmpty(t, list.Items)
	for _, pod := range list.Items {
		require.Truef(t, serves(&pod), "%s must serve before the disruption", pod.Name)
		w.serving[pod.Name], w.pods[pod.Name] = pod.UID, true
	}
	w.watcher, err = d.cluster.CoreV1().Pods(d.namespace).Watch(context.WithoutCancel(t.Context()), metav1.ListOptions{
		LabelSelector: d.Selector(), ResourceVersion: list.ResourceVersion})
	require.NoError(t, err)
	t.Cleanup(w.watcher.Stop)
	go func() {
		defer close(w.done)
		for event := range w.watcher.ResultChan() {
			if pod, ok := event.Object.(*corev1.Pod); ok {
				w.note(event.Type, pod)
			}
		}
	}()
	return w
}

// serves says whether the server of a pod runs and is ready. A pod that is being deleted serves as long as its stop is held.
func serves(pod *corev1.Pod) bool {
	if !k8s.Ready(pod) {
		return false
	}
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name == k8s.Container {
			return status.State.Running != nil
		}
	}
	return false
}

func (w *awayWatch) note(kind watch.EventType, pod *corev1.Pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes++
	if !w.pods[pod.Name] {
		return // one that was not there at the start
	}
	switch now := w.serving[pod.Name]; {
	case kind != watch.Deleted && serves(pod):
		w.serving[pod.Name] = pod.UID
	case now == pod.UID:
		delete(w.serving, pod.Name)
		w.went = append(w.went, pod.Name)
		away := slices.Sorted(maps.Keys(w.pods))
		away = slices.DeleteFunc(away, func(name string) bool { _, serving := w.serving[name]; return serving })
		if len(away) > w.most {
			w.most, w.at = len(away), away
		}
	}
}

// requireOneByOne ends the watch: every one of so many pods went away, and no two were away at the same time.
func (w *awayWatch) requireOneByOne(t *testing.T, pods int) {
	t.Helper()
	// The last change may still be under way to here.
	require.Eventually(t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.serving) == len(w.pods)
	}, time.Minute, 100*time.Millisecond, "every pod serves again")
	select {
	case <-w.done:
		t.Fatal("the watch of the pods broke, so their order is not known")
	default:
	}
	w.watcher.Stop()
	<-w.done
	gone := slices.Compact(slices.Sorted(slices.Values(w.went)))
	t.Logf("pods went away in this order: %v; %d changes seen", w.went, w.changes)
	require.Lenf(t, gone, pods, "pods that went away: %v", w.went)
	assert.Equalf(t, 1, w.most, "pods that were away at the same time: %v", w.at)
}

// deletePod deletes a pod of the release.
func (d *deployment) deletePod(t *testing.T, name string) {
	t.Helper()
	require.NoError(t, d.cluster.CoreV1().Pods(d.namespace).Delete(t.Context(), name, metav1.DeleteOptions{}), "deleting "+name)
}
