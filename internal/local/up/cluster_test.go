package up

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func TestTheKeyIsMadeOnce(t *testing.T) {
	api := fake.NewClientset()
	_, err := prepareNamespace(t.Context(), api)
	require.NoError(t, err)
	made, err := api.CoreV1().Secrets(namespace).Get(t.Context(), secret, metav1.GetOptions{})
	require.NoError(t, err)
	assert.Len(t, made.StringData[secretKey], 64)
	_, err = prepareNamespace(t.Context(), api)
	require.NoError(t, err)
	again, err := api.CoreV1().Secrets(namespace).Get(t.Context(), secret, metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, made.StringData, again.StringData)
}

func revision(name, status string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Name: name, Namespace: namespace, Labels: map[string]string{"owner": "helm", "name": release, "status": status},
	}}
}

func TestARevisionOfAKilledRunIsForgotten(t *testing.T) {
	for _, test := range []struct {
		name      string
		revisions []string
		there     bool
		left      int
	}{
		{name: "first_install", there: false},
		{name: "killed_in_the_first_install", revisions: []string{"pending-install"}, there: false, left: 0},
		{name: "killed_in_an_upgrade", revisions: []string{"deployed", "pending-upgrade"}, there: true, left: 1},
		{name: "failed", revisions: []string{"failed"}, there: true, left: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			api := fake.NewClientset()
			for i, status := range test.revisions {
				_, err := api.CoreV1().Secrets(namespace).Create(t.Context(), revision(string(rune('a'+i)), status), metav1.CreateOptions{})
				require.NoError(t, err)
			}
			there, err := forgetPending(t.Context(), api)
			require.NoError(t, err)
			assert.Equal(t, test.there, there)
			left, err := api.CoreV1().Secrets(namespace).List(t.Context(), metav1.ListOptions{})
			require.NoError(t, err)
			assert.Len(t, left.Items, test.left)
		})
	}
}

// placed is a pod of the StatefulSet that the scheduler has found a node for.
func placed(name string, status corev1.PodStatus) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{NodeName: "node-00"}, Status: status}
}

func TestPodsAreShownWhenTheyChange(t *testing.T) {
	var out strings.Builder
	shown := rollout{screen: &screen{out: &out}, said: map[string]string{}}
	waiting := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "q-qdrant-1"}}
	whole := corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}
	for _, pods := range [][]*corev1.Pod{
		{waiting, placed("q-qdrant-0", corev1.PodStatus{Phase: corev1.PodPending})},
		{waiting, placed("q-qdrant-0", corev1.PodStatus{Phase: corev1.PodRunning})},
		{waiting, placed("q-qdrant-0", corev1.PodStatus{Phase: corev1.PodRunning})},
		{placed("q-qdrant-0", whole)},
	} {
		require.NoError(t, shown.show(pods))
	}
	var lines []string
	for line := range strings.Lines(out.String()) {
		_, text, _ := strings.Cut(line, " s  ")
		lines = append(lines, strings.Join(strings.Fields(text), " "))
	}
	assert.Equal(t, []string{
		"q-qdrant-0 starting on node-00", "q-qdrant-1 waiting for a node", "q-qdrant-0 running, not ready yet", "q-qdrant-0 ready", "q-qdrant-1 gone",
	}, lines)
}

func TestAServerThatEndsAgainAndAgainIsGivenUp(t *testing.T) {
	status := corev1.ContainerStatus{Name: "qdrant", RestartCount: hopeless - 1, LastTerminationState: corev1.ContainerState{
		Terminated: &corev1.ContainerStateTerminated{ExitCode: 3, Message: "the disk is full"},
	}}
	require.NoError(t, crash(placed("q-qdrant-0", corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{status}})))
	status.RestartCount = hopeless
	err := crash(placed("q-qdrant-0", corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{status}}))
	assert.EqualError(t, err, "container qdrant of q-qdrant-0 has ended 3 times, with code 3: the disk is full")
}

func TestAContainersEnvironmentIsReadAsTheKubeletDoes(t *testing.T) {
	api := fake.NewClientset(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: secret, Namespace: namespace}, Data: map[string][]byte{secretKey: []byte("sesame")}})
	key := func(name string, optional bool) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: name, Optional: &optional}}
	}
	pod := metav1.ObjectMeta{Name: "q-qdrant-0", Namespace: namespace}
	env, err := readEnvironment(t.Context(), api, pod, corev1.Container{Env: []corev1.EnvVar{
		{Name: "PLAIN", Value: "text"},
		{Name: "POD", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}},
		{Name: "KEY", ValueFrom: key(secretKey, false)},
		{Name: "MAYBE", ValueFrom: key("read-only", true)},
	}})
	require.NoError(t, err)
	assert.Equal(t, environment{"PLAIN": "text", "POD": "q-qdrant-0", "KEY": "sesame"}, env)
	_, err = readEnvironment(t.Context(), api, pod, corev1.Container{Name: "qdrant", Env: []corev1.EnvVar{{Name: "KEY", ValueFrom: key("read-only", false)}}})
	assert.ErrorContains(t, err, "secret qdrant-keys has no entry read-only")
}

func TestAVolumeIsKeptForItsClaimOnly(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "qdrant-storage-q-qdrant-0")
	data := filepath.Join(directory, "raft_state.json")
	require.NoError(t, provide(directory, "one"))
	require.NoError(t, os.WriteFile(data, nil, 0o644))
	require.NoError(t, provide(directory, "one"))
	assert.FileExists(t, data, "the same claim has its data")
	require.NoError(t, provide(directory, "two"))
	assert.NoFileExists(t, data, "another claim of the name is empty")
	assert.DirExists(t, directory)
}

func TestTheLastWordsOfAServer(t *testing.T) {
	log := filepath.Join(t.TempDir(), "qdrant.log")
	for text, want := range map[string]string{
		"INFO\nError: no disk\n\n": "Error: no disk",
		`{"level":"ERROR","fields":{"message":"Panic occurred: no disk"}}`: "Panic occurred: no disk",
	} {
		require.NoError(t, os.WriteFile(log, []byte(text), 0o644))
		assert.Equal(t, want, lastWords(log))
	}
	assert.Contains(t, lastWords(log+"s"), "no such file")
}
