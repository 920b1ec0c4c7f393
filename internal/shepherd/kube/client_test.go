package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// within is how long a test waits for what another goroutine does.
const within = 10 * time.Second

func meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: names.Namespace, Name: name, UID: "uid-of-x"}
}

// release is what the chart has made, with one pod on a node in a zone.
func release(more ...runtime.Object) *fake.Clientset {
	pod := &corev1.Pod{ObjectMeta: meta("q-0"), Spec: corev1.PodSpec{NodeName: "n1"}}
	pod.Labels = map[string]string{podsOfStatefulSets: "q-0"}
	foreign := &corev1.Pod{ObjectMeta: meta("db-0")}
	foreign.Labels = map[string]string{podsOfStatefulSets: "db-0"}
	return fake.NewClientset(append([]runtime.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: names.Namespace}},
		&appsv1.StatefulSet{ObjectMeta: meta("q"), Spec: appsv1.StatefulSetSpec{Replicas: new(int32(3))}},
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", Labels: map[string]string{"topology.kubernetes.io/zone": "a"}}},
		pod, foreign,
		&corev1.PersistentVolumeClaim{ObjectMeta: meta("qdrant-storage-q-0")},
		&corev1.PersistentVolumeClaim{ObjectMeta: meta("qdrant-storage-q-2")},
		&corev1.PersistentVolumeClaim{ObjectMeta: meta("qdrant-storage-db-0")},
		&coordinationv1.Lease{ObjectMeta: meta("q-stop")},
		&coordinationv1.Lease{ObjectMeta: meta("q-leader")},
		&corev1.ConfigMap{ObjectMeta: meta("q-state"), Data: map[string]string{"guard": "kept"}},
	}, more...)...)
}

func TestStatefulSetThatIsGoneOrGoing(t *testing.T) {
	t.Parallel()
	now := metav1.Now()
	t.Run("there", func(t *testing.T) {
		t.Parallel()
		set, err := New(release(), names).StatefulSet(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 3, set.Replicas)
		assert.False(t, set.Gone || set.Deleting || set.NamespaceEnding)
	})
	t.Run("gone is no error", func(t *testing.T) {
		t.Parallel()
		api := release()
		require.NoError(t, api.AppsV1().StatefulSets("search").Delete(t.Context(), "q", metav1.DeleteOptions{}))
		set, err := New(api, names).StatefulSet(t.Context())
		require.NoError(t, err)
		assert.Equal(t, StatefulSet{Gone: true}, set)
	})
	t.Run("its namespace ends", func(t *testing.T) {
		t.Parallel()
		api := release()
		ending := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "search", DeletionTimestamp: &now}}
		require.NoError(t, api.Tracker().Update(corev1.SchemeGroupVersion.WithResource("namespaces"), ending, ""))
		set, err := New(api, names).StatefulSet(t.Context())
		require.NoError(t, err)
		assert.True(t, set.NamespaceEnding)
	})
	t.Run("a refusal is an error and not an absence", func(t *testing.T) {
		t.Parallel()
		api := release()
		refuse(api, "get", "statefulsets")
		_, err := New(api, names).StatefulSet(t.Context())
		require.ErrorContains(t, err, "reading statefulset q")
		assert.True(t, IsDenied(err))
		assert.False(t, IsNotFound(err))
	})
	t.Run("a namespace that may not be read is an error", func(t *testing.T) {
		t.Parallel()
		api := release()
		refuse(api, "get", "namespaces")
		_, err := New(api, names).StatefulSet(t.Context())
		require.ErrorContains(t, err, "reading namespace search")
	})
}

func refuse(api *fake.Clientset, verb, resource string) {
	api.PrependReactor(verb, resource, func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "", errors.New("no rule"))
	})
}

func TestPods(t *testing.T) {
	t.Parallel()
	t.Run("only the StatefulSet's", func(t *testing.T) {
		t.Parallel()
		pods, err := New(release(), names).Pods(t.Context())
		require.NoError(t, err)
		require.Len(t, pods, 1)
		assert.Equal(t, "q-0", pods[0].Name)
		assert.Empty(t, pods[0].Zone, "nodes are not asked unless told to")
	})
	t.Run("a node is asked for the zone once", func(t *testing.T) {
		t.Parallel()
		api := release()
		client := New(api, names).ReadNodes()
		for range 3 {
			pods, err := client.Pods(t.Context())
			require.NoError(t, err)
			assert.Equal(t, "a", pods[0].Zone)
		}
		asked := slices.DeleteFunc(api.Actions(), func(a clienttesting.Action) bool { return a.GetResource().Resource != "nodes" })
		assert.Len(t, asked, 1)
	})
	t.Run("a pod that is not there", func(t *testing.T) {
		t.Parallel()
		_, err := New(release(), names).Pod(t.Context(), "q-7")
		require.ErrorContains(t, err, "reading pod q-7")
		assert.True(t, IsNotFound(err))
	})
}

func TestClaims(t *testing.T) {
	t.Parallel()
	client := New(release(), names)

	claims, err := client.Claims(t.Context(), 3)
	require.NoError(t, err)
	require.Len(t, claims, 2, "an absent claim is left out, a foreign one too")
	assert.Equal(t, []int{0, 2}, []int{claims[0].Ordinal, claims[1].Ordinal})

	peer, verdict := "42", "start"
	require.NoError(t, client.AnnotateClaim(t.Context(), 2, map[string]*string{AnnotationPeer: &peer, AnnotationVerdict: &verdict}))
	require.NoError(t, client.AnnotateClaim(t.Context(), 2, map[string]*string{AnnotationVerdict: nil}))
	claims, err = client.Claims(t.Context(), 3)
	require.NoError(t, err)
	assert.EqualValues(t, 42, claims[1].Peer)
	assert.Empty(t, claims[1].Verdict)

	require.ErrorContains(t, client.AnnotateClaim(t.Context(), 1, nil), "annotating claim qdrant-storage-q-1")
	bad := "x"
	require.NoError(t, client.AnnotateClaim(t.Context(), 0, map[string]*string{AnnotationPeer: &bad}))
	_, err = client.Claims(t.Context(), 3)
	require.ErrorContains(t, err, "no peer id", "what can't be read is never an unmarked claim")
}

func TestDeletePodNamesTheUID(t *testing.T) {
	t.Parallel()
	api := release()
	client := New(api, names)

	require.NoError(t, client.DeletePod(t.Context(), "q-0", "uid-of-x"))

	deletion, ok := api.Actions()[0].(clienttesting.DeleteActionImpl)
	require.True(t, ok)
	assert.EqualValues(t, "uid-of-x", *deletion.DeleteOptions.Preconditions.UID)
	assert.Nil(t, deletion.DeleteOptions.GracePeriodSeconds, "the pod's own grace period stands")
	require.NoError(t, client.DeletePod(t.Context(), "q-0", "uid-of-x"), "a pod that is gone already is no error")
	refuse(api, "delete", "pods")
	require.ErrorContains(t, client.DeletePod(t.Context(), "q-0", "uid-of-x"), "deleting pod q-0")
}

func TestPermit(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	start := func() (*Permit, *fake.Clientset) {
		api := release()
		client := New(api, names)
		client.now = func() time.Time { return now }
		return client.Permit(), api
	}
	take := func(t *testing.T, p *Permit, who string, want bool, wantBy string) {
		t.Helper()
		taken, by, err := p.Take(t.Context(), who, time.Minute)
		require.NoError(t, err)
		assert.Equal(t, want, taken)
		assert.Equal(t, wantBy, by)
	}
	later := func(p *Permit, d time.Duration) { p.client.now = func() time.Time { return now.Add(d) } }

	t.Run("one at a time", func(t *testing.T) {
		t.Parallel()
		permit, _ := start()
		holder, err := permit.Holder(t.Context())
		require.NoError(t, err)
		assert.Empty(t, holder, "the chart's Lease has no holder")
		take(t, permit, "q-0", true, "q-0")
		take(t, permit, "q-1", false, "q-0")
		take(t, permit, "q-0", true, "q-0")
		require.NoError(t, permit.Release(t.Context(), "q-1"), "giving back what one has not")
		take(t, permit, "q-1", false, "q-0")
		require.NoError(t, permit.Release(t.Context(), "q-0"))
		take(t, permit, "q-1", true, "q-1")
	})
	t.Run("it runs out", func(t *testing.T) {
		t.Parallel()
		permit, _ := start()
		take(t, permit, "q-0", true, "q-0")
		later(permit, time.Minute)
		take(t, permit, "q-1", false, "q-0")
		later(permit, time.Minute+time.Second)
		holder, err := permit.Holder(t.Context())
		require.NoError(t, err)
		assert.Empty(t, holder)
		take(t, permit, "q-1", true, "q-1")
	})
	t.Run("taking it again renews it", func(t *testing.T) {
		t.Parallel()
		permit, api := start()
		take(t, permit, "q-0", true, "q-0")
		later(permit, 50*time.Second)
		take(t, permit, "q-0", true, "q-0")
		later(permit, 100*time.Second)
		take(t, permit, "q-1", false, "q-0")
		lease, err := api.CoordinationV1().Leases("search").Get(t.Context(), "q-stop", metav1.GetOptions{})
		require.NoError(t, err)
		assert.EqualValues(t, 1, *lease.Spec.LeaseTransitions)
		assert.True(t, lease.Spec.AcquireTime.Equal(&metav1.MicroTime{Time: now}))
	})
	t.Run("another was quicker", func(t *testing.T) {
		t.Parallel()
		permit, api := start()
		api.PrependReactor("update", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
			quicker := &coordinationv1.Lease{ObjectMeta: meta("q-stop"), Spec: coordinationv1.LeaseSpec{
				HolderIdentity: new("q-2"), RenewTime: &metav1.MicroTime{Time: now}, LeaseDurationSeconds: new(int32(60)),
			}}
			if err := api.Tracker().Update(coordinationv1.SchemeGroupVersion.WithResource("leases"), quicker, "search"); err != nil {
				return true, nil, err
			}
			return true, nil, apierrors.NewConflict(schema.GroupResource{Resource: "leases"}, "q-stop", errors.New("changed"))
		})
		take(t, permit, "q-0", false, "q-2")
	})
	t.Run("a Lease that is missing is an error", func(t *testing.T) {
		t.Parallel()
		_, _, err := New(fake.NewClientset(), names).Permit().Take(t.Context(), "q-0", time.Minute)
		require.ErrorContains(t, err, "reading the stop permit q-stop")
	})
}

func TestALeaseLastsAtLeastASecond(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]int32{0: 1, time.Millisecond: 1, 1500 * time.Millisecond: 2, time.Hour: 3600} {
		assert.Equal(t, want, seconds(d), d)
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	api := release()
	client := New(api, names)
	require.NoError(t, client.UpdateState(t.Context(), setting("minReplicas", "3")))
	require.NoError(t, client.UpdateState(t.Context(), setting("minReplicas", "3")))

	state, err := client.State(t.Context())

	require.NoError(t, err)
	assert.Equal(t, map[string]string{"guard": "kept", "minReplicas": "3"}, state)
	updates := slices.DeleteFunc(api.Actions(), func(a clienttesting.Action) bool { return a.GetVerb() != "update" })
	assert.Len(t, updates, 1, "nothing is written where nothing changes")
}

func setting(key, value string) func(map[string]string) {
	return func(data map[string]string) { data[key] = value }
}

func TestStateIsChangedAgainAfterAConflict(t *testing.T) {
	t.Parallel()
	api := release()
	tries := 0
	api.PrependReactor("update", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
		if tries++; tries == 1 {
			return true, nil, apierrors.NewConflict(schema.GroupResource{Resource: "configmaps"}, "q-state", errors.New("changed"))
		}
		return false, nil, nil
	})

	require.NoError(t, New(api, names).UpdateState(t.Context(), setting("whole", "true")))

	assert.Equal(t, 2, tries)
}

func TestCacheFollowsPodsAndClaims(t *testing.T) {
	t.Parallel()
	api := release()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	cache, err := New(api, names).Watch(ctx)
	require.NoError(t, err)
	claims, err := cache.Claims(ctx, 3)
	require.NoError(t, err)
	require.Len(t, claims, 2)

	pod := &corev1.Pod{ObjectMeta: meta("q-1")}
	pod.Labels = map[string]string{podsOfStatefulSets: "q-1"}
	_, err = api.CoreV1().Pods("search").Create(ctx, pod, metav1.CreateOptions{})
	require.NoError(t, err)
	peer := "9"
	require.NoError(t, cache.AnnotateClaim(ctx, 2, map[string]*string{AnnotationPeer: &peer}))

	require.EventuallyWithT(t, func(c *assert.CollectT) {
		pods, err := cache.Pods(ctx)
		assert.NoError(c, err)
		assert.Len(c, pods, 2)
		claims, err := cache.Claims(ctx, 3)
		assert.NoError(c, err)
		assert.EqualValues(c, 9, claims[1].Peer)
	}, within, 10*time.Millisecond)
	few, err := cache.Claims(ctx, 1)
	require.NoError(t, err)
	assert.Len(t, few, 1)
}

func TestWatchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	api := release()
	refuse(api, "list", "pods")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()

	_, err := New(api, names).Watch(ctx)

	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestLead(t *testing.T) {
	t.Parallel()
	timing := LeaderTiming{Lease: 15 * time.Second, Renew: 10 * time.Second, Retry: 2 * time.Second}
	leaderOf := func(api *fake.Clientset) string {
		lease, err := api.CoordinationV1().Leases("search").Get(context.Background(), "q-leader", metav1.GetOptions{})
		if err != nil {
			return err.Error()
		}
		if lease.Spec.HolderIdentity == nil {
			return ""
		}
		return *lease.Spec.HolderIdentity
	}
	t.Run("the Lease is given back after the work has ended", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			api := release()
			ctx, cancel := context.WithCancel(t.Context())
			var during string
			err := New(api, names).Lead(ctx, "a", timing, func(leading context.Context) error {
				cancel()
				<-leading.Done()
				time.Sleep(3 * time.Second) // a call that takes its time to end
				during = leaderOf(api)
				return nil
			})
			require.NoError(t, err)
			assert.Equal(t, "a", during)
			assert.Empty(t, leaderOf(api))
		})
	})
	t.Run("an error of the work is the leader's", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			broken := errors.New("broken")
			err := New(release(), names).Lead(t.Context(), "a", timing, func(context.Context) error { return broken })
			require.ErrorIs(t, err, broken)
		})
	})
	t.Run("a leader that cannot renew stops", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			api := release()
			began := time.Now()
			var away atomic.Bool
			api.PrependReactor("*", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
				return away.Load(), nil, errors.New("connection refused")
			})
			err := New(api, names).Lead(t.Context(), "a", timing, func(leading context.Context) error {
				away.Store(true)
				<-leading.Done()
				return leading.Err()
			})
			require.ErrorIs(t, err, ErrLeadershipLost)
			assert.Less(t, time.Since(began), timing.Lease, "before another may lead")
		})
	})
	t.Run("only one leads", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			api := release()
			var leading, most atomic.Int32
			done := make(chan error)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for i := range 2 {
				// The fake API server has no conflicts, so that two who ask at the same moment would both be told yes.
				time.Sleep(time.Duration(i) * 500 * time.Millisecond)
				go func() {
					done <- New(api, names).Lead(ctx, fmt.Sprint("candidate-", i), timing, func(leadingCtx context.Context) error {
						most.Store(max(most.Load(), leading.Add(1)))
						defer leading.Add(-1)
						<-leadingCtx.Done()
						return nil
					})
				}()
			}
			require.ErrorIs(t, errors.Join(<-done, <-done), context.DeadlineExceeded, "the one that only waited")
			assert.EqualValues(t, 1, most.Load())
		})
	})
	t.Run("one who waits stops when told to", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			api := release()
			refuse(api, "*", "leases")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := New(api, names).Lead(ctx, "a", timing, func(context.Context) error { return errors.New("led without a lease") })
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
	})
}

func TestRecorderWritesEvents(t *testing.T) {
	t.Parallel()
	api := release()
	recorder := New(api, names).Recorder("shepherd")
	defer recorder.Close()

	require.NoError(t, recorder.Event(t.Context(), true, "DrainBlocked", "shard c/3 has its only copy on peer 1"))

	require.EventuallyWithT(t, func(c *assert.CollectT) {
		events, err := api.CoreV1().Events("search").List(t.Context(), metav1.ListOptions{})
		require.NoError(c, err)
		require.Len(c, events.Items, 1)
		event := events.Items[0]
		assert.Equal(c, "Warning DrainBlocked StatefulSet/q uid-of-x: shard c/3 has its only copy on peer 1", fmt.Sprintf("%s %s %s/%s %s: %s",
			event.Type, event.Reason, event.InvolvedObject.Kind, event.InvolvedObject.Name, event.InvolvedObject.UID, event.Message))
		assert.Equal(c, "shepherd", event.Source.Component)
	}, within, 10*time.Millisecond)
}

// The calls that the chart's Roles are made of. A call that is not here needs a permission that no pod has.
func TestCallsAreThoseThatRolesGrant(t *testing.T) {
	t.Parallel()
	api := release()
	client := New(api, names)
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	mustAll(t,
		second(client.StatefulSet(ctx)), second(client.Pod(ctx, "q-0")), second(client.Claims(ctx, 2)), second(client.Pods(ctx)),
		client.AnnotateClaim(ctx, 0, nil), second(client.Permit().Holder(ctx)),
		client.UpdateState(ctx, setting("whole", "true")),
	)
	_, _, err := client.Permit().Take(ctx, "q-0", time.Minute)
	mustAll(t, err, client.Permit().Release(ctx, "q-0"))
	mustAll(t, second(client.Watch(ctx)), client.DeletePod(ctx, "q-0", "uid-of-x"))
	mustAll(t, client.Lead(ctx, "a", DefaultLeaderTiming, func(context.Context) error { return nil }))

	var calls []string
	for _, action := range api.Actions() {
		name := ""
		if named, ok := action.(interface{ GetName() string }); ok {
			name = named.GetName()
		}
		if update, ok := action.(clienttesting.UpdateActionImpl); ok {
			object, err := metaOf(update.Object)
			require.NoError(t, err)
			name = object.GetName()
		}
		calls = append(calls, fmt.Sprintf("%s %s %s", action.GetVerb(), action.GetResource().Resource, name))
	}
	slices.Sort(calls)

	assert.Equal(t, []string{
		"delete pods q-0",
		"get configmaps q-state",
		"get leases q-leader",
		"get leases q-stop",
		"get namespaces search",
		"get persistentvolumeclaims qdrant-storage-q-0",
		"get persistentvolumeclaims qdrant-storage-q-1",
		"get pods q-0",
		"get statefulsets q",
		"list persistentvolumeclaims ",
		"list pods ",
		"patch persistentvolumeclaims qdrant-storage-q-0",
		"update configmaps q-state",
		"update leases q-leader",
		"update leases q-stop",
		"watch persistentvolumeclaims ",
		"watch pods ",
	}, slices.Compact(calls))
}

func metaOf(object runtime.Object) (metav1.Object, error) {
	if accessor, ok := object.(metav1.ObjectMetaAccessor); ok {
		return accessor.GetObjectMeta(), nil
	}
	return nil, fmt.Errorf("%T has no metadata", object)
}

func second[T any](_ T, err error) error { return err }

func mustAll(t *testing.T, errs ...error) {
	t.Helper()
	require.NoError(t, errors.Join(errs...))
}
