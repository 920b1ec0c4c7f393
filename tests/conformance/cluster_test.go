package conformance

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/qdrantprocess"
	"github.com/qdrant-shepherd/shepherd/client/qdranttest"
	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

const (
	points     = 20000
	dimensions = 256
)

func TestRealServers(t *testing.T) {
	cluster := qdrantprocess.Start(t, 3, qdrantprocess.Options{APIKey: key})
	answers := course(t, real{cluster})
	if *update {
		write(t, clusterFile, answers)
	}
	compare(t, clusterFile, answers)
}

func TestQdranttest(t *testing.T) {
	t.Parallel()
	cluster := qdranttest.Start(t, 3, qdranttest.Options{APIKey: key, TransferSteps: 3})
	compare(t, clusterFile, course(t, fake{cluster}))
}

// course is the calls, and returns what came of them. Each chapter goes on where the last one ended.
func course(t *testing.T, of subject) string {
	r := newTape(t, of)
	defer r.explain()
	for _, chapter := range []struct {
		title string
		run   func(*tape)
	}{
		{"three servers", threeServers},
		{"collections", collections},
		{"what is refused", refusals},
		{"transfers", transfers},
		{"dropping replicas", drops},
		{"shard snapshots", snapshots},
		{"a peer is removed", removed},
		{"an empty volume at the address of a peer that is gone", emptied},
		{"a lost volume", lostVolume},
		{"the only copy is given up", abandoned},
		{"removed while it was away", removedWhileAway},
		{"no majority", noMajority},
		{"the first server loses its volume and founds a cluster", secondCluster},
	} {
		r.chapter(chapter.title)
		chapter.run(r)
		require.False(t, t.Failed(), chapter.title)
	}
	return strings.TrimSpace(strings.Join(r.lines, "\n")) + "\n"
}

func get(path string) call { return call{http.MethodGet, path, nil} }

func create(name string, settings map[string]any) call {
	body := map[string]any{"vectors": map[string]any{"size": dimensions, "distance": "Dot"}}
	for setting, value := range settings {
		body[setting] = value
	}
	return call{http.MethodPut, "/collections/" + name, body}
}

func threeServers(r *tape) {
	for ordinal := range 3 {
		r.cluster(ordinal)
	}
	r.raw(1, get("/cluster"), true)
	for _, path := range []string{"/", "/healthz", "/livez", "/readyz", "/nothing", "/health"} {
		r.raw(2, get(path), false)
	}
	for _, wrong := range []string{"", "open"} {
		_, err := clusterapi.New(r.of.client(0).URL(), wrong).Cluster(r.t.Context())
		r.did(fmt.Sprintf("with key %q", wrong), err)
		r.did(fmt.Sprintf("readiness with key %q", wrong), clusterapi.New(r.of.client(0).URL(), wrong).Ready(r.t.Context()))
	}
}

func collections(r *tape) {
	r.raw(0, create("words", map[string]any{"shard_number": 1, "replication_factor": 1}), false)
	r.raw(0, create("words", nil), false)
	r.raw(0, create("bad", map[string]any{"shard_number": 0}), false)
	r.raw(1, create("defaults", nil), false)
	r.raw(1, get("/collections"), false)
	r.raw(1, get("/collections/nothing"), false)
	r.raw(1, get("/collections/nothing/cluster"), false)
	r.raw(2, get("/collections/defaults"), true)
	r.raw(2, get("/collections/defaults/cluster"), true)
	r.raw(0, call{http.MethodDelete, "/collections/defaults", nil}, false)
	r.raw(0, call{http.MethodDelete, "/collections/nothing", nil}, false)

	r.raw(2, create("spread", map[string]any{"shard_number": 4, "replication_factor": 2}), false)
	held := map[clusterapi.PeerID]int{}
	state, err := r.of.client(1).State(r.t.Context())
	require.NoError(r.t, err)
	require.Len(r.t, state.Collections, 2)
	for _, replica := range state.Collections[0].Replicas {
		held[replica.Peer]++
	}
	least, most := 8, 0
	for _, count := range held {
		least, most = min(least, count), max(most, count)
	}
	r.note("4 shards of 2 replicas on %d peers, from %d to %d each", len(held), least, most)
	r.raw(2, create("crowded", map[string]any{"shard_number": 1, "replication_factor": 5}), false)
	r.note("server 0 sees crowded: %s", strings.ReplaceAll(r.shards(0, "crowded"), " here", ""))
	for _, name := range []string{"spread", "crowded"} {
		r.raw(0, call{http.MethodDelete, "/collections/" + name, nil}, false)
	}

	r.bring("words", 0)
	r.of.fill(r.t, "words")
	for ordinal := range 3 {
		state, err := r.of.client(ordinal).State(r.t.Context())
		require.NoError(r.t, err)
		require.Len(r.t, state.Collections, 1)
		words := state.Collections[0]
		size := "no points"
		for _, replica := range words.Replicas {
			if replica.Points == points && replica.Bytes >= points*dimensions*4 {
				size = "all points"
			}
		}
		assert.False(r.t, state.Started.IsZero())
		r.note("server %d, peer %d, version %s: %s has %d shards of %d replicas, writes to %d: %s, %s", ordinal, state.PeerID, state.Version,
			words.Name, words.ShardNumber, words.ReplicationFactor, words.WriteConsistencyFactor, r.replicas(words.Replicas, words.Transfers), size)
	}
}

// bring moves a collection's only replica to a server, where chance has not put it there already.
func (r *tape) bring(collection string, to int) {
	r.t.Helper()
	view, err := r.of.client(to).CollectionCluster(r.t.Context(), collection)
	require.NoError(r.t, err)
	require.Len(r.t, view.Replicas, 1)
	if from := view.Replicas[0].Peer; from != r.ids[to] {
		require.NoError(r.t, r.of.client(to).MoveShard(r.t.Context(), collection, 0, from, r.ids[to], ""))
	}
	for ordinal := range 3 {
		r.settle(collection, ordinal, to)
	}
}

func refusals(r *tape) {
	const nobody = clusterapi.PeerID(5)
	ctx, c, p := r.t.Context(), r.of.client(0), r.ids
	r.did("replicate an unknown shard", c.ReplicateShard(ctx, "words", 9, p[0], p[1], ""))
	r.did("replicate to an unknown peer", c.ReplicateShard(ctx, "words", 0, p[0], nobody, ""))
	r.did("replicate from an unknown peer", c.ReplicateShard(ctx, "words", 0, nobody, p[1], ""))
	r.did("replicate from a peer without the shard", c.ReplicateShard(ctx, "words", 0, p[1], p[2], ""))
	r.did("replicate to itself", c.ReplicateShard(ctx, "words", 0, p[0], p[0], ""))
	r.did("move to itself", c.MoveShard(ctx, "words", 0, p[0], p[0], ""))
	r.did("replicate by an unknown method", c.ReplicateShard(ctx, "words", 0, p[0], p[1], "carrier_pigeon"))
	r.did("replicate in an unknown collection", c.ReplicateShard(ctx, "nothing", 0, p[0], p[1], ""))
	r.did("move an unknown shard", c.MoveShard(ctx, "words", 9, p[0], p[1], ""))
	r.did("abort a transfer that is none", c.AbortTransfer(ctx, "words", 0, p[0], p[1]))
	r.did("abort a transfer in an unknown collection", c.AbortTransfer(ctx, "nothing", 0, p[0], p[1]))
	r.did("drop a replica of an unknown shard", c.DropReplica(ctx, "words", 9, p[0]))
	r.did("drop a replica on an unknown peer", c.DropReplica(ctx, "words", 0, nobody))
	r.did("drop a replica that is none", c.DropReplica(ctx, "words", 0, p[1]))
	r.did("drop the last replica", c.DropReplica(ctx, "words", 0, p[0]))
	r.did("drop in an unknown collection", c.DropReplica(ctx, "nothing", 0, p[0]))
	r.did("remove a peer with shards", c.RemovePeer(ctx, p[0]))
	r.did("remove an unknown peer", c.RemovePeer(ctx, nobody))
	r.raw(0, call{http.MethodDelete, "/cluster/peer/me", nil}, false)
	r.raw(0, call{http.MethodPost, "/collections/words/cluster", map[string]any{}}, false)
	r.raw(0, call{http.MethodPost, "/collections/words/cluster", map[string]any{"replicate_shard": map[string]any{"shard_id": 0}}}, false)
}

func transfers(r *tape) {
	ctx, c, p := r.t.Context(), r.of.client(0), r.ids
	for _, method := range []string{"stream_records", "snapshot", ""} {
		r.did("replicate by method "+method, c.ReplicateShard(ctx, "words", 0, p[0], p[1], method))
		r.note("server 0 sees words: %s", r.shards(0, "words"))
		r.did("the same once more", c.ReplicateShard(ctx, "words", 0, p[0], p[1], method))
		r.did("from the same peer to another", c.ReplicateShard(ctx, "words", 0, p[0], p[2], method))
		r.did("from its target", c.MoveShard(ctx, "words", 0, p[1], p[2], method))
		r.settle("words", 0, 0, 1)
		r.did("drop the copy", c.DropReplica(ctx, "words", 0, p[1]))
		r.settle("words", 1, 0)
	}

	r.did("replicate", c.ReplicateShard(ctx, "words", 0, p[0], p[1], "stream_records"))
	r.raw(0, get("/collections/words/cluster"), true)
	state, err := c.State(ctx)
	require.NoError(r.t, err)
	r.note("State of server 0: %s", r.replicas(state.Collections[0].Replicas, state.Collections[0].Transfers))
	r.did("abort", c.AbortTransfer(ctx, "words", 0, p[0], p[1]))
	r.note("server 0 sees words: %s", r.shards(0, "words"))
	r.settle("words", 0, 0, 1) // the server heals it

	r.did("move to where one is", c.MoveShard(ctx, "words", 0, p[0], p[1], "stream_records"))
	r.note("server 0 sees words: %s", r.shards(0, "words"))
	r.settle("words", 0, 1)
	r.settle("words", 1, 1)

	r.did("move", c.MoveShard(ctx, "words", 0, p[1], p[2], "stream_records"))
	r.knows(1, "words", "0:p1 Active here, 0:p2 Partial, transfer 0:p1->p2 sync false by stream_records")
	r.did("abort the move", c.AbortTransfer(ctx, "words", 0, p[1], p[2]))
	r.note("server 0 sees words: %s", r.shards(0, "words"))

	r.did("replicate", c.ReplicateShard(ctx, "words", 0, p[1], p[2], "stream_records"))
	r.did("remove the target of a transfer", c.RemovePeer(ctx, p[2]))
	r.did("drop the target of a transfer", c.DropReplica(ctx, "words", 0, p[2]))
	r.note("server 0 sees words: %s", r.shards(0, "words"))
	r.bring("words", 0)
}

func drops(r *tape) {
	ctx, c, p := r.t.Context(), r.of.client(0), r.ids
	r.did("replicate", c.ReplicateShard(ctx, "words", 0, p[0], p[2], "snapshot"))
	r.settle("words", 0, 0, 2)
	r.did("drop the first", c.DropReplica(ctx, "words", 0, p[0]))
	r.settle("words", 0, 2)
	r.did("drop the last", c.DropReplica(ctx, "words", 0, p[2]))
}

func snapshots(r *tape) {
	ctx, c, p := r.t.Context(), r.of.client(2), r.ids
	name, err := c.SnapshotShard(ctx, "words", 0)
	r.did("snapshot "+name, err)
	r.raw(2, get("/collections/words/shards/0/snapshots"), true)
	r.did("recover", c.RecoverShard(ctx, "words", 0, name))
	r.settle("words", 2, 2)
	r.did("recover from another snapshot", c.RecoverShard(ctx, "words", 0, "other.snapshot"))
	r.did("recover where there is no replica", r.of.client(0).RecoverShard(ctx, "words", 0, name))
	_, err = r.of.client(0).SnapshotShard(ctx, "words", 0)
	r.did("snapshot where there is no replica", err)
	_, err = c.SnapshotShard(ctx, "words", 9)
	r.did("snapshot of an unknown shard", err)
	_, err = c.SnapshotShard(ctx, "nothing", 9)
	r.did("snapshot in an unknown collection", err)

	r.did("replicate", c.ReplicateShard(ctx, "words", 0, p[2], p[0], ""))
	r.settle("words", 0, 0, 2)
	r.settle("words", 2, 0, 2) // until the source has seen the end of the transfer its replica is wrapped up, and can't be recovered
	r.did("recover with another Active replica", c.RecoverShard(ctx, "words", 0, name))
	r.of.until(r.t, "the other replica dies", func() bool {
		return !strings.Contains(r.shards(2, "words"), "0:p0 Active")
	})
	r.settle("words", 2, 0, 2)
	r.settle("words", 0, 0, 2)
	r.note("after the other one has died, and been healed")

	r.did("delete", c.DeleteShardSnapshot(ctx, "words", 0, name))
	r.did("delete once more", c.DeleteShardSnapshot(ctx, "words", 0, name))
}

// removed takes out server 1, which has no shards by now.
func removed(r *tape) {
	ctx, c := r.t.Context(), r.of.client(0)
	var err error
	for range 5 {
		err = c.RemovePeer(ctx, r.ids[1])
		stopped := false
		r.of.until(r.t, "server 1 sees that it was removed, or stands for election", func() bool {
			view, err := r.of.client(1).Cluster(ctx)
			stopped = err == nil && !view.Consensus.Working()
			return stopped || (err == nil && view.Raft.Role == "Candidate")
		})
		if stopped {
			break
		}
		// Its removal was committed without it, and nobody sends to it any more: a peer on a busy machine may never learn of it.
		r.replace(1)
	}
	r.did("remove", err)
	r.members(0, 2)
	r.members(2, 2)
	p := r.ids
	for ordinal := range 3 {
		r.cluster(ordinal)
	}
	r.ready(1)
	r.raw(1, get("/readyz"), false)
	r.raw(1, get("/collections"), false)
	r.note("server 1 sees words: %s", r.shards(1, "words"))
	r.did("replicate, asked of the removed peer", r.of.client(1).ReplicateShard(ctx, "words", 0, p[0], p[1], ""))
	r.did("replicate to the removed peer", c.ReplicateShard(ctx, "words", 0, p[0], p[1], ""))

	require.NoError(r.t, r.of.stop(1))
	require.NoError(r.t, r.of.start(1))
	r.note("started again")
	r.of.until(r.t, "the consensus of server 1 stops again", func() bool {
		view, err := r.of.client(1).Cluster(ctx)
		return err == nil && !view.Consensus.Working()
	})
	r.cluster(1)
	r.ready(1)
	r.raw(1, get("/readyz"), false)
}

func emptied(r *tape) {
	require.NoError(r.t, r.of.stop(1))
	require.NoError(r.t, r.of.loseVolume(1))
	require.NoError(r.t, r.of.start(1))
	r.meet(1)
	r.members(1, 3)
	r.members(0, 3)
	r.cluster(0)
	r.cluster(1)

	// Now that of a peer that is still a member, and has no shards.
	require.NoError(r.t, r.of.stop(1))
	require.NoError(r.t, r.of.loseVolume(1))
	require.NoError(r.t, r.of.start(1))
	r.meet(1)
	r.members(1, 3)
	r.members(0, 3)
	r.cluster(0)
	r.cluster(1)
}

var whoseAddress = regexp.MustCompile(`peer URI \S+ already used by peer \d+ which still has shards`)

func lostVolume(r *tape) {
	ctx, c, p := r.t.Context(), r.of.client(0), r.ids
	require.NoError(r.t, r.of.stop(2))
	require.NoError(r.t, r.of.loseVolume(2))
	err := r.of.start(2)
	require.Error(r.t, err)
	r.note("start on an empty volume: %s", whoseAddress.FindString(err.Error()))
	r.cluster(0)
	r.note("server 0 sees words: %s", r.shards(0, "words"))
	r.insists("remove it", func() error { return c.RemovePeer(ctx, p[2]) })
	r.insists("drop its replica", func() error { return c.DropReplica(ctx, "words", 0, p[2]) })
	r.insists("remove it", func() error { return c.RemovePeer(ctx, p[2]) })
	r.members(0, 2)
	require.NoError(r.t, r.of.start(2))
	r.meet(2)
	r.members(2, 3)
	r.members(0, 3)
	r.cluster(0)
}

func abandoned(r *tape) {
	ctx := r.t.Context()
	r.raw(0, create("lone", map[string]any{"shard_number": 1, "replication_factor": 1}), false)
	r.bring("lone", 2)
	require.NoError(r.t, r.of.stop(2))
	require.NoError(r.t, r.of.loseVolume(2))
	c := r.of.client(1)
	r.insists("replicate from the lost peer", func() error { return c.ReplicateShard(ctx, "lone", 0, r.ids[2], r.ids[1], "") })
	r.note("server 1 sees lone: %s", r.shards(1, "lone"))
	name, err := c.SnapshotShard(ctx, "lone", 0)
	r.did("snapshot of the empty replica", err)
	r.insists("recover from it", func() error { return c.RecoverShard(ctx, "lone", 0, name) })
	r.knows(1, "lone", "0:p1'' Dead here, 0:p2' Dead")
	r.insists("recover again", func() error { return c.RecoverShard(ctx, "lone", 0, name) })
	r.knows(1, "lone", "0:p1'' Active here, 0:p2' Dead")
	r.insists("drop the lost replica", func() error { return c.DropReplica(ctx, "lone", 0, r.ids[2]) })
	r.settle("lone", 0, 1)
	r.insists("delete the snapshot", func() error { return c.DeleteShardSnapshot(ctx, "lone", 0, name) })
	r.insists("remove the lost peer", func() error { return c.RemovePeer(ctx, r.ids[2]) })
	r.members(0, 2)
	r.members(1, 2)
	require.NoError(r.t, r.of.start(2))
	r.meet(2)
	r.members(2, 3)
	r.members(0, 3)
	r.cluster(0)
}

// leaderOf is whom a server names as its leader.
func (r *tape) leaderOf(ordinal int) clusterapi.PeerID {
	r.t.Helper()
	view, err := r.of.client(ordinal).Cluster(r.t.Context())
	require.NoError(r.t, err)
	return view.Raft.Leader
}

func removedWhileAway(r *tape) {
	ctx := r.t.Context()
	require.NoError(r.t, r.of.stop(2))
	r.insists("remove", func() error { return r.of.client(0).RemovePeer(ctx, r.ids[2]) })
	r.members(0, 2)
	r.members(1, 2)
	require.NoError(r.t, r.of.start(2))
	r.of.until(r.t, "server 2 stands for election", func() bool {
		view, err := r.of.client(2).Cluster(ctx)
		return err == nil && view.Raft.Role == "Candidate"
	})
	r.cluster(2)
	r.of.until(r.t, "the others lose their leader", func() bool { return r.leaderOf(0) == 0 && r.leaderOf(1) == 0 })
	r.note("servers 0 and 1 have no leader for a while")
	r.of.until(r.t, "the others elect a leader", func() bool { return r.leaderOf(0) != 0 && r.leaderOf(1) != 0 })
	require.NoError(r.t, r.of.stop(2))
	require.NoError(r.t, r.of.loseVolume(2))
	r.members(0, 2)
	require.NoError(r.t, r.of.start(2))
	r.meet(2)
	for ordinal := range 3 {
		r.members(ordinal, 3)
	}
}

// noMajority leaves one of three, which may or may not have been the leader: that changes with stops and starts as it likes.
func noMajority(r *tape) {
	ctx := r.t.Context()
	require.NoError(r.t, r.of.stop(1))
	require.NoError(r.t, r.of.stop(2))
	r.of.until(r.t, "server 0 names none of those that are gone", func() bool {
		leader := r.leaderOf(0)
		return leader == 0 || leader == r.ids[0]
	})
	want := "Service internal error: Failed to propose operation: leader is not established within 10s"
	if r.leaderOf(0) == r.ids[0] {
		want = "Service internal error: Waiting for consensus operation commit failed. Timeout set at: 10 seconds"
	}
	var answer *clusterapi.Error
	require.ErrorAs(r.t, r.of.client(0).RemovePeer(ctx, r.ids[2]), &answer)
	require.Equal(r.t, want, answer.Message)
	r.note("remove a peer: %d, after as long as the server waits", answer.Status)
	require.NoError(r.t, r.of.start(1))
	require.NoError(r.t, r.of.start(2))
	for ordinal := range 3 {
		r.members(ordinal, 3)
	}
}

func secondCluster(r *tape) {
	require.NoError(r.t, r.of.stop(0))
	require.NoError(r.t, r.of.loseVolume(0))
	require.NoError(r.t, r.of.start(0))
	old := r.names[r.ids[0].String()]
	r.meet(0)
	view, err := r.of.client(0).Cluster(r.t.Context())
	require.NoError(r.t, err)
	r.note("server 0 was %s, is %d, and sees %d peer", old, view.PeerID, len(view.Peers))
	r.ready(0)
	r.raw(0, get("/readyz"), false)
	r.raw(0, get("/collections"), false)
	r.of.until(r.t, "it follows the leader of the old cluster", func() bool {
		leader := r.leaderOf(0)
		return leader != 0 && leader != r.ids[0] && leader == r.leaderOf(1)
	})
	r.note("and follows the leader of the old cluster")
}
