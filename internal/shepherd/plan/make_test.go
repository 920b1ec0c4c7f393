package plan

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

func TestMake(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name        string
		peers       string
		collections []string
		leaving     []clusterapi.PeerID
		goal        func(*Goal)
		picture     func(*topology.Picture)

		moves   []string
		blocked []string
	}{
		{
			name: "whole and even", peers: "1 2 3", collections: []string{"a/2: 1,2 2,3 3,1"},
			moves: []string{},
		},
		{
			name: "no quorum, no plan", peers: "1 2- 3-", collections: []string{"a/2: 1,2 2,3"}, leaving: []clusterapi.PeerID{2},
			moves: []string{}, blocked: []string{"1 of 3 voters answer and take part in the consensus, which is no majority"},
		},

		// drain
		{
			name: "a leaving peer's replicas move, then it is removed", peers: "1 2 3 4", collections: []string{"a/2: 1,2 2,3 3,4 4,1"},
			leaving: []clusterapi.PeerID{4},
			moves:   []string{"drain a/2: move 4>1", "drain a/3: move 4>2", "forget 4: remove"},
		},
		{
			name: "where too few peers remain a replica is dropped", peers: "1 2 3", collections: []string{"a/2: 1,2 2,3 3,1"},
			leaving: []clusterapi.PeerID{2, 3},
			moves: []string{"drain a/0: drop 2", "drain a/1: move 2>1", "drain a/1: drop 3", "drain a/2: drop 3",
				"forget 2: remove", "forget 3: remove"},
		},
		{
			name: "both copies leave at once", peers: "1 2 3 4", collections: []string{"a/2: 3,4 3,4"}, leaving: []clusterapi.PeerID{3, 4},
			moves: []string{"drain a/0: move 3>1", "drain a/1: move 3>2", "drain a/0: move 4>2", "drain a/1: move 4>1",
				"forget 3: remove", "forget 4: remove"},
		},
		{
			name: "one copy too many is dropped instead of moved", peers: "1 2 3 4", collections: []string{"a/2: 1,2,4 1,3 2,3"},
			leaving: []clusterapi.PeerID{4},
			moves:   []string{"drain a/0: drop 4", "forget 4: remove"},
		},
		{
			name: "a leaving replica that is not Active is replaced", peers: "1 2 3", collections: []string{"a/2: 1,3d"},
			leaving: []clusterapi.PeerID{3},
			moves:   []string{"drain a/0: copy 1>2", "drain a/0: drop 3", "forget 3: remove"},
		},
		{
			name: "leaving and away: replaced from the copy that is left", peers: "1 2 3 4-", collections: []string{"a/2: 1,4 2,4"},
			leaving: []clusterapi.PeerID{4},
			moves:   []string{"drain a/0: copy 1>3", "drain a/1: copy 2>1", "drain a/0: drop 4", "drain a/1: drop 4", "forget 4: remove"},
		},
		{
			name: "leaving and away with the only copy", peers: "1 2 3 4-", collections: []string{"a/1: 1 4"}, leaving: []clusterapi.PeerID{4},
			moves:   []string{},
			blocked: []string{"shard a/1 has its only copy on peer 4 (qdrant-3), which does not answer: scale up again, or accept the loss"},
		},
		{
			name: "leaving and away, and the loss accepted", peers: "1 2 3 4-", collections: []string{"a/1: 1 4"}, leaving: []clusterapi.PeerID{4},
			goal:  func(w *Goal) { w.GivenUp = map[ShardName]bool{{"a", 1}: true} },
			moves: []string{"lost a/1: abandon 4>2", "drain a/1: drop 4", "forget 4: remove"},
		},
		{
			name: "an accepted loss does not touch a peer that answers", peers: "1 2 3", collections: []string{"a/1: 3d"},
			leaving: []clusterapi.PeerID{3}, goal: func(w *Goal) { w.GivenUp = map[ShardName]bool{{"a", 0}: true} },
			moves:   []string{},
			blocked: []string{"shard a/0 has no Active copy on a peer that answers; the one on peer 3 (qdrant-2) is Dead"},
		},
		{
			name: "a peer that is away for now counts as one that stays", peers: "1 2 3- 4 5", collections: []string{"a/2: 3,4"},
			leaving: []clusterapi.PeerID{4},
			moves:   []string{"drain a/0: move 4>1", "forget 4: remove"},
		},
		{
			name: "nothing is dropped while the other copy is away for now", peers: "1 2- 3 4 5", collections: []string{"a/1: 2,3"},
			leaving: []clusterapi.PeerID{3},
			moves:   []string{},
			blocked: []string{"shard a/0 stays on peer 3 (qdrant-2) until its copy on peer 2 (qdrant-1), which does not take part now, can be relied on"},
		},
		{
			name: "nothing is dropped while the other copy is being healed", peers: "1 2 3", collections: []string{"a/2: 1,2d,3"},
			leaving: []clusterapi.PeerID{3},
			moves:   []string{},
			blocked: []string{"shard a/0 stays on peer 3 (qdrant-2) until its copy on peer 2 (qdrant-1) is Active; it is Dead"},
		},
		{
			name: "a drain waits for a peer to be ready", peers: "1 2 3", collections: []string{"a/2: 1,3"}, leaving: []clusterapi.PeerID{3},
			goal: func(w *Goal) { w.Targets = peers(1) }, moves: []string{},
			blocked: []string{"shard a/0 stays on peer 3 (qdrant-2): no peer that could take it is ready"},
		},
		{
			name: "all leave", peers: "1 2", collections: []string{"a/2: 1,2"}, leaving: []clusterapi.PeerID{1, 2}, moves: []string{},
			blocked: []string{
				"shard a/0 stays on peer 1 (qdrant-0): no peer that could take it is ready",
				"shard a/0 stays on peer 2 (qdrant-1): no peer that could take it is ready",
			},
		},
		{
			name: "the last peer is not removed, though it has nothing", peers: "1", leaving: []clusterapi.PeerID{1}, moves: []string{},
			blocked: []string{"without peer 1 (qdrant-0) only 0 of 0 voters would answer, and the cluster could decide nothing"},
		},
		{
			name: "a peer is not removed if that would cost the quorum", peers: "1 2- 3", leaving: []clusterapi.PeerID{3}, moves: []string{},
			blocked: []string{"without peer 3 (qdrant-2) only 1 of 2 voters would answer, and the cluster could decide nothing"},
		},
		{
			name: "a shard in a transfer is skipped, and its peer stays for now", peers: "1 2 3", collections: []string{"a/1: 3,1p>1 3"},
			leaving: []clusterapi.PeerID{3},
			moves:   []string{"drain a/1: move 3>2"},
		},
		{
			name: "a shard that peers disagree on is skipped", peers: "1 2 3", collections: []string{"a/1: 3~ 3"}, leaving: []clusterapi.PeerID{3},
			moves: []string{"drain a/1: move 3>1"},
		},
		{
			name: "a peer whose consensus has stopped is neither source nor target", peers: "1 2! 3 4", collections: []string{"a/2: 2,4"},
			leaving: []clusterapi.PeerID{4}, moves: []string{"drain a/0: move 4>1", "forget 4: remove"},
		},
		{
			name: "a shard of a collection that is being resharded is skipped", peers: "1 2", collections: []string{"a/1: 2"},
			leaving: []clusterapi.PeerID{2}, picture: func(p *topology.Picture) { p.Collections[0].Resharding = true }, moves: []string{},
		},

		// repair
		{
			name: "what is missing is made", peers: "1 2 3", collections: []string{"a/2: 1 2,3"},
			moves: []string{"repair a/0: copy 1>2"},
		},
		{
			name: "no more than there are peers", peers: "1 2", collections: []string{"a/3: 1 2"},
			moves: []string{"repair a/0: copy 1>2", "repair a/1: copy 2>1"},
		},
		{
			name: "a Dead replica heals by itself", peers: "1 2 3", collections: []string{"a/2: 1,2d"}, moves: []string{},
		},
		{
			name: "a replica whose peer is away for now counts", peers: "1 2 3-", collections: []string{"a/2: 1,3"}, moves: []string{},
		},
		{
			name: "switched off", peers: "1 2 3", collections: []string{"a/2: 1"}, goal: func(w *Goal) { w.Repair = false }, moves: []string{},
		},
		{
			name: "nothing to copy from", peers: "1 2 3", collections: []string{"a/2: 1d"}, moves: []string{},
			blocked: []string{"shard a/0 has 1 of 2 copies, and none is Active on a peer that answers"},
		},
		{
			name: "a transfer is let finish", peers: "1 2 3", collections: []string{"a/3: 1,2p+2"}, moves: []string{},
		},
		{
			name: "sources and targets take turns", peers: "1 2 3 4", collections: []string{"a/3: 1,2 1,2 1,2 1,2"},
			moves: []string{"repair a/0: copy 1>3", "repair a/1: copy 2>4", "repair a/2: copy 1>3", "repair a/3: copy 2>4"},
		},
		{
			name: "a zone of its own is better than an emptier peer", peers: "1 2 3", collections: []string{"a/2: 1 3,2 3,1"},
			goal:  func(w *Goal) { w.Zones = map[clusterapi.PeerID]string{1: "x", 2: "x", 3: "y"} },
			moves: []string{"repair a/0: copy 1>3"},
		},

		// lost
		{
			name: "a lost peer's replicas are dropped, it is removed, copies are made again", peers: "1 2 3-",
			collections: []string{"a/2: 1,2 2,3 3,1"}, goal: func(w *Goal) { w.Lost = peers(3) },
			moves: []string{"lost a/1: drop 3", "lost a/2: drop 3", "repair a/1: copy 2>1", "repair a/2: copy 1>2", "forget 3: remove"},
		},
		{
			name: "a lost peer with an only copy", peers: "1 2 3-", collections: []string{"a/1: 1 2 3"}, goal: func(w *Goal) { w.Lost = peers(3) },
			moves:   []string{},
			blocked: []string{"shard a/2 has no Active copy left but on peer 3 (qdrant-2), whose data is lost: accept the loss to go on"},
		},
		{
			name: "the loss accepted", peers: "1 2 3-", collections: []string{"a/1: 1 2 3"},
			goal:  func(w *Goal) { w.Lost = peers(3); w.GivenUp = map[ShardName]bool{{"a", 2}: true} },
			moves: []string{"lost a/2: abandon 3>1", "lost a/2: drop 3", "forget 3: remove"},
		},
		{
			name: "giving up goes on with the peer that it began with", peers: "1 2 3-", collections: []string{"a/1: 3,2r+2"},
			goal:  func(w *Goal) { w.Lost = peers(3); w.GivenUp = map[ShardName]bool{{"a", 0}: true} },
			moves: []string{"lost a/0: abandon 3>2", "lost a/0: drop 3", "forget 3: remove"},
		},
		{
			name: "giving up goes on when both are Dead", peers: "1 2 3-", collections: []string{"a/1: 3d,2d"},
			goal:  func(w *Goal) { w.Lost = peers(3); w.GivenUp = map[ShardName]bool{{"a", 0}: true} },
			moves: []string{"lost a/0: abandon 3>2", "lost a/0: drop 3", "forget 3: remove"},
		},
		{
			name: "nothing is given up that another copy may bring back", peers: "1 2 3- 4- 5", collections: []string{"a/2: 3,4"},
			goal:    func(w *Goal) { w.Lost = peers(3); w.GivenUp = map[ShardName]bool{{"a", 0}: true} },
			moves:   []string{},
			blocked: []string{"shard a/0 waits for its Active copy on peer 4 (qdrant-3), which does not take part now"},
		},
		{
			name: "two lost peers with the same shard, given up", peers: "1 2 3 4- 5-", collections: []string{"a/2: 4,5"},
			goal: func(w *Goal) { w.Lost = peers(4, 5); w.GivenUp = map[ShardName]bool{{"a", 0}: true} },
			moves: []string{"lost a/0: abandon 4>1", "lost a/0: drop 5", "repair a/0: copy 1>2", "forget 5: remove",
				"lost a/0: drop 4", "forget 4: remove"},
		},
		{
			name: "lost, it is said, and answers", peers: "1 2 3", collections: []string{"a/2: 1,3"}, goal: func(w *Goal) { w.Lost = peers(3) },
			moves: []string{}, blocked: []string{"peer 3 (qdrant-2) is said to be lost, and answers"},
		},
		{
			name: "said to be lost and leaving, and answers: not removed", peers: "1 2 3", leaving: []clusterapi.PeerID{3},
			goal:  func(w *Goal) { w.Lost = peers(3) },
			moves: []string{}, blocked: []string{"peer 3 (qdrant-2) is said to be lost, and answers"},
		},
		{
			name: "a transfer from a lost peer ends with its replica", peers: "1 2 3-", collections: []string{"a/2: 3,1,2p>2"},
			goal:  func(w *Goal) { w.Lost = peers(3) },
			moves: []string{"lost a/0: drop 3", "repair a/0: copy 1>2", "forget 3: remove"},
		},
		{
			name: "the other copy leaves: it moves first", peers: "1 2 3 4-", collections: []string{"a/2: 3,4"}, leaving: []clusterapi.PeerID{3},
			goal:  func(w *Goal) { w.Lost = peers(4) },
			moves: []string{"repair a/0: copy 3>1", "drain a/0: move 3>2", "forget 3: remove", "lost a/0: drop 4", "forget 4: remove"},
		},
		{
			name: "a lost peer without replicas is forgotten", peers: "1 2 3-", goal: func(w *Goal) { w.Lost = peers(3) },
			moves: []string{"forget 3: remove"},
		},

		// balance
		{
			name: "two new peers get their share", peers: "1 2 3 4 5", collections: []string{"a/2: 1,2 2,3 3,1 1,2 2,3"},
			moves: []string{"balance a/0: move 2>4", "balance a/1: move 2>4", "balance a/2: move 1>5", "balance a/4: move 3>5"},
		},
		{
			name: "each is even, all together are not", peers: "1 2 3", collections: []string{"a/1: 1", "b/1: 1", "c/1: 1"},
			moves: []string{"balance a/0: move 1>2", "balance b/0: move 1>3"},
		},
		{
			name: "evening out all together leaves each as even as it was", peers: "1 2", collections: []string{"a/1: 1 2", "b/1: 1", "c/1: 1"},
			moves: []string{"balance b/0: move 1>2"},
		},
		{
			name: "untouched collections stay", peers: "1 2 3", collections: []string{"a/1: 1", "b/1: 1", "c/1: 1"},
			goal: func(w *Goal) { w.Untouched = map[string]bool{"a": true, "b": true} }, moves: []string{},
		},
		{
			name: "no balancing while something is not whole", peers: "1 2", collections: []string{"a/1: 1 1 1 1,2p+2"}, moves: []string{},
		},
		{
			name: "no balancing in doubt", peers: "1 2", collections: []string{"a/1: 1 1 1"},
			picture: func(p *topology.Picture) { p.Doubts = []string{"a doubt"} }, moves: []string{},
		},
		{
			name: "no balancing while peers disagree on a shard", peers: "1 2", collections: []string{"a/1: 1 1 1 1,2~"}, moves: []string{},
		},
		{
			name: "no balancing asked for", peers: "1 2", collections: []string{"a/1: 1 1 1"}, goal: func(w *Goal) { w.Strategy = None },
			moves: []string{},
		},
		{
			name: "a surplus, as a drain that was turned round leaves it", peers: "1 2 3", collections: []string{"a/2: 1,2,3 1,2 2,3"},
			moves: []string{"balance a/0: drop 2"},
		},
		{
			name: "a surplus of an untouched collection stays", peers: "1 2 3", collections: []string{"a/1: 1,2,3"},
			goal: func(w *Goal) { w.Untouched = map[string]bool{"a": true} }, moves: []string{},
		},
		{
			name: "by size", peers: "1 2", collections: []string{"a/1: 1*700 1*200 1*100", "b/1: 1*50"},
			goal:  func(w *Goal) { w.Strategy = Size },
			moves: []string{"balance a/0: move 1>2"},
		},
		{
			name: "by size, not for a small difference", peers: "1 2", collections: []string{"a/1: 1*1000 2*920 1*4"},
			goal: func(w *Goal) { w.Strategy = Size }, moves: []string{},
		},
		{
			name: "by size, not much to copy for a small gain", peers: "1 2", collections: []string{"a/1: 1*1000 1*500 2*450"},
			goal: func(w *Goal) { w.Strategy = Size }, moves: []string{"balance a/1: move 1>2"},
		},
		{
			name: "by size, nothing that only turns the difference round", peers: "1 2", collections: []string{"a/1: 1*1000 1*20 2*50"},
			goal: func(w *Goal) { w.Strategy = Size }, moves: []string{"balance a/1: move 1>2"},
		},
		{
			name: "by size, many small shards", peers: "1 2", collections: []string{"a/1:" + strings.Repeat(" 1", 12)},
			goal: func(w *Goal) { w.Strategy = Size },
			moves: []string{"balance a/0: move 1>2", "balance a/1: move 1>2", "balance a/2: move 1>2", "balance a/3: move 1>2",
				"balance a/4: move 1>2", "balance a/5: move 1>2"},
		},
		{
			name: "copies do not come to share a zone", peers: "1 2 3", collections: []string{"a/2: 1,2 1,2 1,2"},
			goal:  func(w *Goal) { w.Zones = map[clusterapi.PeerID]string{1: "x", 2: "y", 3: "y"} },
			moves: []string{"balance a/0: move 2>3"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := drawn(t, test.peers, test.collections...)
			if test.picture != nil {
				test.picture(&p)
			}
			w := goalOf(p, test.leaving...)
			if test.goal != nil {
				test.goal(&w)
			}
			got := Make(p, w)
			assert.Equal(t, test.moves, lines(got.Moves))
			var reasons []string
			for _, b := range got.Blocked {
				reasons = append(reasons, b.Reason)
			}
			assert.Equal(t, test.blocked, reasons)
			requireLawful(t, p, w, got)
		})
	}
}

func TestNow(t *testing.T) {
	t.Parallel()
	p := drawn(t, "1 2 3", "a/2: 1,2 2,3 3,1")
	all := Make(p, goalOf(p, 2, 3))
	now := Plan{Moves: all.Now()}
	assert.Equal(t, []string{"drain a/0: drop 2", "drain a/1: move 2>1", "drain a/2: drop 3"}, lines(now.Moves),
		"the second move of a shard waits for its first, and peers wait for their shards")
	p = drawn(t, "1 2 3 4", "a/2: 1,2 2,3")
	assert.Equal(t, []string{"forget 4: remove"}, lines(Make(p, goalOf(p, 4)).Now()))
	// Without peer 2, and with the lost peer 3 still a voter, peer 1 alone would be no majority.
	p = drawn(t, "1 2 3-", "a/2: 1,3")
	w := goalOf(p, 2)
	w.Lost = peers(3)
	all = Make(p, w)
	assert.Equal(t, []string{"lost a/0: drop 3", "forget 3: remove", "forget 2: remove"}, lines(all.Moves))
	assert.Equal(t, []string{"lost a/0: drop 3"}, lines(all.Now()), "a removal waits for the one before it")
}

func TestArrange(t *testing.T) {
	t.Parallel()
	p := drawn(t, "1 2 3 4 5 6", "a/4: 1,2,3,4")
	w := goalOf(p)
	w.Zones = map[clusterapi.PeerID]string{1: "v", 2: "x", 3: "w", 4: "v", 5: "x", 6: "y"}
	d := newDraft(p, w)
	// Four copies in three zones before and after; with the copy on 3 moved to 5 first they would be in two.
	d.arrange(&item{shard: d.shards[0], holders: []clusterapi.PeerID{1, 2, 5, 6}})
	assert.ElementsMatch(t, []clusterapi.PeerID{1, 2, 5, 6}, peersOf(d.shards[0]))
	assert.Empty(t, unlawful(p, p, w, d.moves[0]), "%v", lines(d.moves))
}

func TestAhead(t *testing.T) {
	t.Parallel()
	p := drawn(t, "1 2 3 4 5", "a/2: 1,2 3,4 5,1 2,3 4,5", "b/1: 5 5 5")
	w := goalOf(p, 4, 5)
	whole, end := Ahead(p, w)
	assert.Empty(t, whole.Blocked)
	assert.Len(t, end.Members, 3)
	assert.Equal(t, applied(p, whole.Moves), end)
	assert.Empty(t, Make(end, w).Moves)
	ok, why := end.Whole()
	require.True(t, ok, "%v", why)
}

func TestApply(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, before, after string
		move                Move
	}{
		{"copy", "a/2: 1*70", "a/2: 1*70,2*70", Move{Kind: ReplicateShard, From: 1, To: 2}},
		{"move", "a/2: 1*70,3", "a/2: 2*70,3", Move{Kind: MoveShard, From: 1, To: 2}},
		{"drop", "a/2: 1,3", "a/2: 3", Move{Kind: DropReplica, From: 1}},
		{"drop ends a copy, which is Dead then", "a/2: 1,2p,3+2", "a/2: 2d,3", Move{Kind: DropReplica, From: 1}},
		{"drop ends a move, which is gone then", "a/2: 1,2p,3>2", "a/2: 3", Move{Kind: DropReplica, From: 1}},
		{"abandon", "a/1: 1", "a/1: 1d,2*0", Move{Kind: Abandon, From: 1, To: 2}},
		{"no such shard", "b/1: 1", "b/1: 1", Move{Kind: DropReplica, From: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.move.Shard = ShardName{"a", 0}
			p := drawn(t, "1 2 3", test.before)
			after := applied(p, []Move{test.move})
			want := drawn(t, "1 2 3", test.after)
			if test.move.Kind == Abandon {
				want.Collections[0].Shards[0].Replicas[1].Points = 0
			}
			if len(after.Collections[0].Shards[0].Transfers) == 0 {
				after.Collections[0].Shards[0].Transfers = nil
			}
			assert.Equal(t, want, after)
			assert.Equal(t, drawn(t, "1 2 3", test.before), p, "the picture given stays as it is")
		})
	}
	t.Run("remove the leader", func(t *testing.T) {
		t.Parallel()
		p := drawn(t, "1 2 3")
		after := applied(p, []Move{{Kind: RemovePeer, From: 3}})
		ok, why := after.Quorum()
		assert.True(t, ok, why)
		assert.Len(t, after.Members, 2)
		assert.Equal(t, drawn(t, "1 2 3"), p, "the picture given stays as it is")
	})
}
