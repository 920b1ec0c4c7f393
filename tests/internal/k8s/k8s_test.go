package k8s

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

func TestWaitRollout(t *testing.T) {
	t.Parallel()
	done := appsv1.StatefulSetStatus{ObservedGeneration: 2, Replicas: 3, ReadyReplicas: 3, UpdatedReplicas: 3, CurrentRevision: "b", UpdateRevision: "b"}
	labels := map[string]string{"app": "qdrant"}
	pod := func(name, revision string, ready corev1.ConditionStatus) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "n", Labels: map[string]string{"app": "qdrant", appsv1.ControllerRevisionHashLabelKey: revision}},
			Status:     corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}},
		}
	}
	first, second := pod("q-0", "b", corev1.ConditionTrue), pod("q-2", "b", corev1.ConditionTrue)
	leaving := pod("q-1", "b", corev1.ConditionTrue)
	leaving.DeletionTimestamp, leaving.Finalizers = new(metav1.Now()), []string{"example.org/kept"}
	for _, test := range []struct {
		name    string
		spec    int32
		change  func(*appsv1.StatefulSetStatus)
		pod     *corev1.Pod // q-1, whole when it is nil
		missing bool        // there is no q-1
		wantErr string
	}{
		{name: "all_of_the_new_revision_and_ready", spec: 3},
		{name: "none_of_none_is_not_three", spec: 0, change: func(s *appsv1.StatefulSetStatus) { s.Replicas, s.ReadyReplicas = 0, 0 }, wantErr: "spec.replicas is 0"},
		{name: "the_controller_has_not_looked_yet", spec: 3, change: func(s *appsv1.StatefulSetStatus) { s.ObservedGeneration = 1 }, wantErr: "generation 2 is not yet observed"},
		{name: "one_of_the_old_revision", spec: 3, change: func(s *appsv1.StatefulSetStatus) { s.CurrentRevision, s.UpdatedReplicas = "a", 2 }, wantErr: "2 of 3 pods are of revision b"},
		{name: "one_not_ready", spec: 3, change: func(s *appsv1.StatefulSetStatus) { s.ReadyReplicas = 2 }, pod: pod("q-1", "b", corev1.ConditionFalse), wantErr: "2 of 3 pods are ready: q-1 Pending"},
		{name: "one_too_many", spec: 3, change: func(s *appsv1.StatefulSetStatus) { s.Replicas, s.ReadyReplicas = 4, 4 }, wantErr: "4 of 3 pods exist"},
		{name: "taken_over_from_another_statefulset", spec: 3, pod: pod("q-1", "a", corev1.ConditionTrue), wantErr: `q-1 is of revision "a", not "b"`},
		{name: "a_status_that_is_behind_a_pod_that_is_gone", spec: 3, missing: true, wantErr: "there are 2 pods, not 3"},
		{name: "behind_one_that_leaves", spec: 3, pod: leaving, wantErr: "q-1 Pending (terminating)"},
		{name: "behind_one_that_is_not_ready_any_more", spec: 3, pod: pod("q-1", "b", corev1.ConditionFalse), wantErr: "q-1 Pending"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			status := done
			if test.change != nil {
				test.change(&status)
			}
			set := &appsv1.StatefulSet{
				ObjectMeta: metav1.ObjectMeta{Name: "q", Namespace: "n", Generation: 2},
				Spec:       appsv1.StatefulSetSpec{Replicas: &test.spec, Selector: &metav1.LabelSelector{MatchLabels: labels}},
				Status:     status,
			}
			objects := []runtime.Object{set, first, second}
			if !test.missing {
				objects = append(objects, cmp.Or(test.pod, pod("q-1", "b", corev1.ConditionTrue)))
			}
			client := &Client{Interface: fake.NewClientset(objects...)}
			err := client.WaitRollout(t.Context(), "n", "q", 3, 20*time.Millisecond)
			if test.wantErr == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.wantErr)
		})
	}
}

func TestPoll(t *testing.T) {
	t.Parallel()
	t.Run("says_what_was_wrong_last", func(t *testing.T) {
		t.Parallel()
		err := Poll(t.Context(), 20*time.Millisecond, "the moon", func(context.Context) error { return errors.New("still rising") })
		require.ErrorContains(t, err, "waiting for the moon: not within 20ms; last: still rising")
	})
	t.Run("an_attempt_that_hangs_does_not_hide_what_was_wrong_before", func(t *testing.T) {
		t.Parallel()
		calls := 0
		err := Poll(t.Context(), 700*time.Millisecond, "the moon", func(ctx context.Context) error {
			if calls++; calls == 1 {
				return errors.New("still rising")
			}
			<-ctx.Done()
			return ctx.Err()
		})
		require.ErrorContains(t, err, "still rising")
		assert.Equal(t, 2, calls)
	})
}

func TestSteady(t *testing.T) {
	t.Parallel()
	const window = 20 * time.Second
	// A look is told how long Steady has been at it.
	type look func(ctx context.Context, since time.Duration) error
	calm := func(context.Context, time.Duration) error { return nil }
	hangs := func(ctx context.Context, _ time.Duration) error {
		<-ctx.Done()
		return fmt.Errorf("asking the wind: %w", ctx.Err())
	}
	lasting := func(d time.Duration, ends error) look {
		return func(context.Context, time.Duration) error {
			time.Sleep(d)
			return ends
		}
	}
	from := func(begin time.Duration, then, before look) look {
		return func(ctx context.Context, since time.Duration) error {
			if since >= begin {
				return then(ctx, since)
			}
			return before(ctx, since)
		}
	}
	gust := lasting(0, errors.New("a gust"))
	for _, test := range []struct {
		name    string
		look    look
		least   int    // looks at the least
		wantErr string // empty for none
	}{
		{name: "seen_all_the_time", look: calm, least: int(window / timeouts.Tick)},
		{name: "seen_by_slow_looks", look: lasting(timeouts.Look-time.Millisecond, nil), least: 3},
		{name: "lost_from_sight_for_a_moment", look: from(9*time.Second, calm, from(8*time.Second, hangs, calm)), least: int(window/timeouts.Tick) / 2},
		{name: "gone_at_once", look: gust, wantErr: "calm: no longer so after 0s: a gust"},
		{name: "gone_in_the_middle", look: from(8*time.Second, gust, calm), wantErr: "calm: no longer so after 8s: a gust"},
		{name: "gone_after_the_last_tick_of_the_window", look: from(window-timeouts.Tick/2, gust, calm), wantErr: "calm: no longer so after 20s: a gust"},
		{name: "gone_as_a_look_says_that_took_too_long", look: lasting(timeouts.Look+time.Second, errors.New("a gust")), wantErr: "calm: no longer so after 6s: a gust"},
		{name: "never_seen", look: hangs, wantErr: "calm: not seen for"},
		{name: "seen_once_and_never_again", look: from(time.Millisecond, hangs, calm), wantErr: "calm: not seen for"},
		{name: "not_seen_in_the_last_part_of_the_window", look: from(window-2*time.Second, hangs, calm), wantErr: "calm: not seen for"},
		{name: "not_seen_for_too_long_in_the_middle", look: from(timeouts.Unseen+3*time.Second, calm, from(time.Second, hangs, calm)), wantErr: "calm: not seen for"},
		{name: "seen_only_by_looks_that_take_for_ever", look: lasting(timeouts.Unseen+time.Second, nil), wantErr: "the look took too long"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start, looks := time.Now(), 0
				err := Steady(t.Context(), window, "calm", func(ctx context.Context) error {
					looks++
					return test.look(ctx, time.Since(start))
				})
				if test.wantErr != "" {
					require.ErrorContains(t, err, test.wantErr)
					return
				}
				require.NoError(t, err)
				assert.GreaterOrEqual(t, looks, test.least)
				assert.GreaterOrEqual(t, time.Since(start), window)
			})
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, Steady(cancelled, window, "calm", func(context.Context) error { return nil }), context.Canceled)
	})
}

func TestPods(t *testing.T) {
	t.Parallel()
	client := &Client{Interface: fake.NewClientset(pod("q-10"), pod("q-9"), pod("q-0"))}
	pods, err := client.Pods(t.Context(), "n", "")
	require.NoError(t, err)
	require.Len(t, pods, 3)
	assert.Equal(t, []string{"q-0", "q-9", "q-10"}, []string{pods[0].Name, pods[1].Name, pods[2].Name})
}

func pod(name string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "n"}}
}

func TestPodState(t *testing.T) {
	t.Parallel()
	waiting := pod("q-1")
	waiting.Status = corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{{
		Name: "qdrant", RestartCount: 2,
		State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
		LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 101, Reason: "Error"}},
	}}}
	assert.Equal(t, "q-1 Pending, qdrant CrashLoopBackOff, qdrant restarted 2 times, last exit 101 (Error)", PodState(waiting))
}

func TestExitCode(t *testing.T) {
	t.Parallel()
	ended := func(statuses ...corev1.ContainerStatus) *corev1.Pod {
		pod := pod("probe-1")
		pod.Status = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", ContainerStatuses: statuses}
		return pod
	}
	terminated := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3}}
	code, err := exitCode(ended(corev1.ContainerStatus{Name: Container, State: terminated}))
	require.NoError(t, err)
	assert.Equal(t, 3, code)
	for name, pod := range map[string]*corev1.Pod{
		"no_container_has_a_status": ended(),
		"it_never_ran":              ended(corev1.ContainerStatus{Name: Container, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{}}}),
		"another_container_ended":   ended(corev1.ContainerStatus{Name: "beside", State: terminated}),
	} {
		_, err := exitCode(pod)
		require.ErrorContains(t, err, "pod n/probe-1 ended without an exit code: Evicted", name)
	}
}

func TestReached(t *testing.T) {
	t.Parallel()
	open, err := reached("10.0.0.1:6333 open\n10.0.0.1:6335 closed\n", []string{"10.0.0.1:6333", "10.0.0.1:6335"})
	require.NoError(t, err)
	assert.Equal(t, map[string]bool{"10.0.0.1:6333": true, "10.0.0.1:6335": false}, open)

	// No answer is neither open nor closed: a probe that could not run must not pass for a refusal.
	_, err = reached("10.0.0.1:6333 open\n", []string{"10.0.0.1:6333", "10.0.0.1:6335"})
	require.ErrorContains(t, err, "10.0.0.1:6335")
}
