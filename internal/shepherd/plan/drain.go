package plan

import (
	"fmt"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

// repair copies shards that have fewer replicas than their collection asks for. A replica that is not healthy counts: the server heals
// it by itself. One on a peer that does not answer counts too, until that peer is said to be lost.
func (d *draft) repair() {
	if !d.goal.Repair {
		return
	}
	for _, s := range d.shards {
		if s.frozen || len(s.Transfers) > 0 {
			continue
		}
		wanted := min(s.factor, len(d.targets))
		for d.kept(s) < wanted {
			from, found := d.source(s)
			if !found && d.isBlocked(s) {
				break
			}
			if !found {
				d.block(Block{Shard: s.name, Reason: fmt.Sprintf("shard %s has %d of %d copies, and none is Active on a peer that answers",
					s.name, d.kept(s), wanted)})
				break
			}
			to, found := d.target(s, 0)
			if !found {
				break
			}
			d.do(s, Move{Kind: ReplicateShard, From: from, To: to, Why: WhyRepair})
		}
	}
}

// kept counts the replicas on peers that are not lost.
func (d *draft) kept(s *shard) int {
	count := 0
	for _, r := range s.Replicas {
		if !d.lost[r.Peer] {
			count++
		}
	}
	return count
}

// drain empties the peers that leave.
func (d *draft) drain() {
	for _, leaver := range d.joined(d.goal.Leaving) {
		if d.goal.Lost[leaver] {
			continue // replaceLost has seen to it, or says why not
		}
		for _, s := range d.shards {
			if _, holds := s.On(leaver); holds && d.idle(s) {
				d.vacate(s, leaver)
			}
		}
	}
}

// vacate plans what takes the leaver's replica of the shard away. It is dropped only where enough others last without it: as many as the
// collection asks for, or as many as there are peers that stay. If there are as many but some are not whole yet, it waits for them.
func (d *draft) vacate(s *shard, leaver clusterapi.PeerID) {
	wanted := min(s.factor, d.remaining())
	if lasting := d.lasting(s); lasting > 0 && lasting >= wanted {
		d.do(s, Move{Kind: DropReplica, From: leaver, Why: WhyDrain})
		return
	}
	from, found := d.source(s)
	if !found {
		d.giveUp(s, leaver, d.stranded(s, leaver))
		return
	}
	if len(s.Transfers) > 0 {
		return
	}
	if wanted > 0 && d.copiesStaying(s) >= wanted {
		d.block(Block{Shard: s.name, Peer: leaver, Reason: d.unplaceable(s, leaver)})
		return
	}
	kind := ReplicateShard
	if own, _ := s.On(leaver); own.State == clusterapi.Active && d.live[leaver] {
		kind, from = MoveShard, leaver
	}
	to, found := d.target(s, leaver)
	if !found {
		d.block(Block{Shard: s.name, Peer: leaver, Reason: d.unplaceable(s, leaver)})
		return
	}
	d.do(s, Move{Kind: kind, From: from, To: to, Why: WhyDrain})
}

// copiesStaying counts the replicas on peers that stay, whatever their state.
func (d *draft) copiesStaying(s *shard) int {
	count := 0
	for _, r := range s.Replicas {
		if d.staying(r.Peer) {
			count++
		}
	}
	return count
}

// remaining counts the members that stay. One that does not answer now is among them: it is expected back.
func (d *draft) remaining() int {
	count := 0
	for _, m := range d.picture.Members {
		if d.staying(m.ID) && d.picture.Joined(m.ID) {
			count++
		}
	}
	return count
}

// stranded says why a leaver's replica can't be copied from anywhere.
func (d *draft) stranded(s *shard, leaver clusterapi.PeerID) string {
	if !d.answers(leaver) {
		return fmt.Sprintf("shard %s has its only copy on %s, which does not answer: scale up again, or accept the loss",
			s.name, d.picture.Name(leaver))
	}
	own, _ := s.On(leaver)
	return fmt.Sprintf("shard %s has no Active copy on a peer that answers; the one on %s is %s", s.name, d.picture.Name(leaver), own.State)
}

// unplaceable says why a leaver's replica can neither go to another peer nor be dropped.
func (d *draft) unplaceable(s *shard, leaver clusterapi.PeerID) string {
	for _, r := range s.Replicas {
		switch {
		case !d.staying(r.Peer):
		case !d.live[r.Peer]:
			return fmt.Sprintf("shard %s stays on %s until its copy on %s, which does not take part now, can be relied on",
				s.name, d.picture.Name(leaver), d.picture.Name(r.Peer))
		case r.State != clusterapi.Active:
			return fmt.Sprintf("shard %s stays on %s until its copy on %s is Active; it is %s",
				s.name, d.picture.Name(leaver), d.picture.Name(r.Peer), r.State)
		}
	}
	return fmt.Sprintf("shard %s stays on %s: no peer that could take it is ready", s.name, d.picture.Name(leaver))
}
