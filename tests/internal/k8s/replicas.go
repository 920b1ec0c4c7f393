package k8s

import (
	"context"
	"errors"
	"fmt"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// Deleted stands in a record of replicas for a StatefulSet that was deleted while it was watched.
const Deleted int32 = -1

// ReplicaWatch records every value that spec.replicas of a StatefulSet takes, however shortly: the API server sends a
// watch each change, so that a value of one millisecond is seen, which a poll would miss.
type ReplicaWatch struct {
	client          *Client
	namespace, name string
	stop            func()
	done            chan struct{}

	mu      sync.Mutex
	values  []int32
	version string // resourceVersion seen last, empty after a deletion
	err     error
}

// WatchReplicas starts to record, with the present value as the first one.
func (c *Client) WatchReplicas(ctx context.Context, namespace, name string) (*ReplicaWatch, error) {
	set, err := c.AppsV1().StatefulSets(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("watching replicas of StatefulSet %s/%s: %w", namespace, name, err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	watcher, err := watchtools.NewRetryWatcherWithContext(ctx, set.ResourceVersion, &cache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, name).String()
			return c.AppsV1().StatefulSets(namespace).Watch(ctx, options)
		},
	})
	if err != nil {
		stop()
		return nil, fmt.Errorf("watching replicas of StatefulSet %s/%s: %w", namespace, name, err)
	}
	record := &ReplicaWatch{client: c, namespace: namespace, name: name, stop: stop, done: make(chan struct{})}
	record.see(set)
	go func() {
		defer close(record.done)
		for event := range watcher.ResultChan() {
			switch object := event.Object.(type) {
			case *appsv1.StatefulSet:
				if event.Type == watch.Deleted {
					record.add(Deleted, "")
					continue
				}
				record.see(object)
			default:
				record.mu.Lock()
				record.err = fmt.Errorf("watching replicas of StatefulSet %s/%s: %w", namespace, name, apierrors.FromObject(event.Object))
				record.mu.Unlock()
			}
		}
	}()
	return record, nil
}

func (w *ReplicaWatch) see(set *appsv1.StatefulSet) {
	replicas := int32(1)
	if set.Spec.Replicas != nil {
		replicas = *set.Spec.Replicas
	}
	w.add(replicas, set.ResourceVersion)
}

func (w *ReplicaWatch) add(replicas int32, version string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.version = version
	if len(w.values) == 0 || w.values[len(w.values)-1] != replicas {
		w.values = append(w.values, replicas)
	}
}

// Values is every value so far in order, each change once: [3] as long as nothing has changed it.
func (w *ReplicaWatch) Values() []int32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]int32(nil), w.values...)
}

// Stop waits until the record has caught up with the StatefulSet as it is now, ends it and returns it. An error means
// that changes may have been missed.
func (w *ReplicaWatch) Stop(ctx context.Context) ([]int32, error) {
	what := fmt.Sprintf("the record of replicas of StatefulSet %s/%s to catch up", w.namespace, w.name)
	behind := Poll(ctx, timeouts.Request, what, func(ctx context.Context) error {
		set, err := w.client.AppsV1().StatefulSets(w.namespace).Get(ctx, w.name, metav1.GetOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		now := ""
		if err == nil {
			now = set.ResourceVersion
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.err == nil && w.version != now {
			return fmt.Errorf("it has seen version %q, the object is at %q", w.version, now)
		}
		return nil
	})
	w.stop()
	<-w.done
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]int32(nil), w.values...), errors.Join(w.err, behind)
}
