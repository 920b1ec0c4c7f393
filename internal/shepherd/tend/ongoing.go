package tend

import (
	"cmp"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// How long a move may show nothing in any peer's view before it counts as failed. A call that has succeeded was applied by the peer that
// was asked, so a transfer that is not there has ended, and the target's state came with the end; the others follow within moments. A
// call that went unanswered may still be taken up.
const (
	unseenFor = 10 * time.Second
	goneFor   = 2 * time.Second
	removeFor = 30 * time.Second
)

// ongoingMove is a move that this process has begun. It is only kept to count and to log: what is under way is read from the picture.
type ongoingMove struct {
	move  plan.Move
	began time.Time
	// seen says that the cluster has accepted the move, or shown the transfer; gone is since when the transfer has not been there.
	seen bool
	gone time.Time
	// unsure says that nobody knows yet whether the cluster has accepted it. If nothing comes of it, it never began.
	unsure bool
}

// Outcomes of a move.
type outcome int

const (
	movePending outcome = iota
	moveDone
	moveFailed
	moveObsolete // the shard is gone, so there is nothing to say
)

// look decides from a picture that was taken after the move began how the move went. moved is the target's replica, if it is done.
func (f *ongoingMove) look(p topology.Picture) (result outcome, moved topology.Replica) {
	switch f.move.Kind {
	case plan.RemovePeer:
		return f.due(p.At, !knownByOthers(p, f.move.From), f.patience()), moved
	case plan.DropReplica:
		shard, known := p.Shard(f.move.Shard.Collection, f.move.Shard.Shard)
		_, there := shard.On(f.move.From)
		return f.due(p.At, !known || !there, unseenFor), moved
	}
	shard, known := p.Shard(f.move.Shard.Collection, f.move.Shard.Shard)
	if !known {
		return moveObsolete, moved
	}
	if f.move.Kind != plan.Abandon && travels(shard, f.move) {
		f.seen, f.gone = true, time.Time{}
		return movePending, moved
	}
	target, there := shard.On(f.move.To)
	_, left := shard.On(f.move.From)
	if there && target.State == clusterapi.Active && (f.move.Kind != plan.MoveShard || !left) {
		return moveDone, target
	}
	if f.gone.IsZero() {
		f.gone = p.At
	}
	if f.seen {
		return f.overdue(p.At.Sub(f.gone) >= goneFor), moved
	}
	return f.overdue(p.At.Sub(f.began) >= unseenFor), moved
}

// patience is how long a removal may take, which the removed peer's consensus takes part in.
func (f *ongoingMove) patience() time.Duration {
	if f.unsure {
		return unseenFor
	}
	return removeFor
}

func (f *ongoingMove) due(now time.Time, done bool, within time.Duration) outcome {
	if done {
		return moveDone
	}
	return f.overdue(now.Sub(f.began) >= within)
}

func (f *ongoingMove) overdue(late bool) outcome {
	if late {
		return moveFailed
	}
	return movePending
}

func travels(s topology.Shard, m plan.Move) bool {
	for _, t := range s.Transfers {
		if t.From == m.From && t.To == m.To {
			return true
		}
	}
	return false
}

// running is everything under way: the transfers that any peer sees, whoever began them, and the moves that do not show. A transfer with
// an end that does not answer keeps nothing else waiting; whether its shard may be touched is for the plan to say.
func running(p topology.Picture, ongoing []*ongoingMove) []plan.Move {
	var list []plan.Move
	for _, c := range p.Collections {
		for _, s := range c.Shards {
			for _, t := range s.Transfers {
				if p.Live(t.From) && p.Live(t.To) {
					list = append(list, plan.Move{Kind: plan.MoveShard, Shard: plan.ShardName{Collection: c.Name, Shard: s.ID}, From: t.From, To: t.To})
				}
			}
		}
	}
	for _, f := range ongoing {
		if shard, _ := p.Shard(f.move.Shard.Collection, f.move.Shard.Shard); !travels(shard, f.move) {
			list = append(list, f.move)
		}
	}
	return list
}

type transferKey struct {
	collection string
	shard      clusterapi.ShardID
	from, to   clusterapi.PeerID
}

func (k transferKey) compare(other transferKey) int {
	return cmp.Or(cmp.Compare(k.collection, other.collection), cmp.Compare(k.shard, other.shard),
		cmp.Compare(k.from, other.from), cmp.Compare(k.to, other.to))
}

// ages keeps since when each transfer has been seen; those that are gone are forgotten.
func ages(p topology.Picture, before map[transferKey]time.Time) map[transferKey]time.Time {
	now := map[transferKey]time.Time{}
	for _, c := range p.Collections {
		for _, s := range c.Shards {
			for _, t := range s.Transfers {
				key := transferKey{c.Name, s.ID, t.From, t.To}
				now[key] = p.At
				if since, known := before[key]; known {
					now[key] = since
				}
			}
		}
	}
	return now
}
