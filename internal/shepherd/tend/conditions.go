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

// condition is one fact that a change rests on. It is small, so that a peer or a pod that flaps holds up only what depends on it.
type condition struct {
	kind  conditionKind
	peer  clusterapi.PeerID
	shard plan.ShardName
	text  string
}

type conditionKind int

// Kinds of conditions. Only a look that sees a leader can tell those of the first two.
const (
	conditionMove    conditionKind = iota // a move of the plan: what it is for and its shard, not its ends, which are conditions of their own
	conditionTask                         // a task, by its text
	conditionRelease                      // the StatefulSet and its number of replicas
	conditionWhole                        // the whole situation, by its text
	conditionLeaves                       // the peer leaves
	conditionStays                        // the peer does not leave
	conditionTarget                       // the peer may receive replicas
	conditionLive                         // the peer answers and takes part
	conditionAway                         // the peer does not answer
	conditionLost                         // the peer is lost: it will not come back with its data
	conditionActive                       // the peer is live, and its copy of the shard is Active
	conditionEmpty                        // the peer has no replica, and no transfer has it for an end
	conditionStuck                        // a transfer of the shard, by its text, has an end that does not take part
)

// holds reports whether the picture bears a condition out. It is not for moves and tasks.
func (g condition) holds(f Facts, p topology.Picture, w plan.Goal) bool {
	switch g.kind {
	case conditionRelease:
		return g == releaseOf(f)
	case conditionWhole:
		return g == wholeOf(f, p, w)
	case conditionLeaves:
		return w.Leaving[g.peer]
	case conditionStays:
		return !w.Leaving[g.peer]
	case conditionTarget:
		return w.Targets[g.peer]
	case conditionLive:
		return p.Live(g.peer)
	case conditionAway:
		member, known := p.Member(g.peer)
		return !known || !member.Answers
	case conditionLost:
		return w.Lost[g.peer]
	case conditionActive:
		shard, _ := p.Shard(g.shard.Collection, g.shard.Shard)
		replica, there := shard.On(g.peer)
		return there && replica.State == clusterapi.Active && p.Live(g.peer)
	case conditionEmpty:
		return unused(p, g.peer)
	case conditionStuck:
		return slices.Contains(stuckTransfers(p), g)
	default:
		return false
	}
}

func releaseOf(f Facts) condition {
	return condition{kind: conditionRelease, text: fmt.Sprint(f.StatefulSet.UID, " ", f.StatefulSet.Replicas)}
}

// wholeOf is for what depends on all peers at once.
func wholeOf(f Facts, p topology.Picture, w plan.Goal) condition {
	var joined, silent []clusterapi.PeerID
	for _, m := range p.Members {
		if p.Joined(m.ID) {
			joined = append(joined, m.ID)
			if !m.Answers {
				silent = append(silent, m.ID)
			}
		}
	}
	return condition{kind: conditionWhole, text: fmt.Sprint(releaseOf(f).text, joined, silent, sorted(w.Leaving), sorted(w.Lost), sorted(w.Targets), shardNames(f.GivenUp))}
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

func stuckTransfers(p topology.Picture) []condition {
	var list []condition
	for key := range ages(p, nil) {
		if !p.Live(key.from) || !p.Live(key.to) {
			list = append(list, key.stuck())
		}
	}
	return list
}

func (k transferKey) stuck() condition {
	return condition{kind: conditionStuck, shard: plan.ShardName{Collection: k.collection, Shard: k.shard}, text: fmt.Sprint(k.from, " ", k.to)}
}

// balancing is the condition of every move for the sake of balance: the plan wants some.
var balancing = condition{kind: conditionMove, text: plan.WhyBalance}

// rests are the conditions that a move needs, all of them; keepers are those of which a drop needs one.
//
// That the plan wants the move is a condition itself: a look at which the plan does not want it, for whatever reason, has the count start
// over. So is each end. The target of a move may be another at each look, since the plan evens out what changes meanwhile; whichever it
// is, it must have been one for long enough, and the source must have had its Active copy for as long. Which shard is moved for the sake of
// balance may be another at each look too, where several would do.
//
// What is done because a peer is lost rests on that, also at looks without a leader: one that answers after all is a reason to wait.
func rests(f Facts, p topology.Picture, w plan.Goal, m plan.Move) (all, keepers []condition) {
	kind, from := string(m.Kind), m.From
	if m.Kind == plan.ReplicateShard || m.Kind == plan.MoveShard {
		kind, from = "copy", 0
	}
	wanted := condition{kind: conditionMove, peer: from, shard: m.Shard, text: kind + " " + m.Why}
	if m.Why == plan.WhyBalance {
		wanted = balancing
	}
	all = []condition{releaseOf(f), wanted}
	switch m.Kind {
	case plan.ReplicateShard, plan.MoveShard:
		all = append(all, condition{kind: conditionActive, peer: m.From, shard: m.Shard}, condition{kind: conditionTarget, peer: m.To})
	case plan.Abandon:
		all = append(all, condition{kind: conditionLive, peer: m.To}, condition{kind: conditionAway, peer: m.From})
	case plan.RemovePeer:
		all = append(all, condition{kind: conditionEmpty, peer: m.From})
	case plan.DropReplica:
		shard, _ := p.Shard(m.Shard.Collection, m.Shard.Shard)
		for _, r := range shard.Replicas {
			if r.Peer != m.From {
				keepers = append(keepers, condition{kind: conditionActive, peer: r.Peer, shard: m.Shard})
			}
		}
	}
	if w.Lost[m.From] {
		all = append(all, condition{kind: conditionLost, peer: m.From}, condition{kind: conditionAway, peer: m.From})
	}
	if w.Leaving[m.From] {
		all = append(all, condition{kind: conditionLeaves, peer: m.From})
	}
	if m.Why == plan.WhyBalance {
		all = append(all, wholeOf(f, p, w)) // what is even depends on all peers
	}
	return all, keepers
}

// conditions confirm what a change rests on, by several looks in a row.
//
// A look that does not reach Kubernetes, or sees no leader, plans nothing. Such looks may alternate with others for as long as a peer
// that was removed stands for election, and what ends that is a change; so they do not undo what the looks between them confirm. That is
// safe: a change is only made on a look that sees a leader and agreement itself, after as many such looks as ever, all of which wanted
// it; what a blind look does see still counts against it; and no more than a few blind looks come between two that count.
type conditions struct {
	confirm   act.Confirm[condition]
	confirmed map[condition]bool
}

// see takes a look that can tell what is to be done. The drains are those that are known. Nothing else is planned while a shard moves for
// the sake of balance, so a move that is under way counts as wanted.
func (g *conditions) see(f Facts, p topology.Picture, o Outlook, drains map[clusterapi.PeerID]*drain, moving bool) {
	now := map[condition]bool{releaseOf(f): true, wholeOf(f, p, o.Goal): true, balancing: moving}
	// The ends of a move may be others at the next look, so all that could be are counted.
	for _, m := range p.Members {
		for _, one := range []condition{
			{kind: conditionTarget, peer: m.ID}, {kind: conditionLive, peer: m.ID}, {kind: conditionAway, peer: m.ID}, {kind: conditionLost, peer: m.ID},
		} {
			now[one] = one.holds(f, p, o.Goal)
		}
	}
	for _, m := range o.Plan.Moves {
		shard, _ := p.Shard(m.Shard.Collection, m.Shard.Shard)
		for _, r := range shard.Replicas {
			one := condition{kind: conditionActive, peer: r.Peer, shard: m.Shard}
			now[one] = one.holds(f, p, o.Goal)
		}
		all, _ := rests(f, p, o.Goal, m)
		for _, one := range all {
			now[one] = one.kind == conditionMove || one.holds(f, p, o.Goal)
		}
	}
	for _, task := range o.Tasks {
		now[condition{kind: conditionTask, text: task.Text}] = true
	}
	for id := range o.Goal.Leaving {
		now[condition{kind: conditionLeaves, peer: id}] = true
	}
	for id := range drains {
		if !o.Goal.Leaving[id] {
			now[condition{kind: conditionStays, peer: id}] = true
		}
	}
	for _, one := range stuckTransfers(p) {
		now[one] = true
	}
	maps.DeleteFunc(now, func(_ condition, holds bool) bool { return !holds })
	g.confirmed = g.confirm.Observe(slices.Collect(maps.Keys(now))...)
}

// leaderless takes a look that sees no leader.
func (g *conditions) leaderless(f Facts, p topology.Picture, w plan.Goal) {
	g.confirmed = nil
	g.confirm.Blind(func(one condition) bool {
		return one.kind != conditionMove && one.kind != conditionTask && !one.holds(f, p, w)
	})
}

// blind takes a look that does not reach Kubernetes.
func (g *conditions) blind() {
	g.confirmed = nil
	g.confirm.Blind(func(condition) bool { return false })
}

// none takes a look at which nothing may be done.
func (g *conditions) none() { g.confirmed = g.confirm.Observe() }

// moves are those that may begin now, of the plan that was seen last: the plan wants nothing before them, and they are confirmed.
func (g *conditions) moves(f Facts, p topology.Picture, o Outlook) []plan.Move {
	return slices.DeleteFunc(o.Plan.Now(), func(m plan.Move) bool {
		all, keepers := rests(f, p, o.Goal, m)
		unconfirmed := func(one condition) bool { return !g.confirmed[one] }
		return slices.ContainsFunc(all, unconfirmed) || m.Kind == plan.DropReplica && !slices.ContainsFunc(keepers, func(one condition) bool { return g.confirmed[one] })
	})
}

// tasks are those of the list that are confirmed.
func (g *conditions) tasks(f Facts, list []Task) []Task {
	return slices.DeleteFunc(slices.Clone(list), func(c Task) bool {
		return !g.confirmed[releaseOf(f)] || !g.confirmed[condition{kind: conditionTask, text: c.Text}]
	})
}
