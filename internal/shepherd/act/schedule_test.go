package act

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
)

func shard(id int) plan.ShardName {
	return plan.ShardName{Collection: "c", Shard: clusterapi.ShardID(id)}
}

func move(id int, from, to clusterapi.PeerID) plan.Move {
	return plan.Move{Kind: plan.MoveShard, Shard: shard(id), From: from, To: to}
}

func drop(id int, from clusterapi.PeerID) plan.Move {
	return plan.Move{Kind: plan.DropReplica, Shard: shard(id), From: from}
}

func remove(peer clusterapi.PeerID) plan.Move { return plan.Move{Kind: plan.RemovePeer, From: peer} }

func TestSchedule(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		moves   []plan.Move
		running []plan.Move
		limits  Limits
		want    []plan.Move
	}{
		{
			name: "one transfer at a time", limits: Limits{1, 1},
			moves: []plan.Move{move(1, 1, 2), move(2, 3, 4)},
			want:  []plan.Move{move(1, 1, 2)},
		},
		{
			name: "none while another is under way", limits: Limits{1, 1},
			moves: []plan.Move{move(1, 1, 2)}, running: []plan.Move{move(9, 3, 4)},
		},
		{
			name: "two of different peers", limits: Limits{2, 1},
			moves: []plan.Move{move(1, 1, 2), move(2, 1, 3), move(3, 4, 2), move(4, 3, 4)},
			want:  []plan.Move{move(1, 1, 2), move(4, 3, 4)},
		},
		{
			name: "two of one peer when each may have two", limits: Limits{2, 2},
			moves: []plan.Move{move(1, 1, 2), move(2, 1, 2)},
			want:  []plan.Move{move(1, 1, 2), move(2, 1, 2)},
		},
		{
			name: "a shard that something runs on is left alone", limits: Limits{9, 9},
			moves: []plan.Move{move(1, 1, 2), drop(1, 3)}, running: []plan.Move{move(1, 5, 6)},
		},
		{
			name: "a drop waits for the copy that the plan has before it", limits: Limits{1, 1},
			moves: []plan.Move{{Kind: plan.ReplicateShard, Shard: shard(1), From: 1, To: 2}, drop(1, 3)},
			want:  []plan.Move{{Kind: plan.ReplicateShard, Shard: shard(1), From: 1, To: 2}},
		},
		{
			name: "and so it does when the copy itself has to wait", limits: Limits{1, 1}, running: []plan.Move{move(9, 8, 9)},
			moves: []plan.Move{{Kind: plan.ReplicateShard, Shard: shard(1), From: 1, To: 2}, drop(1, 3)},
		},
		{
			name: "drops one at a time, beside a transfer", limits: Limits{1, 1},
			moves: []plan.Move{move(1, 1, 2), drop(2, 3), drop(3, 3)},
			want:  []plan.Move{move(1, 1, 2), drop(2, 3)},
		},
		{
			name: "no drop while one does not show yet", limits: Limits{1, 1},
			moves: []plan.Move{drop(2, 3)}, running: []plan.Move{drop(1, 3)},
		},
		{
			name: "a peer is removed when nothing before it is about it", limits: Limits{1, 1},
			moves: []plan.Move{move(1, 1, 2), remove(3)},
			want:  []plan.Move{move(1, 1, 2), remove(3)},
		},
		{
			name: "and not while something before it is", limits: Limits{1, 1},
			moves: []plan.Move{drop(1, 3), remove(3), remove(4)},
			want:  []plan.Move{drop(1, 3)},
		},
		{
			name: "nor while a transfer has to do with it", limits: Limits{2, 2},
			moves: []plan.Move{remove(3)}, running: []plan.Move{move(1, 3, 4)},
		},
		{
			name: "one removal at a time", limits: Limits{1, 1},
			moves: []plan.Move{remove(3), remove(4)},
			want:  []plan.Move{remove(3)},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, c.want, Schedule(plan.Plan{Moves: c.moves}.Now(), c.running, c.limits))
		})
	}
}

func TestScheduleKeepsItsLimits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		one := rapid.Custom(func(t *rapid.T) plan.Move {
			kind := rapid.SampledFrom([]plan.Kind{plan.MoveShard, plan.ReplicateShard, plan.DropReplica, plan.RemovePeer, plan.Abandon}).Draw(t, "kind")
			peer := rapid.Uint64Range(1, 5)
			m := plan.Move{Kind: kind, From: clusterapi.PeerID(peer.Draw(t, "from"))}
			if kind != plan.RemovePeer {
				m.Shard = shard(rapid.IntRange(0, 8).Draw(t, "shard"))
			}
			if transfers(kind) || kind == plan.Abandon {
				m.To = clusterapi.PeerID(peer.Draw(t, "to"))
			}
			return m
		})
		moves := rapid.SliceOfN(one, 0, 20).Draw(t, "moves")
		limit := rapid.IntRange(1, 6).Draw(t, "limit")
		limits := LimitsFor(limit, 5)
		var running []plan.Move
		// What is begun runs on, and the same plan is scheduled again: the limits hold for all of it.
		for range 3 {
			running = append(running, Schedule(plan.Plan{Moves: moves}.Now(), running, limits)...)
		}
		shards, in, out := map[plan.ShardName]int{}, map[clusterapi.PeerID]int{}, map[clusterapi.PeerID]int{}
		count, changes := 0, 0
		for _, m := range running {
			if m.Kind != plan.RemovePeer {
				shards[m.Shard]++
				assert.Equal(t, 1, shards[m.Shard], "moves of shard %v", m.Shard)
			}
			if !transfers(m.Kind) {
				changes++
				continue
			}
			count++
			in[m.To]++
			out[m.From]++
			assert.LessOrEqual(t, in[m.To], limits.PerPeer)
			assert.LessOrEqual(t, out[m.From], limits.PerPeer)
		}
		assert.LessOrEqual(t, count, limit)
		assert.LessOrEqual(t, changes, 1)
		if len(moves) > 0 {
			assert.NotEmpty(t, running, "something always goes on")
		}
	})
}

func TestLimitsFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		limit, peers int
		want         Limits
	}{
		{1, 3, Limits{1, 1}},
		{3, 3, Limits{3, 1}},
		{4, 3, Limits{4, 2}},
		{0, 0, Limits{1, 1}},
	} {
		assert.Equal(t, c.want, LimitsFor(c.limit, c.peers), "%d transfers, %d peers", c.limit, c.peers)
	}
}

func TestConfirm(t *testing.T) {
	t.Parallel()
	c := Confirm[string]{Needed: 3}
	assert.Empty(t, c.Observe("a"))
	assert.Empty(t, c.Observe("a", "b"))
	assert.Equal(t, map[string]bool{"a": true}, c.Observe("a", "b"))
	assert.Equal(t, map[string]bool{"a": true, "b": true}, c.Observe("a", "b"), "it stays confirmed while it is seen")
	assert.Equal(t, map[string]bool{"b": true}, c.Observe("b"))
	assert.Equal(t, map[string]bool{"b": true}, c.Observe("a", "b"), "what was away starts anew")
	assert.Empty(t, c.Observe())
	assert.Empty(t, c.Observe("b"))
}

func TestConfirmWithBlindObservations(t *testing.T) {
	t.Parallel()
	none := func(string) bool { return false }
	isA := func(what string) bool { return what == "a" }
	c := Confirm[string]{Needed: 3}
	c.Observe("a", "b")
	c.Observe("a", "b")
	c.Blind(isA)
	assert.Equal(t, map[string]bool{"b": true}, c.Observe("a", "b"), "what it contradicts starts over, what it does not stays")
	c.Blind(none)
	c.Blind(none)
	assert.Equal(t, map[string]bool{"b": true}, c.Observe("a", "b"), "it confirms nothing itself")
	c.Blind(none)
	c.Blind(none)
	c.Blind(none)
	assert.Empty(t, c.Observe("a", "b"), "as many as it takes to confirm are a fact of their own")
	assert.Empty(t, c.Observe("a", "b"))
	assert.Equal(t, map[string]bool{"a": true, "b": true}, c.Observe("a", "b"))
}
