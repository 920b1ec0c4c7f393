//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/release"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// TestDisruptions: Given three peers with two copies of each shard, and writers and readers that never pause; When pods and nodes go
// in each of the ways in which they do; Then no acknowledged write is lost, and no request fails once it is tried again.
func TestDisruptions(t *testing.T) {
	c := requireCluster(t)
	d := install(t, c)

	// A changed setting replaces every pod, one at a time, and each one stops by itself before the next goes.
	t.Run("rolling_restart", func(t *testing.T) {
		x := d.beginLedger(t, 2)
		stops := d.watchStops(t)
		step(t, "helm upgrade with another setting", func() {
			d.Upgrade(t, release.Chart, d.values(t, "performance: {maxSearchThreads: 2}"))
		})
		step(t, "all pods replaced", func() { d.WaitReady(t, 3) })
		x.requireNothingLost(t, 3)
		ended := stops()
		require.Len(t, ended, 3)
		for _, stop := range ended {
			require.Falsef(t, stop.broken, "the watch of %s broke", stop.pod)
			assert.Equalf(t, int32(0), stop.exitCode, "%s must end by itself, not be killed", stop.pod)
			assert.Containsf(t, stop.log, "SIGTERM received; starting graceful shutdown", "%s must be told to stop", stop.pod)
		}
	})

	d.losePods(t)

	// A node is drained; as long as its pod is away the budget refuses the eviction of another one.
	t.Run("node_drain", func(t *testing.T) {
		x := d.beginLedger(t, 2)
		pods := d.Pods(t)
		node := pods[2].Spec.NodeName
		step(t, "drain "+node, func() {
			require.NoError(t, c.Cordon(t.Context(), node, true))
			t.Cleanup(func() { _ = c.Cordon(context.WithoutCancel(t.Context()), node, false) })
			require.NoError(t, c.Evict(t.Context(), d.namespace, pods[2].Name))
		})
		step(t, "the second eviction is refused", func() {
			err := c.Evict(t.Context(), d.namespace, pods[1].Name)
			require.Error(t, err)
			require.Truef(t, k8s.Refused(err), "refused by the budget, not for another reason: %v", err)
		})
		step(t, "the node is back, and so is its pod", func() {
			require.NoError(t, c.Cordon(t.Context(), node, false))
			_, err := c.WaitPodReplaced(t.Context(), d.namespace, pods[2].Name, pods[2].UID, timeouts.ClusterFormed)
			require.NoError(t, err)
		})
		x.requireNothingLost(t, 3)
	})

	t.Run("node_stop", func(t *testing.T) {
		if !c.NodesAreContainers() {
			t.Skip("SKIP: nodes can be stopped only where they are this machine's containers; unset E2E_KUBECONFIG")
		}
		x := d.beginLedger(t, 2)
		node := d.Pods(t)[1].Spec.NodeName
		step(t, "power off "+node, func() { require.NoError(t, c.StopNode(t.Context(), node)) })
		t.Cleanup(func() { _ = c.StartNode(context.WithoutCancel(t.Context()), node) })
		step(t, "the others go on", func() { x.requireWrites(t, "during") })
		step(t, "power on "+node, func() { require.NoError(t, c.StartNode(t.Context(), node)) })
		x.requireNothingLost(t, 3)
	})
}

// stop is how a pod's server ended and what it had written.
type stop struct {
	pod, log string
	exitCode int32
	broken   bool // the watch ended before the pod did
}

// watchStops follows the present pods to their end. The function it returns waits for all of them to have ended; a pod that is
// replaced leaves nothing behind that could be asked later.
func (d *deployment) watchStops(t *testing.T) func() []stop {
	t.Helper()
	pods := d.Pods(t)
	stops := make([]stop, len(pods))
	var all sync.WaitGroup
	for i, pod := range pods {
		watcher, err := d.cluster.CoreV1().Pods(d.namespace).Watch(t.Context(), metav1.ListOptions{
			FieldSelector: "metadata.name=" + pod.Name, ResourceVersion: pod.ResourceVersion})
		require.NoError(t, err)
		logs, err := d.cluster.CoreV1().Pods(d.namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Container: k8s.Container, Follow: true}).Stream(t.Context())
		require.NoError(t, err)
		stops[i] = stop{pod: pod.Name, exitCode: -1}
		all.Go(func() {
			defer watcher.Stop()
			for event := range watcher.ResultChan() {
				seen, ok := event.Object.(*corev1.Pod)
				if !ok || seen.UID != pod.UID {
					continue
				}
				for _, status := range seen.Status.ContainerStatuses {
					if status.Name == k8s.Container && status.State.Terminated != nil {
						stops[i].exitCode = status.State.Terminated.ExitCode
					}
				}
				if event.Type == watch.Deleted {
					return
				}
			}
			stops[i].broken = true
		})
		all.Go(func() {
			defer logs.Close() //nolint:errcheck // it was only read
			text, err := io.ReadAll(logs)
			if err != nil {
				text = append(text, fmt.Sprintf("\nreading the log: %v", err)...)
			}
			stops[i].log = string(text)
		})
	}
	return func() []stop {
		all.Wait()
		for _, stop := range stops {
			t.Logf("%s ended with exit code %d; its last line: %s", stop.pod, stop.exitCode, lastLine(stop.log))
		}
		return stops
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
