//go:build e2e

package e2e

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/release"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// TestCore: Given three peers under shepherd with two copies of each shard; When a setting changes, a server is killed, the cluster grows and
// shrinks, and a volume is lost; Then no acknowledged write is lost. It is the short form of what the other suites do at length.
func TestCore(t *testing.T) {
	c := requireCluster(t)
	const zones = "rebalance: {readNodeZones: true}"
	d := installShepherd(t, c, zones)
	require.NoError(t, c.HideZone(t.Context(), d.namespace, d.Pods(t)[0].Name)) // and its node is asked

	t.Run("rolling_restart", func(t *testing.T) {
		x := d.beginLedger(t, 2)
		away := d.watchAway(t)
		step(t, "helm upgrade with another setting", func() {
			d.Upgrade(t, release.Chart, d.values(t, zones, "performance: {maxSearchThreads: 2}"))
			d.WaitReady(t, 3)
		})
		away.requireOneByOne(t, 3)
		x.requireNothingLost(t, 3)
	})
	d.losePods(t)
	t.Run("3_to_5_to_3", func(t *testing.T) {
		x := d.beginLedger(t, 2)
		step(t, "3 to 5", func() {
			d.Upgrade(t, release.Chart, d.values(t, zones, "replicas: 5"))
			d.WaitReady(t, 5)
			d.awaitOneCluster(t, 5)
			d.awaitBalanced(t, 5)
		})
		step(t, "5 to 3", func() {
			d.shrink(t, func() error { return d.UpgradeE(t, release.Chart, d.values(t, zones)) })
			d.awaitPods(t, 3, timeouts.Drained)
			d.awaitOneCluster(t, 3)
		})
		x.requireNothingLost(t, 3)
	})
	t.Run("lost_volume_healed", func(t *testing.T) {
		x := d.beginLedger(t, 2)
		pod := d.Pods(t)[2]
		before := d.peerIDs(t)
		step(t, "the volume of "+pod.Name+" is lost, and the pod waits", func() {
			d.loseVolume(t, pod.Name)
			d.awaitVerdict(t, 2, "wait-lost-volume")
			x.requireWrites(t, "while it waits")
		})
		step(t, "allowed to, it is replaced", func() {
			d.Upgrade(t, release.Chart, d.values(t, zones, "recovery: {replaceLostVolumes: true}"))
			d.WaitReady(t, 3)
			d.awaitOneCluster(t, 3)
		})
		after := d.peerIDs(t)
		assert.NotEqual(t, before[pod.Name], after[pod.Name], "it joined as a new peer")
		x.requireNothingLost(t, 3)
	})
}

// losePods deletes a pod, and kills the server of another one. No acknowledged write may be lost by either.
func (d *deployment) losePods(t *testing.T) {
	t.Run("pod_delete", func(t *testing.T) {
		x := d.beginLedger(t, 2)
		pod := d.Pods(t)[1]
		step(t, "delete "+pod.Name, func() { d.replace(t, pod) })
		x.requireNothingLost(t, 3)
	})
	t.Run("process_killed", func(t *testing.T) {
		x := d.beginLedger(t, 2)
		pod := d.Pods(t)[0]
		step(t, "SIGKILL to the server of "+pod.Name, func() { d.killServer(t, pod) })
		x.requireNothingLost(t, 3)
	})
}

// replace deletes a pod and waits until another one is ready under its name.
func (d *deployment) replace(t *testing.T, pod corev1.Pod) {
	t.Helper()
	d.deletePod(t, pod.Name)
	_, err := d.cluster.WaitPodReplaced(t.Context(), d.namespace, pod.Name, pod.UID, timeouts.ClusterFormed)
	require.NoError(t, err)
}

// killServer ends the server of a pod with SIGKILL and waits until its container has started again and is ready.
func (d *deployment) killServer(t *testing.T, pod corev1.Pod) {
	t.Helper()
	if !d.cluster.NodesAreContainers() {
		t.Skip("SKIP: processes can be killed only where nodes are this machine's containers; unset E2E_KUBECONFIG")
	}
	restarts := restartsOf(&pod)
	require.NoError(t, d.cluster.Kill(t.Context(), d.namespace, pod.Name, k8s.Container))
	_, err := d.cluster.WaitPod(t.Context(), d.namespace, pod.Name, "ready after a restart", timeouts.ClusterFormed, func(pod *corev1.Pod) bool {
		return k8s.Ready(pod) && restartsOf(pod) > restarts
	})
	require.NoError(t, err)
}

// restartsOf is how often the server's container of a pod was started again.
func restartsOf(pod *corev1.Pod) int32 {
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name == k8s.Container {
			return status.RestartCount
		}
	}
	return 0
}
