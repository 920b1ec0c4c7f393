//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	internal "github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/release"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// TestShepherdLosses: Given three peers under shepherd, 100,000 vectors and a ledger; When a pod's volume is lost, or an old copy of it is put
// back; Then the pod waits and says for what, founds no second cluster, and heals once that is allowed; what had its only copy there is
// given up by a person or not at all.
func TestShepherdLosses(t *testing.T) {
	t.Parallel()
	c := requireCluster(t)
	d := installShepherd(t, c)
	l := d.fillLibrary(t)

	t.Run("pod_2_loses_its_volume", func(t *testing.T) {
		s := l.beginScene(t)
		pod := d.Fullname() + "-2"
		step(t, "it waits, and nothing is done about it", func() {
			d.loseVolume(t, pod)
			d.awaitVerdict(t, 2, "wait-lost-volume")
			d.requireNotReady(t, pod)
			s.requireWrites(t, "while it waits")
			status, _, err := d.command(t.Context(), "status")
			require.NoError(t, err)
			assert.Contains(t, status, "recovery.replaceLostVolumes", "status says what to do")
			d.awaitOneClusterOf(t, 3, 2)
		})
		step(t, "allowed to, it is replaced", func() {
			d.Upgrade(t, release.Chart, d.values(t, "recovery: {replaceLostVolumes: true}"))
			d.WaitReady(t, 3)
			d.awaitOneCluster(t, 3)
		})
		s.requireNothingLost(t, 3)
	})

	t.Run("pod_0_loses_its_volume", func(t *testing.T) {
		s := l.beginScene(t)
		lost, err := d.claim(t.Context(), 0)
		require.NoError(t, err)
		d.loseVolume(t, d.Fullname()+"-0")
		require.NoError(t, k8s.Poll(t.Context(), timeouts.PodGone, "pod 0 has another claim", func(ctx context.Context) error {
			claim, err := d.claim(ctx, 0)
			if err == nil && claim.UID == lost.UID {
				err = errors.New("it has the old one")
			}
			return err
		}))
		d.WaitReady(t, 3)
		d.awaitOneCluster(t, 3)
		s.requireNothingLost(t, 3)
	})

	t.Run("an_old_copy_of_a_volume_is_put_back", func(t *testing.T) {
		if !c.NodesAreContainers() {
			t.Skip("SKIP: volumes can be copied only where nodes are this machine's containers; unset E2E_KUBECONFIG")
		}
		s := l.beginScene(t)
		pod := d.Pods(t)[1]
		volume := d.volumePath(t, 1)
		node := pod.Spec.NodeName
		step(t, "the copy", func() { require.NoError(t, c.OnNode(t.Context(), node, "cp", "-a", volume, volume+".old")) })
		t.Cleanup(func() { _ = c.OnNode(context.WithoutCancel(t.Context()), node, "rm", "-rf", volume+".old") })
		s.requireWrites(t, "after the copy")
		step(t, "the pod goes, and comes back to the copy", func() {
			d.keepAway(t, pod)
			require.NoError(t, c.OnNode(t.Context(), node, "sh", "-c", fmt.Sprintf("rm -rf %[1]s/* %[1]s/.[!.]* && cp -a %[1]s.old/. %[1]s/", volume)))
			require.NoError(t, c.Cordon(t.Context(), node, false))
		})
		step(t, "it waits: stale data would read as Active", func() {
			d.awaitVerdict(t, 1, "wait-old-volume")
			d.requireNotReady(t, pod.Name)
		})
		step(t, "thrown away as a lost volume it heals", func() {
			d.loseVolume(t, pod.Name)
			require.NoError(t, k8s.Poll(t.Context(), timeouts.PodGone, "a new claim", func(ctx context.Context) error {
				now, err := c.CoreV1().Pods(d.namespace).Get(ctx, pod.Name, metav1.GetOptions{})
				if err == nil && now.DeletionTimestamp != nil {
					err = errors.New("the pod still goes")
				}
				return err
			}))
			d.WaitReady(t, 3)
			d.awaitOneCluster(t, 3)
		})
		s.requireNothingLost(t, 3)
	})

	// By a mistake of a person's: the server goes on with data that nobody counts any more.
	t.Run("a_peer_is_removed_by_hand", func(t *testing.T) {
		s := l.beginScene(t)
		peers := d.peers(t)
		view, err := peers[1].Client.Cluster(t.Context())
		require.NoError(t, err)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, fmt.Sprintf("%s/cluster/peer/%s?force=true", peers[0].Client.URL(), view.PeerID), nil)
		require.NoError(t, err)
		request.Header.Set("api-key", d.keys["api-key"])
		answer, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusOK, answer.StatusCode)
		step(t, "it is not ready any more, its pod is replaced, and joins anew", func() {
			_, err := c.WaitPodReplaced(t.Context(), d.namespace, peers[1].Name, d.Pods(t)[1].UID, timeouts.ClusterFormed)
			require.NoError(t, err)
			d.WaitReady(t, 3)
			d.awaitOneCluster(t, 3)
		})
		s.requireNothingLost(t, 3)
	})

	// What had its only copy on the lost volume is gone. Nobody but a person says so.
	t.Run("the_only_copy_is_lost", func(t *testing.T) {
		s := l.beginScene(t)
		single := d.beginLedger(t, 1)
		single.Stop()
		pod := d.Fullname() + "-2"
		lost := d.shardsOf(t, single.collection, pod)
		require.NotEmpty(t, lost)
		d.awaitMetric(t, "shepherd_blocked", timeouts.ClusterFormed, func(blocked float64) bool { return blocked == 0 })
		step(t, "recovery stops at it", func() {
			d.loseVolume(t, pod)
			d.awaitVerdict(t, 2, "wait-lost-volume")
			d.awaitMetric(t, "shepherd_blocked", timeouts.ClusterFormed, func(blocked float64) bool { return blocked > 0 })
			d.requireNotReady(t, pod)
		})
		step(t, "accepted, it goes on", func() {
			args := []string{"accept-loss", "--yes"}
			for _, shard := range lost {
				args = append(args, fmt.Sprintf("%s/%d", single.collection, shard))
			}
			stdout, stderr, err := d.command(t.Context(), args...)
			require.NoError(t, err, stdout+stderr)
			t.Logf("shepherd %s:\n%s", strings.Join(args, " "), stdout)
			d.WaitReady(t, 3)
			d.awaitOneCluster(t, 3)
			d.awaitActive(t, single.collection, 1)
		})
		verdict := single.Judge(t.Context(), d.peers(t))
		assert.NotEmpty(t, verdict.Lost, "what was given up is lost, and the ledger sees it")
		require.NoError(t, d.connect(t, d.keys["api-key"]).DeleteCollection(t.Context(), single.collection))
		s.requireNothingLost(t, 3)
	})
}

// claim reads the data claim of an ordinal.
func (d *deployment) claim(ctx context.Context, ordinal int) (*corev1.PersistentVolumeClaim, error) {
	name := fmt.Sprintf("qdrant-storage-%s-%d", d.Fullname(), ordinal)
	claim, err := d.cluster.CoreV1().PersistentVolumeClaims(d.namespace).Get(ctx, name, metav1.GetOptions{})
	if err == nil && claim.DeletionTimestamp != nil {
		return nil, fmt.Errorf("claim %s is going", name)
	}
	return claim, err
}

// awaitVerdict waits until a pod's start has left a verdict on its claim.
func (d *deployment) awaitVerdict(t *testing.T, ordinal int, verdict string) {
	t.Helper()
	require.NoError(t, k8s.Poll(t.Context(), timeouts.ClusterFormed, fmt.Sprintf("the start of pod %d decides %s", ordinal, verdict), func(ctx context.Context) error {
		claim, err := d.claim(ctx, ordinal)
		if err != nil {
			return err
		}
		if text := claim.Annotations[internal.AnnotationVerdict]; !strings.Contains(text, verdict) {
			return fmt.Errorf("it says %q", text)
		}
		return nil
	}))
}

// requireNotReady looks for a while whether a pod becomes ready after all. It must be there at some time: one that never comes back has not
// decided anything.
func (d *deployment) requireNotReady(t *testing.T, pod string) {
	t.Helper()
	seen := false
	defer func() { require.Truef(t, seen, "%s was never there", pod) }()
	require.NoError(t, k8s.Steady(t.Context(), 2*timeouts.Settle, pod+" is not ready", func(ctx context.Context) error {
		now, err := d.cluster.CoreV1().Pods(d.namespace).Get(ctx, pod, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		seen = seen || err == nil
		if err == nil && k8s.Ready(now) {
			err = errors.New("it is")
		}
		return err
	}))
}

// awaitOneClusterOf waits until the pods that answer, so many, know the same peers, so many.
func (d *deployment) awaitOneClusterOf(t *testing.T, peers, answering int) {
	t.Helper()
	require.NoError(t, k8s.Poll(t.Context(), timeouts.ClusterFormed, fmt.Sprintf("%d pods that know %d peers", answering, peers), func(ctx context.Context) error {
		pods, err := d.cluster.Pods(ctx, d.namespace, d.Selector())
		if err != nil {
			return err
		}
		seen := 0
		for _, pod := range pods {
			if !k8s.Ready(&pod) {
				continue
			}
			peer, stop, err := d.peer(ctx, pod.Name)
			if err != nil {
				return err
			}
			view, err := peer.Client.Cluster(ctx)
			stop()
			if err != nil {
				return err
			}
			if len(view.Peers) != peers {
				return fmt.Errorf("%s knows %d", pod.Name, len(view.Peers))
			}
			seen++
		}
		if seen != answering {
			return fmt.Errorf("%d are ready", seen)
		}
		return nil
	}))
}

// shardsOf are the shards of a collection that a pod holds.
func (d *deployment) shardsOf(t *testing.T, collection, pod string) []uint32 {
	t.Helper()
	peer, stop, err := d.peer(t.Context(), pod)
	require.NoError(t, err)
	defer stop()
	view, err := peer.Client.CollectionCluster(t.Context(), collection)
	require.NoError(t, err)
	var shards []uint32
	for _, replica := range view.Replicas {
		if replica.Local {
			shards = append(shards, uint32(replica.Shard))
		}
	}
	return shards
}

// volumePath is where the data volume of an ordinal lies on its node.
func (d *deployment) volumePath(t *testing.T, ordinal int) string {
	t.Helper()
	claim, err := d.claim(t.Context(), ordinal)
	require.NoError(t, err)
	volume, err := d.cluster.CoreV1().PersistentVolumes().Get(t.Context(), claim.Spec.VolumeName, metav1.GetOptions{})
	require.NoError(t, err)
	switch {
	case volume.Spec.HostPath != nil:
		return path.Clean(volume.Spec.HostPath.Path)
	case volume.Spec.Local != nil:
		return path.Clean(volume.Spec.Local.Path)
	}
	t.Skipf("SKIP: the volume %s is not a folder of its node", volume.Name)
	return ""
}
