//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	client "github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// loseVolume deletes the data volume of a pod, and the pod, as a failed disk does.
func (d *deployment) loseVolume(t *testing.T, pod string) {
	t.Helper()
	require.NoError(t, d.cluster.CoreV1().PersistentVolumeClaims(d.namespace).Delete(t.Context(), "qdrant-storage-"+pod, metav1.DeleteOptions{}))
	require.NoError(t, d.cluster.CoreV1().Pods(d.namespace).Delete(t.Context(), pod, metav1.DeleteOptions{}))
}

// awaitRefusal waits until a pod that came back with an empty volume has been refused by the cluster it was in.
func (d *deployment) awaitRefusal(t *testing.T, pod string) {
	t.Helper()
	err := k8s.Poll(t.Context(), timeouts.ClusterFormed, "the cluster refuses "+pod, func(ctx context.Context) error {
		for _, previous := range []bool{false, true} {
			if text, err := d.cluster.Logs(ctx, d.namespace, pod, k8s.Container, previous); err == nil && strings.Contains(text, "which still has shards") {
				return nil
			}
		}
		return errors.New("its log does not say so yet")
	})
	require.NoError(t, err)
}

// TestLostVolume: Given three peers with two copies of each shard; When pod 0 comes back with an empty volume; Then it founds no second
// cluster and is not ready, the others go on, and docs/operations/lost-volume.md brings it back with nothing lost.
func TestLostVolume(t *testing.T) {
	t.Parallel()
	c := requireCluster(t)
	d := install(t, c)
	x := d.beginLedger(t, 2)
	pod := d.Pods(t)[0].Name
	peers := d.peers(t)
	view, err := peers[0].Client.Cluster(t.Context())
	require.NoError(t, err)
	lost := view.PeerID

	step(t, "the volume of "+pod+" is lost", func() { d.loseVolume(t, pod) })
	step(t, "its cluster refuses it", func() { d.awaitRefusal(t, pod) })
	step(t, "it is never ready, also after it was restarted", func() {
		err := k8s.Steady(t.Context(), 2*timeouts.Settle, pod+" is not ready", func(ctx context.Context) error {
			pod, err := c.CoreV1().Pods(d.namespace).Get(ctx, pod, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if k8s.Ready(pod) {
				return errors.New("it is ready, with nothing to answer from")
			}
			return nil
		})
		require.NoError(t, err)
	})
	step(t, "the others go on", func() { x.requireWrites(t, "during") })

	db := d.connect(t, d.keys["api-key"])
	var missing []uint32
	step(t, "runbook: drop the lost replicas, remove the peer without force", func() {
		shards, err := peers[1].Client.CollectionCluster(t.Context(), x.collection)
		require.NoError(t, err)
		for _, replica := range shards.Replicas {
			if replica.Peer == lost {
				missing = append(missing, uint32(replica.Shard))
				require.NoError(t, db.UpdateClusterCollectionSetup(t.Context(), client.NewUpdateCollectionClusterDropReplica(x.collection, &client.Replica{
					ShardId: uint32(replica.Shard), PeerId: uint64(lost)})))
			}
		}
		require.NotEmpty(t, missing, "the lost peer held shards")
		d.removePeer(t, peers[1].Client, lost)
	})
	step(t, "the pod joins under a new id", func() {
		d.WaitReady(t, 3)
		d.awaitOneCluster(t, 3)
	})
	step(t, "runbook: replicate to it again", func() {
		joined, err := d.peers(t)[0].Client.Cluster(t.Context())
		require.NoError(t, err)
		require.NotEqual(t, lost, joined.PeerID)
		shards, err := peers[1].Client.CollectionCluster(t.Context(), x.collection)
		require.NoError(t, err)
		for _, shard := range missing {
			for _, replica := range shards.Replicas {
				if uint32(replica.Shard) == shard && replica.State == clusterapi.Active {
					require.NoError(t, db.UpdateClusterCollectionSetup(t.Context(), client.NewUpdateCollectionClusterReplicateShard(x.collection, &client.ReplicateShard{
						ShardId: shard, FromPeerId: uint64(replica.Peer), ToPeerId: uint64(joined.PeerID)})))
					break
				}
			}
		}
		d.awaitActive(t, x.collection, 2)
	})
	x.requireNothingLost(t, 3)
}

// removePeer takes a peer out of the cluster once the peer that is asked knows that it holds no shards any more; without force.
func (d *deployment) removePeer(t *testing.T, through *clusterapi.Client, peer clusterapi.PeerID) {
	t.Helper()
	err := k8s.Poll(t.Context(), timeouts.ShardsActive, fmt.Sprintf("peer %s is removed", peer), func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodDelete, fmt.Sprintf("%s/cluster/peer/%s", through.URL(), peer), nil)
		if err != nil {
			return err
		}
		request.Header.Set("api-key", d.keys["api-key"])
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close() //nolint:errcheck // it was only read
		if answer.StatusCode != http.StatusOK {
			text, _ := io.ReadAll(answer.Body)
			return fmt.Errorf("%s: %s", answer.Status, text)
		}
		return nil
	})
	require.NoError(t, err)
}

// TestLedgerSeesLoss is the negative control: with one copy of each shard and a lost volume the ledger must report lost writes. A
// ledger that could not would prove nothing in the other tests.
func TestLedgerSeesLoss(t *testing.T) {
	t.Parallel()
	c := requireCluster(t)
	d := install(t, c, "collection: {replicationFactor: 1}")
	x := d.beginLedger(t, 1)
	pod := d.Pods(t)[2].Name
	step(t, "the volume of "+pod+" is lost", func() { d.loseVolume(t, pod) })
	step(t, "its cluster refuses it", func() { d.awaitRefusal(t, pod) })
	x.Stop()
	verdict := x.Judge(t.Context(), d.peers(t)[:2])
	t.Logf("LEDGER %s: %s; %s", t.Name(), verdict.Report, verdict)
	require.False(t, verdict.OK(), "a lost volume must not go unnoticed")
	assert.NotEmpty(t, verdict.Lost, "the writes that were lost are named")
}
