package tend

import (
	"fmt"
	"maps"
	"slices"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/act"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// ground is one fact that a change rests on. It is small, so that a peer or a pod that flaps holds up only what depends on it.
type ground struct {
	kind  groundKind
	peer  clusterapi.PeerID
	shard plan.ShardName
	text  string
}

type groundKind int

// Kinds of grounds. Only a look that sees a leader can tell those of the first two.
const (
	groundMove    groundKind = iota // a move of the plan: what it is for and its shard, not its ends, which are grounds of their own
	groundChore                     // a chore, by its text
	groundRelease                   // the StatefulSet and its number of replicas
	groundWhole                     // the whole situation, by its text
	groundLeaves                    // the peer leaves
	groundStays                     // the peer does not leave
	groundTarget                    // the peer may receive replicas
	groundLive                      // the peer answers and takes part
	groundAway                      // the peer does not answer
	groundLost                      // the peer is lost: it will not come back with its data
	groundActive                    // the peer is live, and its copy of the shard is Active
	groundEmpty                     // the peer has no replica, and no transfer has it for an end
	groundStuck                     // a transfer of the shard, by its text, has an end that does not take part
)

// holds reports whether the picture bears a ground out. It is not for moves and chores.
func (g ground) holds(f Facts, p topology.Picture, w plan.Wish) bool {
	switch g.kind {
	case groundRelease:
		return g == releaseOf(f)
	case groundWhole:
		return g == wholeOf(f, p, w)
	case groundLeaves:
		return w.Leaving[g.peer]
	case groundStays:
		return !w.Leaving[g.peer]
	case groundTarget:
		return w.Targets[g.peer]
	case groundLive:
		return p.Live(g.peer)
	case groundAway:
		member, known := p.Member(g.peer)
		return !known || !member.Answers
	case groundLost:
		return w.Lost[g.peer]
	case groundActive:
		shard, _ := p.Shard(g.shard.Collection, g.shard.Shard)
		replica, there := shard.On(g.peer)
		return there && replica.State == clusterapi.Active && p.Live(g.peer)
	case groundEmpty:
		return unused(p, g.peer)
	case groundStuck:
		return slices.Contains(stuckTransfers(p), g)
	default:
		return false
	}
}

func releaseOf(f Facts) ground {
	return ground{kind: groundRelease, text: fmt.Sprint(f.StatefulSet.UID, " ", f.StatefulSet.Replicas)}
}

// wholeOf is for what depends on all peers at once.
func wholeOf(f Facts, p topology.Picture, w plan.Wish) ground {
	var joined, silent []clusterapi.PeerID
	for _, m := range p.Members {
		if p.Joined(m.ID) {
			joined = append(joined, m.ID)
			if !m.Answers {
				silent = append(silent, m.ID)
			}
		}
	}
	return ground{kind: groundWhole, text: fmt.Sprint(releaseOf(f).text, joined, silent, sorted(w.Leaving), sorted(w.Lost), sorted(w.Targets), shardNames(f.GivenUp))}
}

func sorted(set map[clusterapi.PeerID]bool) []clusterapi.PeerID { return slices.Sorted(maps.Keys(set)) }

func unused(p topology.Picture, id clusterapi.PeerID) bool {
	for _, c := range p.Collections {
		for _, s := range c.Shards {
			if _, holds := s.On(id); holds || slices.ContainsFunc(s.Transfers, func(t clusterapi.Transfer) bool { return t.From == id || t.To == id }) {
				return false
			}
		}
	}
	return true
}

func stuckTransfers(p topology.Picture) []ground {
	var list []ground
	for key := range ages(p, nil) {
		if !p.Live(key.from) || !p.Live(key.to) {
			list = append(list, key.stuck())
		}
	}
	return list
}

func (k transferKey) stuck() ground {
	return ground{kind: groundStuck, shard: plan.ShardName{Collection: k.collection, Shard: k.shard}, text: fmt.Sprint(k.from, " ", k.to)}
}

// balancing is the ground of every move for the sake of balance: the plan wants some.
var balancing = ground{kind: groundMove, text: plan.WhyBalance}

// rests are the grounds that a move needs, all of them; keepers are those of which a drop needs one.
//
// That the plan wants the move is a ground itself: a look at which the plan does not want it, for whatever reason, has the count start
// over. So is each end. The target of a move may be another at each look, since the plan evens out what changes meanwhile; whichever it
// is, it must have been one for long enough, and the source must have had its Active copy for as long. Which shard is moved for the sake of
// balance may be another at each look too, where several would do.
//
// What is done because a peer is lost rests on that, also at looks without a leader: one that answers after all is a reason to wait.
func rests(f Facts, p topology.Picture, w plan.Wish, m plan.Move) (all, keepers []ground) {
	kind, from := string(m.Kind), m.From
	if m.Kind == plan.ReplicateShard || m.Kind == plan.MoveShard {
		kind, from = "copy", 0
	}
	wanted := ground{kind: groundMove, peer: from, shard: m.Shard, text: kind + " " + m.Why}
	if m.Why == plan.WhyBalance {
		wanted = balancing
	}
	all = []ground{releaseOf(f), wanted}
	switch m.Kind {
	case plan.ReplicateShard, plan.MoveShard:
		all = append(all, ground{kind: groundActive, peer: m.From, shard: m.Shard}, ground{kind: groundTarget, peer: m.To})
	case plan.Abandon:
		all = append(all, ground{kind: groundLive, peer: m.To}, ground{kind: groundAway, peer: m.From})
	case plan.RemovePeer:
		all = append(all, ground{kind: groundEmpty, peer: m.From})
	case plan.DropReplica:
		shard, _ := p.Shard(m.Shard.Collection, m.Shard.Shard)
		for _, r := range shard.Replicas {
			if r.Peer != m.From {
				keepers = append(keepers, ground{kind: groundActive, peer: r.Peer, shard: m.Shard})
			}
		}
	}
	if w.Lost[m.From] {
		all = append(all, ground{kind: groundLost, peer: m.From}, ground{kind: groundAway, peer: m.From})
	}
	if w.Leaving[m.From] {
		all = append(all, ground{kind: groundLeaves, peer: m.From})
	}
	if m.Why == plan.WhyBalance {
		all = append(all, wholeOf(f, p, w)) // what is even depends on all peers
	}
	return all, keepers
}

// grounds confirm what a change rests on, by several looks in a row.
//
// A look that does not reach Kubernetes, or sees no leader, plans nothing. Such looks may alternate with others for as long as a peer
// that was removed stands for election, and what ends that is a change; so they do not undo what the looks between them confirm. That is
// safe: a change is only made on a look that sees a leader and agreement itself, after as many such looks as ever, all of which wanted
// it; what a blind look does see still counts against it; and no more than a few blind looks come between two that count.
type grounds struct {
	confirm   act.Confirm[ground]
	confirmed map[ground]bool
}

// see takes a look that can tell what is to be done. The drains are those that are known. Nothing else is planned while a shard moves for
// the sake of balance, so a move that is under way counts as wanted.
func (g *grounds) see(f Facts, p topology.Picture, o Outlook, drains map[clusterapi.PeerID]*drain, moving bool) {
	now := map[ground]bool{releaseOf(f): true, wholeOf(f, p, o.Wish): true, balancing: moving}
	// The ends of a move may be others at the next look, so all that could be are counted.
	for _, m := range p.Members {
		for _, one := range []ground{
			{kind: groundTarget, peer: m.ID}, {kind: groundLive, peer: m.ID}, {kind: groundAway, peer: m.ID}, {kind: groundLost, peer: m.ID},
		} {
			now[one] = one.holds(f, p, o.Wish)
		}
	}
	for _, m := range o.Plan.Moves {
		shard, _ := p.Shard(m.Shard.Collection, m.Shard.Shard)
		for _, r := range shard.Replicas {
			one := ground{kind: groundActive, peer: r.Peer, shard: m.Shard}
			now[one] = one.holds(f, p, o.Wish)
		}
		all, _ := rests(f, p, o.Wish, m)
		for _, one := range all {
			now[one] = one.kind == groundMove || one.holds(f, p, o.Wish)
		}
	}
	for _, chore := range o.Chores {
		now[ground{kind: groundChore, text: chore.Text}] = true
	}
	for id := range o.Wish.Leaving {
		now[ground{kind: groundLeaves, peer: id}] = true
	}
	for id := range drains {
		if !o.Wish.Leaving[id] {
			now[ground{kind: groundStays, peer: id}] = true
		}
	}
	for _, one := range stuckTransfers(p) {
		now[one] = true
	}
	maps.DeleteFunc(now, func(_ ground, holds bool) bool { return !holds })
	g.confirmed = g.confirm.Observe(slices.Collect(maps.Keys(now))...)
}

// leaderless takes a look that sees no leader.
func (g *grounds) leaderless(f Facts, p topology.Picture, w plan.Wish) {
	g.confirmed = nil
	g.confirm.Blind(func(one ground) bool { return one.kind != groundMove && one.kind != groundChore && !one.holds(f, p, w) })
}

// blind takes a look that does not reach Kubernetes.
func (g *grounds) blind() {
	g.confirmed = nil
	g.confirm.Blind(func(ground) bool { return false })
}

// none takes a look at which nothing may be done.
func (g *grounds) none() { g.confirmed = g.confirm.Observe() }

// moves are those that may begin now, of the plan that was seen last: the plan wants nothing before them, and they are confirmed.
func (g *grounds) moves(f Facts, p topology.Picture, o Outlook) []plan.Move {
	return slices.DeleteFunc(o.Plan.Now(), func(m plan.Move) bool {
		all, keepers := rests(f, p, o.Wish, m)
		unconfirmed := func(one ground) bool { return !g.confirmed[one] }
		return slices.ContainsFunc(all, unconfirmed) || m.Kind == plan.DropReplica && !slices.ContainsFunc(keepers, func(one ground) bool { return g.confirmed[one] })
	})
}

// chores are those of the list that are confirmed.
func (g *grounds) chores(f Facts, list []Chore) []Chore {
	return slices.DeleteFunc(slices.Clone(list), func(c Chore) bool {
		return !g.confirmed[releaseOf(f)] || !g.confirmed[ground{kind: groundChore, text: c.Text}]
	})
}
