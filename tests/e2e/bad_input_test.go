//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/tests/internal/evidence"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/release"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// TestBadInput: Given values with a mistake; When they are installed; Then what can be known before is refused before anything is
// made, and the rest shows where docs/troubleshooting.md says, and goes away with its cause.
func TestBadInput(t *testing.T) {
	t.Parallel()
	c := requireCluster(t)
	small := release.Values{Files: []string{"values/values-dev.yaml"}}
	with := func(yaml string) release.Values { return release.Values{Files: small.Files, YAML: []string{yaml}} }

	t.Run("a_wrong_value_changes_nothing", func(t *testing.T) {
		namespace := c.Namespace(t)
		r := release.New(t, c, namespace, "q")
		for _, test := range []struct{ values, want string }{
			{"replcias: 2", "replcias"},
			{"replicas: three", "/replicas"},
			{"collection: {replicationFactor: 3}", "collection.replicationFactor: 3 copies need at least as many peers"},
		} {
			err := r.InstallE(t, release.Chart, with(test.values))
			require.Error(t, err)
			assert.Contains(t, err.Error(), test.want)
		}
		sets, err := c.AppsV1().StatefulSets(namespace).List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		assert.Empty(t, sets.Items)
		secrets, err := c.CoreV1().Secrets(namespace).List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		assert.Empty(t, secrets.Items, "not even Helm's record of a release")
	})

	t.Run("a_missing_secret", func(t *testing.T) {
		d := prepare(t, c)
		require.NoError(t, c.CoreV1().Secrets(d.namespace).Delete(t.Context(), secretName, metav1.DeleteOptions{}))
		d.Install(t, release.Chart, with("auth: {existingSecret: qdrant-keys}"))
		d.awaitWaiting(t, "CreateContainerConfigError", secretName)
		d.writeSecret(t)
		d.WaitReady(t, 1)
	})

	t.Run("an_image_that_cannot_be_pulled", func(t *testing.T) {
		namespace := c.Namespace(t)
		evidence.OnFailure(t, c, namespace)
		d := &deployment{Release: release.New(t, c, namespace, "q"), cluster: c, namespace: namespace}
		d.Install(t, release.Chart, with("image: {repository: registry.invalid/qdrant}"))
		d.awaitWaiting(t, "ImagePullBackOff", "registry.invalid/qdrant")
	})

	t.Run("a_storage_class_that_is_not_there", func(t *testing.T) {
		namespace := c.Namespace(t)
		evidence.OnFailure(t, c, namespace)
		r := release.Install(t, c, namespace, "q", release.Chart, with("persistence: {data: {storageClass: none-such}}"))
		err := k8s.Poll(t.Context(), timeouts.PodRunning, "an event that names the storage class", func(ctx context.Context) error {
			events, err := c.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=qdrant-storage-" + r.Fullname() + "-0"})
			if err != nil {
				return err
			}
			for _, event := range events.Items {
				if strings.Contains(event.Message, `"none-such" not found`) {
					return nil
				}
			}
			return fmt.Errorf("%d events, none of them does", len(events.Items))
		})
		require.NoError(t, err)
	})
}

// awaitWaiting waits until a container of the release waits for this reason, with a message that names what is missing.
func (d *deployment) awaitWaiting(t *testing.T, reason, names string) {
	t.Helper()
	_, err := d.cluster.WaitPod(t.Context(), d.namespace, d.Fullname()+"-0", reason, timeouts.PodRunning, func(pod *corev1.Pod) bool {
		for _, status := range pod.Status.ContainerStatuses {
			if waiting := status.State.Waiting; waiting != nil && waiting.Reason == reason && strings.Contains(waiting.Message, names) {
				return true
			}
		}
		return false
	})
	require.NoError(t, err)
}
