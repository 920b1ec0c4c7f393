//go:build e2e

package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/tests/internal/images"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/release"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// TestShepherdEndings: Given a release under shepherd with data, and keys that the chart has made; When it is put to rest, uninstalled, or its
// namespace is deleted; Then no pod holds that up, what is put to rest comes back as it was, and the keys stay the same.
func TestShepherdEndings(t *testing.T) {
	t.Parallel()
	c := requireCluster(t)
	requireImages(t, c, images.Shepherd)
	d := prepare(t, c)
	d.shepherd = true
	expectDenials(d.namespace) // the roles go before the last pod does
	const generated = "auth: {existingSecret: null, generate: true}"
	d.Install(t, release.Chart, d.values(t, generated))
	d.keys = d.generatedKeys(t)
	d.WaitReady(t, 3)
	d.awaitOneCluster(t, 3)
	x := d.beginLedger(t, 2)
	x.Stop()

	step(t, "replicas: 0", func() {
		d.Upgrade(t, release.Chart, d.values(t, generated, "replicas: 0"))
		assert.Less(t, d.awaitPods(t, 0, timeouts.PodGone), timeouts.Ended)
	})
	step(t, "and back, with everything", func() {
		d.Upgrade(t, release.Chart, d.values(t, generated))
		d.WaitReady(t, 3)
		d.awaitOneCluster(t, 3)
		d.awaitActive(t, x.collection, 2)
		x.judge(t)
	})
	step(t, "helm uninstall", func() {
		d.Uninstall(t)
		assert.Less(t, d.awaitPods(t, 0, timeouts.PodGone), timeouts.Ended)
	})
	step(t, "installed again it is the same cluster", func() {
		d.Install(t, release.Chart, d.values(t, generated))
		assert.Equal(t, d.keys, d.generatedKeys(t))
		d.WaitReady(t, 3)
		d.awaitOneCluster(t, 3)
		d.awaitActive(t, x.collection, 2)
		x.judge(t)
	})
	step(t, "the namespace is deleted", func() {
		begin := time.Now()
		require.NoError(t, c.CoreV1().Namespaces().Delete(t.Context(), d.namespace, metav1.DeleteOptions{}))
		require.NoError(t, c.WaitPodsGone(t.Context(), d.namespace, d.Selector(), timeouts.PodGone))
		assert.Less(t, time.Since(begin), timeouts.Ended)
	})
}

// generatedKeys are the keys that the chart has made.
func (d *deployment) generatedKeys(t *testing.T) map[string]string {
	t.Helper()
	secret, err := d.cluster.CoreV1().Secrets(d.namespace).Get(t.Context(), d.Fullname()+"-keys", metav1.GetOptions{})
	require.NoError(t, err)
	keys := map[string]string{}
	for name, value := range secret.Data {
		require.GreaterOrEqual(t, len(value), 32)
		keys[name] = string(value)
	}
	require.Len(t, keys, 2)
	return keys
}

// TestShepherdBadDays: Given a release under shepherd; When tend may not do what it has to, or has the wrong key; Then it says so in a line
// and a metric, changes nothing on a guess, the cluster serves on, and all is well once the cause is gone.
func TestShepherdBadDays(t *testing.T) {
	t.Parallel()
	c := requireCluster(t)
	d := installShepherd(t, c)
	expectDenials(d.namespace)
	x := d.beginLedger(t, 2)

	t.Run("no_permission", func(t *testing.T) {
		bindings := c.RbacV1().RoleBindings(d.namespace)
		binding, err := bindings.Get(t.Context(), "q-shepherd", metav1.GetOptions{})
		require.NoError(t, err)
		tend, err := d.tend(t.Context())
		require.NoError(t, err)
		before, err := d.metric(t.Context(), tend.Name, observationErrors)
		require.NoError(t, err)
		require.NoError(t, bindings.Delete(t.Context(), binding.Name, metav1.DeleteOptions{}))
		d.awaitTendSays(t, "forbidden")
		d.awaitMetric(t, observationErrors, timeouts.ClusterFormed, func(errors float64) bool { return errors > before })
		require.NoError(t, d.scaleAndBack(t))
		_, err = bindings.Create(t.Context(), &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: binding.Name, Namespace: d.namespace, Labels: binding.Labels, Annotations: binding.Annotations},
			RoleRef: binding.RoleRef, Subjects: binding.Subjects}, metav1.CreateOptions{})
		require.NoError(t, err)
		d.awaitPods(t, 3, timeouts.Drained)
		d.awaitOneCluster(t, 3)
	})

	t.Run("wrong_key", func(t *testing.T) {
		right := d.keys["api-key"]
		d.keys["api-key"] = randomKey(t)
		d.writeSecret(t)
		d.killTend(t) // it reads the key when it starts
		d.keys["api-key"] = right
		d.awaitTendSays(t, "401")
		d.awaitMetric(t, observationErrors, timeouts.ClusterFormed, func(errors float64) bool { return errors > 0 })
		d.writeSecret(t)
		d.killTend(t)
		require.NoError(t, k8s.Poll(t.Context(), timeouts.ClusterFormed, "status answers", func(ctx context.Context) error {
			_, stderr, err := d.command(ctx, "status")
			if err != nil {
				err = errors.Join(err, errors.New(stderr))
			}
			return err
		}))
	})
	x.requireNothingLost(t, 3)
}

// observationErrors counts the looks of tend that failed.
const observationErrors = "shepherd_observation_errors_total"

// awaitTendSays waits until tend's log has a line with a word in it.
func (d *deployment) awaitTendSays(t *testing.T, word string) {
	t.Helper()
	require.NoError(t, k8s.Poll(t.Context(), timeouts.ClusterFormed, "tend is there", func(ctx context.Context) error {
		_, err := d.tend(ctx)
		return err
	}))
	pod, err := d.tend(t.Context())
	require.NoError(t, err)
	d.awaitLog(t, pod.Name, "tend", timeouts.ClusterFormed, word)
}

// scaleAndBack asks for four pods, waits for the fourth, and asks for three again: with nobody to drain it, the fourth is held.
func (d *deployment) scaleAndBack(t *testing.T) error {
	if err := d.scale(t.Context(), 4); err != nil {
		return err
	}
	d.WaitReady(t, 4)
	// Nobody keeps what the guard asks up to date, and what it says last is that all is whole.
	if err := d.scale(t.Context(), 3); err != nil {
		return err
	}
	_, err := d.cluster.WaitPod(t.Context(), d.namespace, d.Fullname()+"-3", "asked to stop", timeouts.PodGone, func(pod *corev1.Pod) bool {
		return pod.DeletionTimestamp != nil
	})
	if err != nil {
		return err
	}
	return k8s.Steady(t.Context(), 2*timeouts.Settle, "the fourth pod is held", func(ctx context.Context) error {
		pod, err := d.cluster.CoreV1().Pods(d.namespace).Get(ctx, d.Fullname()+"-3", metav1.GetOptions{})
		if err == nil && (pod.DeletionTimestamp == nil || !serves(pod)) {
			err = errors.New("it must be asked to stop and go on serving: " + k8s.PodState(pod))
		}
		return err
	})
}
