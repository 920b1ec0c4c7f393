package topology

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

func TestQuorum(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		pods   int
		change func([]View)
		why    string
	}{
		{name: "all of one mind", pods: 3},
		{name: "one alone", pods: 1},
		{name: "one of three away", pods: 3, change: func(v []View) { away(v, 0) }},
		{name: "one of two away", pods: 2, change: func(v []View) { away(v, 0) },
			why: "1 of 2 voters answer and take part in the consensus, which is no majority"},
		{name: "two of four away", pods: 4, change: func(v []View) { away(v, 0); away(v, 1) },
			why: "2 of 4 voters answer and take part in the consensus, which is no majority"},
		{name: "consensus stopped on two of three", pods: 3, change: func(v []View) {
			v[0].Cluster.Consensus.Status, v[1].Cluster.Consensus.Status = "stopped", "stopped"
		}, why: "1 of 3 voters answer and take part in the consensus, which is no majority"},
		{name: "one follows an old leader", pods: 3, change: func(v []View) { v[0].Cluster.Raft.Term = 2 }},
		{name: "each in its own term", pods: 3, change: func(v []View) { v[0].Cluster.Raft.Term = 2; v[1].Cluster.Raft.Term = 4 },
			why: "no leader is named by a majority of the 3 voters in the same term"},
		{name: "an isolated leader, and one away", pods: 3, change: func(v []View) { away(v, 2); v[0].Cluster.Raft.Leader = 2 },
			why: "no leader is named by a majority of the 3 voters in the same term"},
		{name: "no leader", pods: 3, change: func(v []View) {
			for i := range v {
				v[i].Cluster.Raft.Leader = 0
			}
		}, why: "no leader is named by a majority of the 3 voters in the same term"},
		{name: "a learner does not count", pods: 3, change: func(v []View) { v[1].Cluster.Raft.IsVoter = false; away(v, 2) },
			why: "1 of 2 voters answer and take part in the consensus, which is no majority"},
		{name: "nor does one that founded a cluster of its own", pods: 3, change: func(v []View) { alone(v, 0, 9) }},
		{name: "each alone", pods: 2, change: func(v []View) { alone(v, 0, 8); alone(v, 1, 9) },
			why: "no peer answers that a majority of the answering peers knows"},
		{name: "nobody", pods: 1, change: func(v []View) { away(v, 0) }, why: "no peer answers that a majority of the answering peers knows"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			views := fixture(test.pods)
			if test.change != nil {
				test.change(views)
			}
			ok, why := Draw(now, views).Quorum()
			assert.Equal(t, test.why, why)
			assert.Equal(t, test.why == "", ok)
		})
	}
}

func TestWhole(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name       string
		collection clusterapi.CollectionState
		change     func([]View)
		want       []string
	}{
		{name: "whole", collection: collection("a", 2, on(1, 2), on(2, 3))},
		{name: "no more copies than peers", collection: collection("a", 5, on(1, 2, 3))},
		{name: "too few copies", collection: collection("a", 2, on(1, 2), on(2)), want: []string{"shard a/1 has 1 of 2 replicas"}},
		{
			name: "a peer that does not answer, whose replica is called Active", collection: collection("a", 2, on(1, 2)),
			change: func(v []View) { away(v, 1) }, want: []string{"shard a/0 has a replica on peer 2 (qdrant-1), which does not answer"},
		},
		{name: "a peer that does not answer and has nothing", collection: collection("a", 2, on(1, 2)), change: func(v []View) { away(v, 2) }},
		{
			name: "not Active", collection: collection("a", 2, on(1, 2)), change: func(v []View) {
				for i := range v {
					v[i].State.Collections[0].Replicas[0].State = clusterapi.Recovery
				}
			}, want: []string{"shard a/0 is Recovery on peer 1 (qdrant-0)"},
		},
		{
			name: "a transfer", collection: collection("a", 2, on(1, 2)), change: func(v []View) {
				for i := range v {
					v[i].State.Collections[0].Transfers = []clusterapi.Transfer{{Shard: 0, From: 1, To: 3}}
				}
			}, want: []string{"shard a/0 is being transferred from peer 1 (qdrant-0) to peer 3 (qdrant-2)"},
		},
		{
			name: "resharding", collection: collection("a", 2, on(1, 2)), change: func(v []View) { v[0].State.Collections[0].Resharding = true },
			want: []string{"collection a is being resharded"},
		},
		{
			name: "a replica on a peer that was removed by force", collection: collection("a", 2, on(1, 2, 3)), change: func(v []View) {
				away(v, 2)
				for i := range v[:2] {
					v[i].Cluster.Peers = v[i].Cluster.Peers[:2]
				}
			}, want: []string{"shard a/0 has a replica on peer 3, which does not answer"},
		},
		{
			name: "a shard whose last replica is gone", collection: collection("a", 1, on(1), on()),
			want: []string{"shard a/1 has no replica on any peer"},
		},
		{
			name: "a doubt", collection: collection("a", 2, on(1, 2)), change: func(v []View) { alone(v, 2, 9) },
			want: []string{"peer 9 (qdrant-2) answers, but most of the answering peers do not have it in their lists"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			views := fixture(3, test.collection)
			if test.change != nil {
				test.change(views)
			}
			ok, why := Draw(now, views).Whole()
			assert.Equal(t, test.want, why)
			assert.Equal(t, len(test.want) == 0, ok)
		})
	}
}

func TestWholeWithout(t *testing.T) {
	t.Parallel()
	views := fixture(4, collection("a", 2, on(1, 2, 4), on(3, 4)))
	away(views, 2)
	for i := range views {
		if i == 2 {
			continue
		}
		views[i].State.Collections[0].Replicas[2].State = clusterapi.Dead
	}
	p := Draw(now, views)
	shard := func(id clusterapi.ShardID) Shard {
		s, found := p.Shard("a", id)
		require.True(t, found)
		return s
	}
	assert.True(t, p.WholeWithout(shard(0)))
	assert.True(t, p.WholeWithout(shard(0), 1))
	assert.True(t, p.WholeWithout(shard(0), 2, 3))
	assert.False(t, p.WholeWithout(shard(0), 1, 2), "the one on peer 4 is Dead")
	assert.True(t, p.WholeWithout(shard(1)))
	assert.False(t, p.WholeWithout(shard(1), 4), "peer 3 does not answer")
	assert.False(t, p.WholeWithout(Shard{}))

	views = fixture(3, collection("a", 2, on(1, 3)))
	alone(views, 2, 3)
	views[0].Cluster.Peers, views[1].Cluster.Peers = views[0].Cluster.Peers[:2], views[1].Cluster.Peers[:2]
	p = Draw(now, views)
	assert.False(t, p.WholeWithout(shard(0), 1), "peer 3 answers, but was removed")
}

func TestLookups(t *testing.T) {
	t.Parallel()
	views := fixture(3, collection("a", 2, on(1, 2), on(2, 3)), collection("b", 1, on(2)))
	views[2].Cluster.PeerID, views[2].State.PeerID = 9, 9
	for i := range views {
		views[i].Cluster.Peers = append(views[i].Cluster.Peers, clusterapi.Peer{ID: 9, URI: uri(2)})
	}
	p := Draw(now, views)
	var ids []clusterapi.PeerID
	for _, m := range p.ByPod("qdrant-2") {
		ids = append(ids, m.ID)
	}
	assert.Equal(t, on(3, 9), ids, "the lost peer and the new one")
	assert.Empty(t, p.ByPod("qdrant-7"))
	assert.True(t, p.Joined(3))
	assert.True(t, p.Joined(9))
	assert.False(t, p.Joined(7))
	assert.False(t, p.Live(3))
	assert.True(t, p.Live(9))
	assert.Equal(t, []ShardReplica{
		{"a", 0, Replica{2, clusterapi.Active, 20, 200}}, {"a", 1, Replica{2, clusterapi.Active, 20, 200}}, {"b", 0, Replica{2, clusterapi.Active, 20, 200}},
	}, p.Replicas(2))
	assert.Empty(t, p.Replicas(9))
	assert.Equal(t, "peer 2 (qdrant-1)", p.Name(2))
	assert.Equal(t, "peer 7", p.Name(7))
	_, found := p.Member(7)
	assert.False(t, found)
	_, found = p.Shard("a", 7)
	assert.False(t, found)
	_, found = p.Shard("c", 0)
	assert.False(t, found)
}

func TestUnsupported(t *testing.T) {
	t.Parallel()
	for version, supported := range map[string]bool{
		"1.16.0": true, "1.18.3": true, "1.18.3-dev": true, "v1.17.1": true, "2.0.0": true, "1.16": true,
		"1.15.9": false, "1.7.4": false, "0.11.0": false, "": false, "unknown": false, "1.x": false,
	} {
		views := fixture(3)
		views[1].State.Version = version
		why := Draw(now, views).Unsupported()
		assert.Equal(t, supported, why == "", "version %q: %s", version, why)
	}
	views := fixture(3)
	views[1].State.Version = "1.15.0"
	assert.Equal(t, `peer 2 (qdrant-1) runs Qdrant "1.15.0", and 1.16 is the oldest that is supported`, Draw(now, views).Unsupported())
	away(views, 1)
	assert.Empty(t, Draw(now, views).Unsupported(), "nobody knows what a peer runs that does not answer")
}
