package kube

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

var names = Names{Namespace: "search", StatefulSet: "q", Lease: "q-stop", Leader: "q-leader", State: "q-state"}

func TestOrdinal(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{
		"q-0": 0, "q-12": 12, "qdrant-storage-q-3": 3,
		"q": -1, "q-": -1, "q-01": -1, "q--1": -1, "q-+1": -1, "q-x": -1, "other-q-1": -1, "q-headless-0": -1, "qdrant-snapshots-q-0": -1,
	} {
		assert.Equal(t, want, names.Ordinal(name), name)
	}
}

func TestUpdating(t *testing.T) {
	t.Parallel()
	done := appsv1.StatefulSetStatus{ObservedGeneration: 2, Replicas: 3, ReadyReplicas: 3, UpdatedReplicas: 3}
	for _, test := range []struct {
		name   string
		change func(*appsv1.StatefulSet)
		want   bool
	}{
		{"all pods are ready and have the latest revision", func(*appsv1.StatefulSet) {}, false},
		{"the controller has not seen the spec", func(s *appsv1.StatefulSet) { s.Generation = 3 }, true},
		{"a pod is not ready", func(s *appsv1.StatefulSet) { s.Status.ReadyReplicas = 2 }, true},
		{"a pod has an older revision", func(s *appsv1.StatefulSet) { s.Status.UpdatedReplicas = 2 }, true},
		{"a pod is still to come", func(s *appsv1.StatefulSet) { s.Spec.Replicas = new(int32(4)) }, true},
		{"a pod has still to go", func(s *appsv1.StatefulSet) { s.Spec.Replicas = new(int32(2)) }, true},
		{"pods below the partition keep the older revision", func(s *appsv1.StatefulSet) {
			s.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: new(int32(2))}
			s.Status.UpdatedReplicas = 1
		}, false},
		{"a pod above the partition has an older revision", func(s *appsv1.StatefulSet) {
			s.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: new(int32(1))}
			s.Status.UpdatedReplicas = 1
		}, true},
		{"the partition is above all pods", func(s *appsv1.StatefulSet) {
			s.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: new(int32(9))}
			s.Status.UpdatedReplicas = 0
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			set := &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{Replicas: new(int32(3))}, Status: done}
			set.Generation = 2
			test.change(set)
			assert.Equal(t, test.want, readStatefulSet(set).Updating)
		})
	}
}

func TestPaused(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{"": false, "false": false, "true": true, "until monday": true} {
		set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{AnnotationPaused: value}}}
		assert.Equal(t, want, readStatefulSet(set).Paused, value)
	}
	assert.False(t, readStatefulSet(&appsv1.StatefulSet{}).Paused)
}

func TestReplicasDefaultToOne(t *testing.T) {
	t.Parallel()
	assert.Equal(t, 1, readStatefulSet(&appsv1.StatefulSet{}).Replicas)
	assert.Equal(t, 0, readStatefulSet(&appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{Replicas: new(int32(0))}}).Replicas)
}

func TestPodState(t *testing.T) {
	t.Parallel()
	ended := func(code int32) corev1.ContainerState {
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}}
	}
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	waiting := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
	inits := func(start corev1.ContainerState) []corev1.ContainerStatus {
		return []corev1.ContainerStatus{{Name: "shepherd-start", State: start}, {Name: "shepherd-watch", State: running}}
	}
	server := func(state, last corev1.ContainerState) []corev1.ContainerStatus {
		return []corev1.ContainerStatus{{Name: "qdrant", State: state, LastTerminationState: last, RestartCount: 2}, {Name: "extra", State: ended(1)}}
	}
	for _, test := range []struct {
		name               string
		status             corev1.PodStatus
		starting, crashing bool
	}{
		{"nothing has begun", corev1.PodStatus{}, true, false},
		{"the start decision is pending", corev1.PodStatus{InitContainerStatuses: inits(running)}, true, false},
		{"the start decision failed", corev1.PodStatus{InitContainerStatuses: inits(ended(1))}, true, false},
		{"the server runs", corev1.PodStatus{InitContainerStatuses: inits(ended(0)), ContainerStatuses: server(running, ended(1))}, false, false},
		{"the server waits for its image", corev1.PodStatus{InitContainerStatuses: inits(ended(0)), ContainerStatuses: server(waiting, corev1.ContainerState{})}, false, false},
		{"the server waits after a crash", corev1.PodStatus{InitContainerStatuses: inits(ended(0)), ContainerStatuses: server(waiting, ended(101))}, false, true},
		{"the server has just ended", corev1.PodStatus{InitContainerStatuses: inits(ended(0)), ContainerStatuses: server(ended(0), corev1.ContainerState{})}, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			always := corev1.ContainerRestartPolicyAlways
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: "q-1"},
				Spec: corev1.PodSpec{InitContainers: []corev1.Container{
					{Name: "shepherd-start"}, {Name: "shepherd-watch", RestartPolicy: &always},
				}},
				Status: test.status,
			}
			got := readPod(names, pod)
			assert.Equal(t, test.starting, got.Starting, "starting")
			assert.Equal(t, test.crashing, got.Crashing, "crashing")
			assert.Equal(t, 1, got.Ordinal)
		})
	}
}

func TestOwnerOfPod(t *testing.T) {
	t.Parallel()
	owned := func(kind string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "q-0", OwnerReferences: []metav1.OwnerReference{
			{Kind: kind, UID: "abc", Controller: new(true)},
		}}}
	}
	assert.Equal(t, "abc", readPod(names, owned("StatefulSet")).OwnerUID)
	assert.Empty(t, readPod(names, owned("Job")).OwnerUID)
	assert.Empty(t, readPod(names, &corev1.Pod{}).OwnerUID, "an orphan")
}

func TestReadClaim(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name        string
		annotations map[string]string
		want        Claim
		marked      bool
		err         string
	}{
		{name: "no mark", want: Claim{}},
		{
			name: "all marks",
			annotations: map[string]string{
				AnnotationPeer: "18446744073709551615", AnnotationStarts: "7", AnnotationVerdict: "start", AnnotationDrained: "12",
			},
			want:   Claim{Peer: 18446744073709551615, Starts: 7, Verdict: "start", Drained: 12},
			marked: true,
		},
		{name: "a cluster is being founded", annotations: map[string]string{AnnotationPeer: "founding"}, want: Claim{Peer: Founding}, marked: true},
		{name: "an empty mark is no absent one", annotations: map[string]string{AnnotationPeer: ""}, err: `peer-id is "", which is no peer id`},
		{name: "a mark that is no id", annotations: map[string]string{AnnotationPeer: "unknown"}, err: `peer-id is "unknown", which is no peer id`},
		{name: "zero is no id", annotations: map[string]string{AnnotationPeer: "0"}, err: `peer-id is "0"`},
		{name: "nothing is drained while founding", annotations: map[string]string{AnnotationDrained: "founding"}, err: `drained is "founding"`},
		{name: "starts are a number", annotations: map[string]string{AnnotationStarts: "-1"}, err: `starts is "-1", which is no number of starts`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			object := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "qdrant-storage-q-4", Annotations: test.annotations}}
			got, err := readClaim(names, object)
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				require.ErrorContains(t, err, "reading claim qdrant-storage-q-4")
				return
			}
			require.NoError(t, err)
			test.want.Name, test.want.Ordinal = "qdrant-storage-q-4", 4
			assert.Equal(t, test.want, got)
			assert.Equal(t, test.marked, got.Marked())
		})
	}
}

func TestPeerTextIsReadBack(t *testing.T) {
	t.Parallel()
	for _, id := range []clusterapi.PeerID{Founding, 2, 4404843217} {
		object := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{AnnotationPeer: PeerText(id)}}}
		claim, err := readClaim(names, object)
		require.NoError(t, err)
		assert.Equal(t, id, claim.Peer)
	}
}
