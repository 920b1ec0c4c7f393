package plan

import (
	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// passes bounds Make: a loss, its repair, the drain, and the drop that was waiting for it take four, and a plan that is cut short is
// continued by the next one.
const passes = 10

// Make plans the moves that lead from the picture to the goal. The same input gives the same plan. A plan is for the picture it was
// made from: whoever carries it out begins what Now returns, looks again, and makes a new one. Without a quorum nothing is planned.
func Make(p topology.Picture, w Goal) Plan {
	if ok, why := p.Quorum(); !ok {
		return Plan{Blocked: []Block{{Reason: why}}}
	}
	d := newDraft(p, w)
	// Each pass may make the next one possible: a lost replica can be dropped once a leaving peer's only Active one has moved.
	for range passes {
		d.blocked = nil
		before := len(d.moves)
		d.replaceLost()
		d.repair()
		d.drain()
		d.forget()
		if len(d.moves) == before {
			break
		}
	}
	if len(d.moves) == 0 && len(d.blocked) == 0 {
		d.balance()
	}
	return Plan{Moves: d.moves, Blocked: d.blocked}
}

// rounds bounds Ahead: drains, then surplus and balance, then one that finds nothing to do, and as many again for safety.
const rounds = 6

// Ahead plans to the end: it makes a plan, imagines it carried out, and plans again until nothing is left to do. It returns all moves
// in order, what is blocked in the end, and the picture that results.
func Ahead(p topology.Picture, w Goal) (Plan, topology.Picture) {
	var whole Plan
	p = clone(p)
	for range rounds {
		next := Make(p, w)
		whole.Blocked = next.Blocked
		if len(next.Moves) == 0 {
			break
		}
		for _, m := range next.Moves {
			apply(&p, m)
		}
		whole.Moves = append(whole.Moves, next.Moves...)
	}
	return whole, p
}

// Now are the moves that may begin at once: those that no earlier move of the plan must precede. Of the moves of one shard that is the
// first. Of the removals it is the first too, and only if no earlier move is about that peer: whether the voters that are left can decide
// depends on who was removed before.
func (p Plan) Now() []Move {
	var now []Move
	shards := map[ShardName]bool{}
	busy := map[clusterapi.PeerID]bool{}
	removing := false
	for _, m := range p.Moves {
		if m.Kind == RemovePeer {
			if !removing && !busy[m.From] {
				now = append(now, m)
			}
			removing = true
			continue
		}
		if !shards[m.Shard] {
			now = append(now, m)
		}
		shards[m.Shard], busy[m.From], busy[m.To] = true, true, true
	}
	return now
}
