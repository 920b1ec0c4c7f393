package topology

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

var now = time.Unix(5000, 0)

func TestDraw(t *testing.T) {
	t.Parallel()
	p := Draw(now, fixture(2, collection("b", 2, on(1, 2), on(2)), collection("a", 1, on(1))))
	assert.Equal(t, now, p.At)
	assert.Empty(t, p.Doubts)
	assert.Empty(t, p.Silent)
	require.Len(t, p.Members, 2)
	first := p.Members[0]
	assert.Equal(t, clusterapi.PeerID(1), first.ID)
	assert.Equal(t, "qdrant-0", first.Pod)
	assert.Equal(t, 0, first.Ordinal)
	assert.Equal(t, 2, first.KnownBy)
	assert.True(t, first.Answers && first.Working)
	assert.Equal(t, "1.18.3", first.Version)
	assert.Equal(t, time.Unix(1000, 0), first.Started)
	assert.Equal(t, []Collection{
		{Name: "a", ReplicationFactor: 1, Shards: []Shard{
			{ID: 0, Agreed: true, Replicas: []Replica{{1, clusterapi.Active, 10, 100}}},
		}},
		{Name: "b", ReplicationFactor: 2, Shards: []Shard{
			{ID: 0, Agreed: true, Replicas: []Replica{{1, clusterapi.Active, 10, 100}, {2, clusterapi.Active, 20, 200}}},
			{ID: 1, Agreed: true, Replicas: []Replica{{2, clusterapi.Active, 20, 200}}},
		}},
	}, p.Collections)
}

func TestDrawMembers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		change  func([]View)
		members []string // those that have joined
		pods    []string
		doubts  []string
		silent  []string
	}{
		{
			name: "one does not answer", change: func(v []View) { away(v, 2) },
			members: []string{"peer 1 (qdrant-0)", "peer 2 (qdrant-1)", "peer 3 (qdrant-2)"}, silent: []string{"connection refused"},
		},
		{
			name: "one lost its volume and joined under another id", change: func(v []View) {
				v[2].Cluster.PeerID, v[2].State.PeerID = 9, 9
				for i := range v {
					v[i].Cluster.Peers = append(v[i].Cluster.Peers, clusterapi.Peer{ID: 9, URI: uri(2)})
				}
			},
			members: []string{"peer 1 (qdrant-0)", "peer 2 (qdrant-1)", "peer 3 (qdrant-2)", "peer 9 (qdrant-2)"},
		},
		{
			name: "one lost its volume and founded a cluster of its own", change: func(v []View) { alone(v, 0, 9) },
			members: []string{"peer 1 (qdrant-0)", "peer 2 (qdrant-1)", "peer 3 (qdrant-2)"},
			doubts:  []string{"peer 9 (qdrant-0) answers, but most of the answering peers do not have it in their lists"},
		},
		{
			name: "one was removed and still runs", change: func(v []View) {
				alone(v, 2, 3)
				v[2].Cluster.Consensus.Status = "stopped"
				v[0].Cluster.Peers, v[1].Cluster.Peers = v[0].Cluster.Peers[:2], v[1].Cluster.Peers[:2]
			},
			members: []string{"peer 1 (qdrant-0)", "peer 2 (qdrant-1)"},
			doubts:  []string{"peer 3 (qdrant-2) answers, but most of the answering peers do not have it in their lists"},
		},
		{
			name: "a removal that one has not heard of", change: func(v []View) {
				away(v, 2)
				v[0].Cluster.Peers = v[0].Cluster.Peers[:2]
			},
			members: []string{"peer 1 (qdrant-0)", "peer 2 (qdrant-1)"},
			doubts:  []string{"peer 3 (qdrant-2) is in the lists of only 1 of 2 answering peers"},
			silent:  []string{"connection refused"},
		},
		{
			name: "a new peer that one has not heard of", change: func(v []View) { v[0].Cluster.Peers = v[0].Cluster.Peers[:2] },
			members: []string{"peer 1 (qdrant-0)", "peer 2 (qdrant-1)", "peer 3 (qdrant-2)"},
			doubts:  []string{"peer 3 (qdrant-2) is not in the list of peer 1 (qdrant-0)"},
		},
		{
			name: "without cluster mode", change: func(v []View) { v[2].Cluster = clusterapi.Cluster{} },
			members: []string{"peer 1 (qdrant-0)", "peer 2 (qdrant-1)", "peer 3 (qdrant-2)"},
			silent:  []string{"the server runs without cluster mode"},
		},
		{
			name: "another process answered the second request", change: func(v []View) { v[2].State.PeerID = 9 },
			members: []string{"peer 1 (qdrant-0)", "peer 2 (qdrant-1)", "peer 3 (qdrant-2)"},
			silent:  []string{"the server answered as peer 3 and then as peer 9"},
		},
		{
			name: "two pods on copies of one volume", change: func(v []View) {
				v[2].Cluster, v[2].State = v[1].Cluster, v[1].State
			},
			members: []string{"peer 1 (qdrant-0)", "peer 2 (qdrant-1)", "peer 3 (qdrant-2)"},
			doubts:  []string{"peer 2 answers at more than one pod, qdrant-2 among them", "peer 2 answers at pod qdrant-2, but its URI is " + uri(1)},
		},
		{
			name: "lists differ in a URI", change: func(v []View) { v[0].Cluster.Peers[2].URI = "http://old:6335" },
			members: []string{"peer 1 (qdrant-0)", "peer 2 (qdrant-1)", "peer 3 (qdrant-2)"},
			doubts: []string{
				"peer 3 has the URI http://old:6335 in one list and " + uri(2) + " in that of qdrant-1",
				"peer 3 has the URI http://old:6335 in one list and " + uri(2) + " in that of qdrant-2",
			},
		},
		{
			name: "a new leader that one has not heard of", change: func(v []View) { v[0].Cluster.Raft.Leader, v[0].Cluster.Raft.Term = 2, 4 },
			members: []string{"peer 1 (qdrant-0)", "peer 2 (qdrant-1)", "peer 3 (qdrant-2)"},
			doubts:  []string{"answering peers name different leaders or terms"},
		},
		{
			name: "consensus has stopped", change: func(v []View) { v[1].Cluster.Consensus.Status = "stopped_with_err" },
			members: []string{"peer 1 (qdrant-0)", "peer 2 (qdrant-1)", "peer 3 (qdrant-2)"},
			doubts:  []string{"peer 2 (qdrant-1) takes no part in the consensus"},
		},
		{
			name: "a peer that is no pod of the StatefulSet", change: func(v []View) {
				away(v, 2)
				for i := range v[:2] {
					v[i].Cluster.Peers[2].URI = "http://other-2.elsewhere:6335"
				}
			},
			members: []string{"peer 1 (qdrant-0)", "peer 2 (qdrant-1)", "peer 3"}, silent: []string{"connection refused"},
		},
		{
			name: "nobody answers", change: func(v []View) { away(v, 0); away(v, 1); away(v, 2) },
			silent: []string{"connection refused", "connection refused", "connection refused"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			views := fixture(3)
			test.change(views)
			p := Draw(now, views)
			var joined, silent []string
			for _, m := range p.Members {
				if p.Joined(m.ID) {
					joined = append(joined, m.String())
				}
			}
			for _, s := range p.Silent {
				silent = append(silent, s.Err)
			}
			assert.Equal(t, test.members, joined)
			assert.Equal(t, test.doubts, p.Doubts)
			assert.Equal(t, test.silent, silent)
		})
	}
}

func TestDrawShards(t *testing.T) {
	t.Parallel()
	transfer := clusterapi.Transfer{Shard: 0, From: 1, To: 3, Method: "snapshot"}
	for _, test := range []struct {
		name   string
		change func([]View)
		want   []Shard
		doubts []string
	}{
		{
			name: "its peer does not answer", change: func(v []View) { away(v, 1) },
			want: []Shard{{Agreed: true, Replicas: []Replica{{1, clusterapi.Active, 10, 100}, {2, clusterapi.Active, -1, -1}}}},
		},
		{
			name: "all say Dead", change: func(v []View) {
				for i := range v {
					v[i].State.Collections[0].Replicas[1].State = clusterapi.Dead
				}
			},
			want: []Shard{{Agreed: true, Replicas: []Replica{{1, clusterapi.Active, 10, 100}, {2, clusterapi.Dead, 20, 200}}}},
		},
		{
			name: "its last replica went with a peer", change: func(v []View) {
				for i := range v {
					v[i].State.Collections[0].Replicas = nil
				}
			},
			want: []Shard{{Agreed: true}},
		},
		{
			name: "one says Dead, another Partial", change: func(v []View) {
				v[0].State.Collections[0].Replicas[1].State = clusterapi.Dead
				v[2].State.Collections[0].Replicas[1].State = clusterapi.Partial
			},
			want:   []Shard{{Replicas: []Replica{{1, clusterapi.Active, 10, 100}, {2, clusterapi.Dead, 20, 200}}}},
			doubts: []string{"answering peers disagree on the replicas or transfers of shard a/0"},
		},
		{
			name: "a state of a later release is worse than any", change: func(v []View) { v[0].State.Collections[0].Replicas[1].State = "Odd" },
			want:   []Shard{{Replicas: []Replica{{1, clusterapi.Active, 10, 100}, {2, "Odd", 20, 200}}}},
			doubts: []string{"answering peers disagree on the replicas or transfers of shard a/0"},
		},
		{
			name: "one does not know of a replica", change: func(v []View) {
				v[2].State.Collections[0].Replicas = v[2].State.Collections[0].Replicas[:1]
			},
			want:   []Shard{{Replicas: []Replica{{1, clusterapi.Active, 10, 100}, {2, Unknown, 20, 200}}}},
			doubts: []string{"answering peers disagree on the replicas or transfers of shard a/0"},
		},
		{
			name: "one does not know of the collection", change: func(v []View) { v[2].State.Collections = nil },
			want:   []Shard{{Replicas: []Replica{{1, Unknown, 10, 100}, {2, Unknown, 20, 200}}}},
			doubts: []string{"collection a is unknown to peer 3 (qdrant-2)"},
		},
		{
			name: "a transfer, with the comment of its source", change: func(v []View) {
				for i := range v {
					said := transfer
					if i == 0 {
						said.Comment = "half"
					}
					v[i].State.Collections[0].Transfers = []clusterapi.Transfer{said}
				}
			},
			want: []Shard{{Agreed: true, Replicas: []Replica{{1, clusterapi.Active, 10, 100}, {2, clusterapi.Active, 20, 200}},
				Transfers: []clusterapi.Transfer{{Shard: 0, From: 1, To: 3, Method: "snapshot", Comment: "half"}}}},
		},
		{
			name: "a transfer that one has not heard of", change: func(v []View) {
				v[1].State.Collections[0].Transfers = []clusterapi.Transfer{transfer}
				v[2].State.Collections[0].Transfers = []clusterapi.Transfer{transfer}
			},
			want: []Shard{{Replicas: []Replica{{1, clusterapi.Active, 10, 100}, {2, clusterapi.Active, 20, 200}},
				Transfers: []clusterapi.Transfer{transfer}}},
			doubts: []string{"answering peers disagree on the replicas or transfers of shard a/0"},
		},
		{
			name: "replication factors differ", change: func(v []View) { v[0].State.Collections[0].ReplicationFactor = 3 },
			want:   []Shard{{Replicas: []Replica{{1, clusterapi.Active, 10, 100}, {2, clusterapi.Active, 20, 200}}}},
			doubts: []string{"answering peers name different replication factors of collection a"},
		},
		{
			name: "the word of a peer that is not in the cluster does not count", change: func(v []View) { alone(v, 2, 9) },
			want:   []Shard{{Agreed: true, Replicas: []Replica{{1, clusterapi.Active, 10, 100}, {2, clusterapi.Active, 20, 200}}}},
			doubts: []string{"peer 9 (qdrant-2) answers, but most of the answering peers do not have it in their lists"},
		},
		{
			name: "each is alone: nothing is agreed", change: func(v []View) {
				away(v, 2)
				v[0].Cluster.Peers, v[1].Cluster.Peers = v[0].Cluster.Peers[:1], v[1].Cluster.Peers[1:2]
			},
			want: []Shard{{Replicas: []Replica{{1, clusterapi.Active, 10, 100}, {2, clusterapi.Active, 20, 200}}}},
			doubts: []string{
				"peer 1 (qdrant-0) answers, but most of the answering peers do not have it in their lists",
				"peer 2 (qdrant-1) answers, but most of the answering peers do not have it in their lists",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			views := fixture(3, collection("a", 2, on(1, 2)))
			test.change(views)
			p := Draw(now, views)
			require.Len(t, p.Collections, 1)
			assert.Equal(t, test.want, p.Collections[0].Shards)
			assert.Equal(t, test.doubts, p.Doubts)
		})
	}
}

func TestDrawKeepsNothingOfTheViews(t *testing.T) {
	t.Parallel()
	views := fixture(2, collection("a", 2, on(1, 2)))
	p := Draw(now, views)
	before := fmt.Sprintf("%+v", p)
	views[0].Cluster.Peers[0].URI = "changed"
	views[0].State.Collections[0].Replicas[0].State = clusterapi.Dead
	assert.Equal(t, before, fmt.Sprintf("%+v", p))
}

// peer answers like a server that takes its time.
type peer struct {
	view  View
	takes time.Duration
	err   error
}

func (p peer) Cluster(ctx context.Context) (clusterapi.Cluster, error) {
	select {
	case <-time.After(p.takes):
		return p.view.Cluster, nil
	case <-ctx.Done():
		return clusterapi.Cluster{}, ctx.Err()
	}
}

func (p peer) State(context.Context) (clusterapi.State, error) { return p.view.State, p.err }

func TestObserve(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		views := fixture(3)
		readers := []peer{{view: views[0], takes: 2 * time.Second}, {view: views[1], takes: time.Hour}, {view: views[2], err: errors.New("no right")}}
		var targets []Target
		for i, r := range readers {
			targets = append(targets, Target{Pod: views[i].Pod, Ordinal: i, Reader: r})
		}
		begun := time.Now()
		p, got := Observe(t.Context(), targets, 3*time.Second)
		assert.Equal(t, 3*time.Second, time.Since(begun), "all are asked at once")
		assert.Equal(t, begun.Add(3*time.Second), p.At)
		require.Len(t, got, 3)
		assert.Equal(t, views[0], got[0])
		assert.ErrorIs(t, got[1].Err, context.DeadlineExceeded)
		assert.Equal(t, views[2].Cluster, got[2].Cluster, "what was answered before the error stays")
		assert.Equal(t, []Silent{{"qdrant-1", 1, "context deadline exceeded"}, {"qdrant-2", 2, "no right"}}, p.Silent)
	})
}
