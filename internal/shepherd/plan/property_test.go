package plan

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// scene is a random cluster and goal: 1 to 10 peers, 1 to 64 shards, replication factors 1 to 3.
type scene struct {
	picture topology.Picture
	goal    Goal
}

// trouble says what a random cluster may suffer from.
type trouble struct{ away, unhealthy, doubts, zones, busy bool }

func draw(t *rapid.T, may trouble) scene {
	var p topology.Picture
	w := Goal{Leaving: peers(), Lost: peers(), Targets: peers(), Zones: map[clusterapi.PeerID]string{}, GivenUp: map[ShardName]bool{},
		Untouched: map[string]bool{}, Repair: true, Strategy: Count}
	n := rapid.IntRange(1, 10).Draw(t, "peers")
	away := 0
	if may.away {
		away = rapid.IntRange(0, (n-1)/2).Draw(t, "peers away")
	}
	for i := range n {
		id := clusterapi.PeerID(i + 1)
		p.Members = append(p.Members, topology.Member{ID: id, Pod: fmt.Sprintf("qdrant-%d", i), Ordinal: i, Answers: i >= away})
		switch fate := rapid.IntRange(0, 3).Draw(t, "fate"); {
		case i < away && fate == 0:
			w.Lost[id] = true
		case fate == 1:
			w.Leaving[id] = true
		case i >= away && (!may.doubts || fate == 2 || rapid.IntRange(0, 9).Draw(t, "ready") > 0):
			w.Targets[id] = true
		}
		if zone := rapid.IntRange(0, 3).Draw(t, "zone"); may.zones && zone > 0 {
			w.Zones[id] = fmt.Sprintf("zone-%d", zone)
		}
	}
	introduce(&p)
	shards := rapid.IntRange(1, 64).Draw(t, "shards")
	for c := 0; shards > 0; c++ {
		collection := topology.Collection{Name: fmt.Sprintf("c%02d", c), ReplicationFactor: rapid.IntRange(1, 3).Draw(t, "factor")}
		for id := range rapid.IntRange(1, shards).Draw(t, "shards of one") {
			s := drawShard(t, p, may, clusterapi.ShardID(id), collection.ReplicationFactor)
			collection.Shards = append(collection.Shards, s)
			if may.away && rapid.IntRange(0, 3).Draw(t, "given up") == 0 {
				w.GivenUp[ShardName{collection.Name, s.ID}] = true
			}
		}
		shards -= len(collection.Shards)
		if may.doubts && rapid.IntRange(0, 9).Draw(t, "untouched") == 0 {
			w.Untouched[collection.Name] = true
		}
		collection.Resharding = may.doubts && rapid.IntRange(0, 19).Draw(t, "resharding") == 0
		p.Collections = append(p.Collections, collection)
	}
	return scene{p, w}
}

func drawShard(t *rapid.T, p topology.Picture, may trouble, id clusterapi.ShardID, factor int) topology.Shard {
	s := topology.Shard{ID: id, Agreed: !may.doubts || rapid.IntRange(0, 19).Draw(t, "agreed") > 0}
	n := len(p.Members)
	copies := rapid.IntRange(1, min(n, factor+1)).Draw(t, "copies")
	first := rapid.IntRange(0, n-1).Draw(t, "first")
	step := rapid.IntRange(1, max(1, (n-1)/max(1, copies-1))).Draw(t, "step")
	size := rapid.Int64Range(0, 1000).Draw(t, "size")
	for i := range copies {
		m := p.Members[(first+i*step)%n]
		r := topology.Replica{Peer: m.ID, State: clusterapi.Active, Points: int(size), Bytes: size}
		if may.unhealthy && rapid.IntRange(0, 5).Draw(t, "unhealthy") == 0 {
			r.State = rapid.SampledFrom([]clusterapi.ReplicaState{clusterapi.Dead, clusterapi.Partial, clusterapi.Recovery, clusterapi.Initializing,
				topology.Unknown}).Draw(t, "state")
		}
		if !m.Answers {
			r.Points, r.Bytes = -1, -1
		}
		put(&s, r)
	}
	if may.busy && len(s.Replicas) > 1 && rapid.IntRange(0, 5).Draw(t, "busy") == 0 {
		i := rapid.IntRange(1, len(s.Replicas)-1).Draw(t, "to")
		s.Replicas[i].State = clusterapi.Partial
		s.Transfers = []clusterapi.Transfer{{Shard: id, From: s.Replicas[0].Peer, To: s.Replicas[i].Peer, Sync: rapid.Bool().Draw(t, "kept")}}
	}
	return s
}

// settle is what the cluster does by itself when it is left alone: peers come to agree, transfers between peers that answer end, and
// what is Dead is healed where there is something to heal it from.
func settle(p topology.Picture) topology.Picture {
	p = clone(p)
	for i := range p.Collections {
		for j := range p.Collections[i].Shards {
			s := &p.Collections[i].Shards[j]
			s.Agreed = true
			var stuck []clusterapi.Transfer
			for _, tr := range s.Transfers {
				if !p.Live(tr.From) || !p.Live(tr.To) {
					stuck = append(stuck, tr)
					continue
				}
				if from, _ := s.On(tr.From); from.State == clusterapi.Active {
					change(s, Move{Kind: map[bool]Kind{true: ReplicateShard, false: MoveShard}[tr.Sync], From: tr.From, To: tr.To})
				}
			}
			s.Transfers = stuck
			healthy := slices.ContainsFunc(s.Replicas, func(r topology.Replica) bool { return r.State == clusterapi.Active && p.Live(r.Peer) })
			for k, r := range s.Replicas {
				if healthy && p.Live(r.Peer) && r.State != clusterapi.Active && len(s.Transfers) == 0 {
					s.Replicas[k].State = clusterapi.Active
				}
			}
		}
		p.Collections[i].Resharding = false
	}
	return p
}

// carryOut plans, does and waits until there is nothing left to do, and holds every plan to the laws.
func carryOut(t *rapid.T, p topology.Picture, w Goal) (topology.Picture, Plan) {
	for range 12 {
		plan := Make(p, w)
		requireLawful(t, p, w, plan)
		if len(plan.Moves) == 0 {
			calm := settle(p)
			if fmt.Sprintf("%+v", calm) == fmt.Sprintf("%+v", p) {
				return p, plan
			}
			p = calm
			continue
		}
		p = applied(p, plan.Moves)
		again := Make(p, w)
		if i := slices.IndexFunc(again.Moves, func(m Move) bool { return m.Why != "balance" }); i >= 0 {
			t.Fatalf("only balancing is left for a second plan; the first was %v, the second %v", lines(plan.Moves), lines(again.Moves))
		}
		if plan.Moves[0].Why == "balance" && len(again.Moves) > 0 {
			t.Fatalf("after balancing %v there is %v to do", lines(plan.Moves), lines(again.Moves))
		}
	}
	t.Fatalf("there is always more to do: %v", lines(Make(p, w).Moves))
	return p, Plan{}
}

// hasLive lists the shards that have an Active replica on a peer that answers.
func hasLive(p topology.Picture) []ShardName {
	var names []ShardName
	for _, c := range p.Collections {
		for _, s := range c.Shards {
			if p.WholeWithout(s) {
				names = append(names, ShardName{c.Name, s.ID})
			}
		}
	}
	return names
}

// TestPlansAreLawful: whatever is wrong with a cluster, no plan breaks a law at any prefix of its moves, no shard that had an Active
// replica on a peer that answers is left without one, and the planning comes to an end.
func TestPlansAreLawful(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		scene := draw(t, trouble{away: true, unhealthy: true, doubts: true, zones: rapid.Bool().Draw(t, "zones"), busy: true})
		scene.goal.Strategy = rapid.SampledFrom([]Strategy{None, Count, Size}).Draw(t, "strategy")
		scene.goal.Repair = rapid.IntRange(0, 3).Draw(t, "repair") > 0
		before := hasLive(scene.picture)
		end, _ := carryOut(t, scene.picture, scene.goal)
		require.Subset(t, hasLive(end), before)
	})
}

// TestDrainsEndEmptyAndEven: in a cluster whose peers all answer, with replicas that are Dead and on their way, leaving peers end up
// removed, each shard has as many copies as it should, and what is left is even, where there are targets and something to copy from.
func TestDrainsEndEmptyAndEven(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		scene := draw(t, trouble{unhealthy: true, busy: true})
		p, w := scene.picture, scene.goal
		targets := len(w.Targets)
		if targets == 0 || len(hasLive(p)) < countShards(p) {
			t.Skip("nowhere to go, or nothing to go there")
		}
		for _, m := range p.Members {
			if !w.Leaving[m.ID] {
				w.Targets[m.ID] = true
			}
		}
		targets = len(w.Targets)
		end, last := carryOut(t, p, w)
		require.Empty(t, last.Blocked)
		require.Len(t, end.Members, targets, "leaving peers are gone")
		requireEven(t, end, w)
		for _, c := range end.Collections {
			for _, s := range c.Shards {
				require.Len(t, s.Replicas, min(c.ReplicationFactor, targets))
				for _, r := range s.Replicas {
					require.True(t, w.Targets[r.Peer])
				}
			}
		}
		whole, ahead := Ahead(settle(p), w)
		require.Empty(t, whole.Blocked)
		requireEven(t, ahead, w)
	})
}

// requireEven holds the targets to within one replica of each other, in each collection and in all together.
func requireEven(t require.TestingT, p topology.Picture, w Goal) {
	all := map[clusterapi.PeerID]int{}
	for _, c := range p.Collections {
		in := map[clusterapi.PeerID]int{}
		for _, s := range c.Shards {
			for _, r := range s.Replicas {
				in[r.Peer]++
				all[r.Peer]++
			}
		}
		require.LessOrEqual(t, spread(w, in), 1, "collection %s: %v", c.Name, in)
	}
	require.LessOrEqual(t, spread(w, all), 1, "all together: %v", all)
}

func spread(w Goal, counts map[clusterapi.PeerID]int) int {
	least, most := -1, 0
	for id := range w.Targets {
		if least < 0 || counts[id] < least {
			least = counts[id]
		}
		most = max(most, counts[id])
	}
	return most - max(0, least)
}

func countShards(p topology.Picture) int {
	count := 0
	for _, c := range p.Collections {
		count += len(c.Shards)
	}
	return count
}

// TestLostPeersAreReplaced: lost peers whose shards all have another copy, or are given up, end up removed, and the copies are made again.
func TestLostPeersAreReplaced(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		scene := draw(t, trouble{away: true, busy: true})
		p, w := scene.picture, scene.goal
		w.Leaving = peers()
		for _, m := range p.Members {
			if m.Answers {
				w.Targets[m.ID] = true
			} else {
				w.Lost[m.ID] = true
			}
		}
		w.GivenUp = map[ShardName]bool{}
		for _, c := range p.Collections {
			for _, s := range c.Shards {
				if !p.WholeWithout(s) {
					w.GivenUp[ShardName{c.Name, s.ID}] = true
				}
			}
		}
		kept := hasLive(p)
		end, last := carryOut(t, p, w)
		require.Empty(t, last.Blocked)
		for _, m := range end.Members {
			require.True(t, m.Answers, "peer %s is lost and still a member", m.ID)
		}
		require.Len(t, hasLive(end), countShards(end))
		require.Subset(t, hasLive(end), kept)
		require.Len(t, kept, countShards(p)-len(w.GivenUp))
		requireEven(t, end, w)
		ok, why := end.Whole()
		require.True(t, ok, "%v", why)
	})
}

// TestBalanceBySizeNarrows: balancing by size never widens the largest difference, and stops.
func TestBalanceBySizeNarrows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		scene := draw(t, trouble{zones: rapid.Bool().Draw(t, "zones")})
		p, w := scene.picture, scene.goal
		w.Strategy, w.Leaving = Size, peers()
		for _, m := range p.Members {
			w.Targets[m.ID] = true
		}
		for i := range p.Collections {
			for j := range p.Collections[i].Shards {
				p.Collections[i].ReplicationFactor = max(p.Collections[i].ReplicationFactor, len(p.Collections[i].Shards[j].Replicas))
			}
		}
		w.Repair = false
		for i := range p.Collections {
			p.Collections[i].ReplicationFactor = 1 // what there is too much of goes, and nothing is missing
		}
		drops := 0
		plan := Make(p, w)
		requireLawful(t, p, w, plan)
		for drops < len(plan.Moves) && plan.Moves[drops].Kind == DropReplica {
			drops++
		}
		start := applied(p, plan.Moves[:drops])
		end := applied(start, plan.Moves[drops:])
		require.LessOrEqual(t, largestDifference(end), largestDifference(start))
		require.Empty(t, Make(end, w).Moves, "after %v", lines(plan.Moves))
	})
}

func largestDifference(p topology.Picture) int64 {
	bytes := map[clusterapi.PeerID]int64{}
	for _, m := range p.Members {
		for _, r := range p.Replicas(m.ID) {
			bytes[m.ID] += r.Bytes
		}
	}
	var least, most int64 = -1, 0
	for _, m := range p.Members {
		if least < 0 || bytes[m.ID] < least {
			least = bytes[m.ID]
		}
		most = max(most, bytes[m.ID])
	}
	return most - least
}
