//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/workload"
	"github.com/qdrant-shepherd/shepherd/tests/internal/images"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/release"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// TestShepherdScaling: Given three peers under shepherd, 100,000 vectors and a ledger; When the cluster grows and shrinks, by an upgrade,
// by `kubectl scale`, half-way and back, and while what moves the shards is killed; Then new peers get their share, leaving ones go
// empty, and nothing that was acknowledged is lost.
func TestShepherdScaling(t *testing.T) {
	t.Parallel()
	c := requireCluster(t)
	d := installShepherd(t, c)
	l := d.fillLibrary(t)

	t.Run("3_to_5_by_upgrade", func(t *testing.T) {
		s := l.beginScene(t)
		d.Upgrade(t, release.Chart, d.values(t, "replicas: 5"))
		d.WaitReady(t, 5)
		d.awaitBalanced(t, 5)
		s.requireNothingLost(t, 5)
	})
	t.Run("5_to_3_by_upgrade", func(t *testing.T) {
		s := l.beginScene(t)
		d.shrink(t, func() error { return d.UpgradeE(t, release.Chart, d.values(t)) })
		d.awaitPods(t, 3, timeouts.Drained)
		d.awaitOneCluster(t, 3)
		s.requireNothingLost(t, 3)
	})

	t.Run("3_to_5_by_kubectl_scale_and_tend_is_killed", func(t *testing.T) {
		s := l.beginScene(t)
		require.NoError(t, d.scale(t.Context(), 5))
		d.awaitMoving(t, 3, 4)
		step(t, "SIGKILL to tend in the middle of it", func() { d.killTend(t) })
		d.WaitReady(t, 5)
		d.awaitBalanced(t, 5)
		s.requireNothingLost(t, 5)
	})
	t.Run("5_to_3_and_back_in_the_middle", func(t *testing.T) {
		s := l.beginScene(t)
		d.shrink(t, func() error { return d.scale(t.Context(), 3) })
		d.awaitMoving(t, 0, 1, 2)
		require.NoError(t, d.scale(t.Context(), 5))
		d.WaitReady(t, 5)
		d.awaitOneCluster(t, 5)
		d.awaitBalanced(t, 5)
		s.requireNothingLost(t, 5)
	})
	t.Run("5_to_4_and_the_leaving_server_is_killed", func(t *testing.T) {
		if !d.cluster.NodesAreContainers() {
			t.Skip("SKIP: processes can be killed only where nodes are this machine's containers; unset E2E_KUBECONFIG")
		}
		s := l.beginScene(t)
		d.shrink(t, func() error { return d.scale(t.Context(), 4) })
		d.awaitMoving(t, 0, 1, 2, 3)
		require.NoError(t, c.Kill(t.Context(), d.namespace, d.Fullname()+"-4", k8s.Container))
		d.awaitPods(t, 4, timeouts.Drained)
		d.awaitOneCluster(t, 4)
		s.requireNothingLost(t, 4)
	})
	// One copy of each shard: whatever the leaving peer holds is the only one.
	t.Run("4_to_3_by_kubectl_scale_with_single_copies", func(t *testing.T) {
		s := l.beginScene(t)
		single := d.beginLedger(t, 1)
		d.shrink(t, func() error { return d.scale(t.Context(), 3) })
		d.awaitPods(t, 3, timeouts.Drained)
		d.awaitOneCluster(t, 3)
		single.requireNothingLost(t, 3)
		s.requireNothingLost(t, 3)
	})

	t.Run("a_shrink_that_can_not_work", func(t *testing.T) {
		s := l.beginScene(t)
		for _, shrink := range []func() error{
			func() error { return d.scale(t.Context(), 1) },
			func() error {
				return d.UpgradeE(t, release.Chart, d.values(t, "replicas: 1\ncollection: {replicationFactor: 1}"))
			},
		} {
			err := shrink()
			require.Error(t, err)
			assert.ErrorContains(t, err, "cannot hold the 2 copies")
			assert.ErrorContains(t, err, "guard")
		}
		step(t, "and without the guard nothing is lost either", func() {
			state, err := c.CoreV1().ConfigMaps(d.namespace).Get(t.Context(), "q-shepherd", metav1.GetOptions{})
			require.NoError(t, err)
			if state.Data == nil {
				state.Data = map[string]string{}
			}
			state.Data["guard"] = "off"
			_, err = c.CoreV1().ConfigMaps(d.namespace).Update(t.Context(), state, metav1.UpdateOptions{})
			require.NoError(t, err)
			d.shrink(t, func() error { return d.scale(t.Context(), 1) })
			d.awaitPods(t, 1, timeouts.Drained)
			d.awaitOneCluster(t, 1)
			s.requireWrites(t, "with one peer")
			d.awaitActive(t, s.collection, 1)
			t.Logf("LEDGER %s: %s", t.Name(), s.judge(t).Report)
			db := d.connect(t, d.keys["api-key"])
			for name, words := range l.collections {
				require.NoError(t, workload.RequireCount(t.Context(), db, name, nil, words.Len()))
			}
		})
	})
}

// shrink asks for fewer peers until the guard lets it through: each scene brings a new collection, and while its shards are being moved to
// their places the guard refuses.
func (d *deployment) shrink(t *testing.T, ask func() error) {
	t.Helper()
	require.NoError(t, k8s.Poll(t.Context(), timeouts.Balanced, "the guard's leave to shrink", func(context.Context) error {
		err := ask()
		if err != nil && !strings.Contains(err.Error(), "ValidatingAdmissionPolicy") {
			require.NoError(t, err)
		}
		return err
	}))
}

// awaitMoving waits until one of the given pods receives a shard.
func (d *deployment) awaitMoving(t *testing.T, to ...int) {
	t.Helper()
	require.NoError(t, k8s.Poll(t.Context(), timeouts.ClusterFormed, fmt.Sprintf("shards on their way to pods %v", to), func(ctx context.Context) error {
		targets := map[clusterapi.PeerID]bool{}
		moving := false
		err := d.eachPeer(ctx, func(pod string, peer *clusterapi.Client) error {
			view, err := peer.Cluster(ctx)
			if err != nil {
				return nil //nolint:nilerr // one that is still joining
			}
			for _, ordinal := range to {
				if pod == fmt.Sprintf("%s-%d", d.Fullname(), ordinal) {
					targets[view.PeerID] = true
				}
			}
			names, err := peer.Collections(ctx)
			if err != nil {
				return nil //nolint:nilerr // as above
			}
			for _, name := range names {
				shards, err := peer.CollectionCluster(ctx, name)
				if err != nil {
					continue
				}
				for _, transfer := range shards.Transfers {
					moving = moving || targets[transfer.To]
				}
			}
			return nil
		})
		if err == nil && !moving {
			err = errors.New("nothing yet")
		}
		return err
	}))
}

// killTend ends tend's process from the node, so that it can't put anything in order first.
func (d *deployment) killTend(t *testing.T) {
	t.Helper()
	if !d.cluster.NodesAreContainers() {
		t.Skip("SKIP: processes can be killed only where nodes are this machine's containers; unset E2E_KUBECONFIG")
	}
	pod, err := d.tend(t.Context())
	require.NoError(t, err)
	require.NoError(t, d.cluster.Kill(t.Context(), d.namespace, pod.Name, "tend"))
}

// TestShepherdAutoscaling: Given a release under shepherd and the autoscaler; When load comes and goes; Then a fourth peer comes and gets its
// share, goes again once it is empty, and nothing that was acknowledged is lost.
func TestShepherdAutoscaling(t *testing.T) {
	c := requireCluster(t)
	requireImages(t, c, images.MetricsServer)
	installMetricsServer(t, c)
	const on = `
autoscaling:
  enabled: true
  maxReplicas: 4
  targetCPUUtilizationPercentage: 70
  targetMemoryUtilizationPercentage: null
  scaleUp: {pods: 1, periodSeconds: 15, stabilizationWindowSeconds: 0}
  scaleDown: {pods: 1, periodSeconds: 15, stabilizationWindowSeconds: 15}
resources: {requests: {cpu: 250m}}
`
	d := installShepherd(t, c, on)
	x := d.beginLedger(t, 2)
	step(t, "3 to 4 under load", func() {
		stop := d.burn(t)
		defer stop()
		d.awaitPods(t, 4, timeouts.ScaledUp)
		d.WaitReady(t, 4)
		d.awaitOneCluster(t, 4)
	})
	step(t, "4 to 3 when it is calm", func() {
		d.awaitPods(t, 3, timeouts.ScaledUp+timeouts.Drained)
		d.awaitOneCluster(t, 3)
	})
	x.requireNothingLost(t, 3)
}
