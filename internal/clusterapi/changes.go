package clusterapi

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// ReplicateShard begins to copy from's replica of a shard to the peer to, and keeps it. That the call succeeds means that the cluster
// has agreed to it, not that anything has been copied: the transfer is in the view of the collection until it ends, well or badly.
// An empty method leaves the choice to the server.
func (c *Client) ReplicateShard(ctx context.Context, collection string, shard ShardID, from, to PeerID, method string) error {
	act := fmt.Sprintf("replicating shard %d of collection %s from peer %d to peer %d", shard, collection, from, to)
	return c.change(ctx, act, collection, "replicate_shard", transferRequest{Shard: shard, From: from, To: to, Method: method})
}

// MoveShard is ReplicateShard, but from's replica is dropped once the copy is whole.
func (c *Client) MoveShard(ctx context.Context, collection string, shard ShardID, from, to PeerID, method string) error {
	act := fmt.Sprintf("moving shard %d of collection %s from peer %d to peer %d", shard, collection, from, to)
	return c.change(ctx, act, collection, "move_shard", transferRequest{Shard: shard, From: from, To: to, Method: method})
}

// AbortTransfer ends a transfer. What it had copied is dropped after a move, and Dead, so that the server heals it, after a replication.
func (c *Client) AbortTransfer(ctx context.Context, collection string, shard ShardID, from, to PeerID) error {
	act := fmt.Sprintf("aborting the transfer of shard %d of collection %s from peer %d to peer %d", shard, collection, from, to)
	return c.change(ctx, act, collection, "abort_transfer", transferRequest{Shard: shard, From: from, To: to})
}

// DropReplica drops a peer's replica of a shard. The server refuses to drop the last one, or the last Active one; it does not know
// whether the peers of the others answer.
func (c *Client) DropReplica(ctx context.Context, collection string, shard ShardID, peer PeerID) error {
	act := fmt.Sprintf("dropping peer %d's replica of shard %d of collection %s", peer, shard, collection)
	return c.change(ctx, act, collection, "drop_replica", dropRequest{Shard: shard, Peer: peer})
}

// RemovePeer takes a peer that holds no replicas out of the cluster. The server refuses while it does; that it can be forced to, and
// loses their data then, is left out here on purpose.
func (c *Client) RemovePeer(ctx context.Context, peer PeerID) error {
	_, err := c.call(ctx, fmt.Sprintf("removing peer %d", peer), http.MethodDelete, fmt.Sprintf("/cluster/peer/%d", peer), nil)
	return err
}

// SnapshotShard writes a snapshot of this peer's replica of a shard, on this peer, and returns its name.
func (c *Client) SnapshotShard(ctx context.Context, collection string, shard ShardID) (string, error) {
	act := fmt.Sprintf("taking a snapshot of shard %d of collection %s", shard, collection)
	snapshot, err := result[struct {
		Name string `json:"name"`
	}](ctx, c, act, http.MethodPost, snapshotsPath(collection, shard)+"?wait=true", nil)
	return snapshot.Name, err
}

// RecoverShard makes this peer's replica of a shard what a snapshot on this peer holds, and Active. The snapshot wins: Active
// replicas on other peers become Dead, and copy themselves from this one. With a transfer to this replica under way the server ends
// that transfer when the other replica dies, and this one with it; the same call again makes it Active then.
func (c *Client) RecoverShard(ctx context.Context, collection string, shard ShardID, snapshot string) error {
	act := fmt.Sprintf("recovering shard %d of collection %s from snapshot %s", shard, collection, snapshot)
	request := struct {
		Location string `json:"location"`
		Priority string `json:"priority"`
	}{snapshot, "snapshot"}
	_, err := c.call(ctx, act, http.MethodPut, snapshotsPath(collection, shard, "recover")+"?wait=true", request)
	return err
}

// DeleteShardSnapshot deletes a snapshot that SnapshotShard wrote on this peer.
func (c *Client) DeleteShardSnapshot(ctx context.Context, collection string, shard ShardID, snapshot string) error {
	act := fmt.Sprintf("deleting snapshot %s of shard %d of collection %s", snapshot, shard, collection)
	_, err := c.call(ctx, act, http.MethodDelete, snapshotsPath(collection, shard, url.PathEscape(snapshot))+"?wait=true", nil)
	return err
}

type transferRequest struct {
	Shard  ShardID `json:"shard_id"`
	From   PeerID  `json:"from_peer_id"`
	To     PeerID  `json:"to_peer_id"`
	Method string  `json:"method,omitempty"`
}

type dropRequest struct {
	Shard ShardID `json:"shard_id"`
	Peer  PeerID  `json:"peer_id"`
}

// change asks for one operation on the replicas of a collection.
func (c *Client) change(ctx context.Context, act, collection, operation string, request any) error {
	_, err := c.call(ctx, act, http.MethodPost, collectionPath(collection, "cluster"), map[string]any{operation: request})
	return err
}

func snapshotsPath(collection string, shard ShardID, rest ...string) string {
	return collectionPath(collection, append([]string{"shards", fmt.Sprint(shard), "snapshots"}, rest...)...)
}
