package clusterapi_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

func TestChanges(t *testing.T) {
	t.Parallel()
	const cluster, snapshots = "/collections/my%20words/cluster", "/collections/my%20words/shards/3/snapshots"
	for _, test := range []struct {
		name, method, path, body string
		change                   func(context.Context, *clusterapi.Client) error
	}{
		{"replicate", "POST", cluster, `{"replicate_shard":{"shard_id":3,"from_peer_id":11,"to_peer_id":22,"method":"stream_records"}}`, func(ctx context.Context, c *clusterapi.Client) error {
			return c.ReplicateShard(ctx, "my words", 3, 11, 22, "stream_records")
		}},
		{"replicate as the server likes", "POST", cluster, `{"replicate_shard":{"shard_id":0,"from_peer_id":11,"to_peer_id":22}}`, func(ctx context.Context, c *clusterapi.Client) error {
			return c.ReplicateShard(ctx, "my words", 0, 11, 22, "")
		}},
		{"move", "POST", cluster, `{"move_shard":{"shard_id":3,"from_peer_id":11,"to_peer_id":22,"method":"snapshot"}}`, func(ctx context.Context, c *clusterapi.Client) error {
			return c.MoveShard(ctx, "my words", 3, 11, 22, "snapshot")
		}},
		{"abort", "POST", cluster, `{"abort_transfer":{"shard_id":3,"from_peer_id":11,"to_peer_id":22}}`, func(ctx context.Context, c *clusterapi.Client) error {
			return c.AbortTransfer(ctx, "my words", 3, 11, 22)
		}},
		{"drop", "POST", cluster, `{"drop_replica":{"shard_id":3,"peer_id":11}}`, func(ctx context.Context, c *clusterapi.Client) error {
			return c.DropReplica(ctx, "my words", 3, 11)
		}},
		{"remove a peer, without force", "DELETE", "/cluster/peer/4905781956141522", ``, func(ctx context.Context, c *clusterapi.Client) error {
			return c.RemovePeer(ctx, 4905781956141522)
		}},
		{"snapshot", "POST", snapshots + "?wait=true", ``, func(ctx context.Context, c *clusterapi.Client) error {
			name, err := c.SnapshotShard(ctx, "my words", 3)
			if err == nil && name != "s.snapshot" {
				return fmt.Errorf("the snapshot is named %q", name)
			}
			return err
		}},
		{"recover", "PUT", snapshots + "/recover?wait=true", `{"location":"s.snapshot","priority":"snapshot"}`, func(ctx context.Context, c *clusterapi.Client) error {
			return c.RecoverShard(ctx, "my words", 3, "s.snapshot")
		}},
		{"delete a snapshot", "DELETE", snapshots + "/s%2Ft.snapshot?wait=true", ``, func(ctx context.Context, c *clusterapi.Client) error {
			return c.DeleteShardSnapshot(ctx, "my words", 3, "s/t.snapshot")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client, request, sent := serve(t, test.path, http.StatusOK, `{"result":{"name":"s.snapshot"},"status":"ok"}`)

			require.NoError(t, test.change(t.Context(), client))

			assert.Equal(t, test.method, request.Method)
			if test.body == "" {
				assert.Empty(t, *sent)
			} else {
				assert.JSONEq(t, test.body, string(*sent))
			}

			refusing, _, _ := serve(t, test.path, http.StatusBadRequest, `{"status":{"error":"Bad request: not today"}}`)
			var answer *clusterapi.Error
			require.ErrorAs(t, test.change(t.Context(), refusing), &answer)
			assert.Equal(t, "Bad request: not today", answer.Message)
		})
	}
}

func TestRefusedChangesSayWhatWasToBeDone(t *testing.T) {
	t.Parallel()
	client, _, _ := serve(t, "/collections/words/cluster", http.StatusBadRequest, `{"status":{"error":"Bad request: Peer 5 does not exist"}}`)

	err := client.MoveShard(t.Context(), "words", 2, 11, 5, "")

	require.ErrorContains(t, err, "moving shard 2 of collection words from peer 11 to peer 5 at http://")
	require.ErrorContains(t, err, "400 Bad Request: Bad request: Peer 5 does not exist")
}
