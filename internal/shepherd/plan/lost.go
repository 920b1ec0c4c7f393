package plan

import (
	"fmt"
	"maps"
	"slices"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// idle reports whether the shard may be touched: it is not frozen and in no transfer. A transfer from or to a lost peer never ends by
// itself, so it does not count; dropping that peer's replica ends it.
func (d *draft) idle(s *shard) bool {
	return !s.frozen && !slices.ContainsFunc(s.Transfers, func(t clusterapi.Transfer) bool {
		if d.goal.GivenUp[s.name] && (d.gone(t.From) || d.gone(t.To)) {
			return false
		}
		return !d.lost[t.From] && !d.lost[t.To]
	})
}

// gone reports whether the peer is away and not expected back.
func (d *draft) gone(id clusterapi.PeerID) bool { return !d.staying(id) && !d.answers(id) }

// replaceLost drops the replicas of lost peers where another counts, and gives up those of which a person has said so.
func (d *draft) replaceLost() {
	for _, lost := range d.joined(d.goal.Lost) {
		if d.answers(lost) {
			d.block(Block{Peer: lost, Reason: fmt.Sprintf("%s is said to be lost, and answers", d.picture.Name(lost))})
			continue
		}
		for _, s := range d.shards {
			if _, holds := s.On(lost); !holds || !d.idle(s) {
				continue
			}
			if d.lasting(s) > 0 {
				d.do(s, Move{Kind: DropReplica, From: lost, Why: WhyLost})
				continue
			}
			if _, leaving := d.source(s); leaving {
				continue // the drain makes it last first
			}
			d.giveUp(s, lost, fmt.Sprintf("shard %s has no Active copy left but on %s, whose data is lost: accept the loss to go on",
				s.name, d.picture.Name(lost)))
		}
	}
}

// giveUp plans to go on without the copies of a shard that has no Active one on a live peer, if a person has accepted that and no other
// peer that may come back has one. Else it is blocked, for the reason given.
func (d *draft) giveUp(s *shard, gone clusterapi.PeerID, reason string) {
	for _, r := range s.Replicas {
		if !d.gone(r.Peer) && r.State == clusterapi.Active {
			d.block(Block{Shard: s.name, Peer: r.Peer, Reason: fmt.Sprintf("shard %s waits for its Active copy on %s, which does not take part now",
				s.name, d.picture.Name(r.Peer))})
			return
		}
	}
	if !d.goal.GivenUp[s.name] || !d.gone(gone) {
		d.block(Block{Shard: s.name, Peer: gone, Reason: reason})
		return
	}
	to, found := d.heir(s)
	if !found {
		d.block(Block{Shard: s.name, Peer: gone, Reason: fmt.Sprintf("shard %s is given up, and no peer can take it over now", s.name)})
		return
	}
	d.do(s, Move{Kind: Abandon, From: d.abandoned(s, gone), To: to, Why: WhyLost})
}

// heir is the peer that goes on with a shard that is given up: the one that the attempt before this one chose, else the live one with the
// most points in an unfinished copy, else a target.
func (d *draft) heir(s *shard) (clusterapi.PeerID, bool) {
	for _, t := range s.Transfers {
		if d.gone(t.From) && d.live[t.To] {
			return t.To, true
		}
	}
	best := topology.Replica{Points: -2}
	for _, r := range s.Replicas {
		if d.live[r.Peer] && r.Points > best.Points {
			best = r
		}
	}
	if best.Peer != 0 {
		return best.Peer, true
	}
	return d.target(s, 0)
}

// abandoned is the peer whose copy is given up: one whose replica the server still calls Active, since only such a one can be replicated.
func (d *draft) abandoned(s *shard, otherwise clusterapi.PeerID) clusterapi.PeerID {
	for _, t := range s.Transfers {
		if d.gone(t.From) {
			return t.From
		}
	}
	for _, r := range s.Replicas {
		if r.State == clusterapi.Active && d.gone(r.Peer) {
			return r.Peer
		}
	}
	return otherwise
}

// joined are the peers of the set that are members, in order of their ids.
func (d *draft) joined(set map[clusterapi.PeerID]bool) []clusterapi.PeerID {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(set)), func(id clusterapi.PeerID) bool { return !set[id] || !d.picture.Joined(id) })
}

// forget removes the peers that are lost or leaving once they have nothing.
func (d *draft) forget() {
	unwanted := maps.Clone(d.lost)
	maps.Copy(unwanted, d.goal.Leaving)
	for _, id := range d.joined(unwanted) {
		if d.goal.Lost[id] && d.answers(id) || d.involved(id) {
			continue
		}
		if working, voters := d.votersWithout(id); 2*working <= voters {
			d.block(Block{Peer: id, Reason: fmt.Sprintf("without %s only %d of %d voters would answer, and the cluster could decide nothing",
				d.picture.Name(id), working, voters)})
			continue
		}
		removePeer(&d.picture, id)
		d.live[id] = false
		d.moves = append(d.moves, Move{Kind: RemovePeer, From: id, Why: WhyForget})
	}
}

// involved reports whether any shard has a replica on the peer, or a transfer from or to it.
func (d *draft) involved(id clusterapi.PeerID) bool {
	return slices.ContainsFunc(d.shards, func(s *shard) bool {
		_, holds := s.On(id)
		return holds || slices.ContainsFunc(s.Transfers, func(t clusterapi.Transfer) bool { return t.From == id || t.To == id })
	})
}

// votersWithout counts the voters that would remain without the peer, and those of them that answer and take part.
func (d *draft) votersWithout(id clusterapi.PeerID) (working, voters int) {
	for _, m := range d.picture.Members {
		if m.ID == id || !d.picture.Joined(m.ID) || m.Answers && !m.Raft.IsVoter {
			continue
		}
		voters++
		if m.Answers && m.Working {
			working++
		}
	}
	return working, voters
}
