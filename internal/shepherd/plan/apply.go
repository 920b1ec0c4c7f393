package plan

import (
	"slices"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// apply makes of the picture what it is after the move, if that goes well and nothing else happens.
func apply(p *topology.Picture, m Move) {
	if m.Kind == RemovePeer {
		removePeer(p, m.From)
		return
	}
	for i := range p.Collections {
		if p.Collections[i].Name != m.Shard.Collection {
			continue
		}
		for j := range p.Collections[i].Shards {
			if shard := &p.Collections[i].Shards[j]; shard.ID == m.Shard.Shard {
				change(shard, m)
			}
		}
	}
}

func clone(p topology.Picture) topology.Picture {
	p.Members = slices.Clone(p.Members)
	p.Collections = slices.Clone(p.Collections)
	for i := range p.Collections {
		shards := slices.Clone(p.Collections[i].Shards)
		for j := range shards {
			shards[j].Replicas = slices.Clone(shards[j].Replicas)
			shards[j].Transfers = slices.Clone(shards[j].Transfers)
		}
		p.Collections[i].Shards = shards
	}
	p.Silent = slices.Clone(p.Silent)
	p.Doubts = slices.Clone(p.Doubts)
	return p
}

// change makes of the shard what it is after the move.
func change(s *topology.Shard, m Move) {
	switch m.Kind {
	case ReplicateShard:
		put(s, copied(*s, m))
	case MoveShard:
		put(s, copied(*s, m))
		drop(s, m.From)
	case DropReplica:
		abortTransfers(s, m.From)
		drop(s, m.From)
	case Abandon:
		abortTransfers(s, m.From)
		kept, found := s.On(m.To)
		if !found {
			kept = topology.Replica{Peer: m.To}
		}
		kept.State = clusterapi.Active
		put(s, kept)
		if lost, found := s.On(m.From); found {
			lost.State = clusterapi.Dead
			put(s, lost)
		}
	}
}

// copied is what the target of a move gets.
func copied(s topology.Shard, m Move) topology.Replica {
	r, _ := s.On(m.From)
	r.Peer, r.State = m.To, clusterapi.Active
	return r
}

// put adds the replica, or replaces the one on the same peer.
func put(s *topology.Shard, r topology.Replica) {
	drop(s, r.Peer)
	i := 0
	for i < len(s.Replicas) && s.Replicas[i].Peer < r.Peer {
		i++
	}
	s.Replicas = slices.Insert(s.Replicas, i, r)
}

func drop(s *topology.Shard, id clusterapi.PeerID) {
	s.Replicas = slices.DeleteFunc(s.Replicas, func(r topology.Replica) bool { return r.Peer == id })
}

// abortTransfers does what the server does with the transfers from and to a replica that it drops: what a copy has reached is Dead,
// to be healed from another replica, and what a move has reached is gone.
func abortTransfers(s *topology.Shard, id clusterapi.PeerID) {
	for _, t := range s.Transfers {
		if t.From != id && t.To != id {
			continue
		}
		if r, found := s.On(t.To); found && t.Sync {
			r.State = clusterapi.Dead
			put(s, r)
		} else if !t.Sync {
			drop(s, t.To)
		}
	}
	s.Transfers = slices.DeleteFunc(s.Transfers, func(t clusterapi.Transfer) bool { return t.From == id || t.To == id })
}

// removePeer takes the peer out of the members and out of their lists. If it led, the first voter that answers does now.
func removePeer(p *topology.Picture, id clusterapi.PeerID) {
	p.Members = slices.DeleteFunc(p.Members, func(m topology.Member) bool { return m.ID == id })
	var heir clusterapi.PeerID
	known := map[clusterapi.PeerID]int{}
	for i := range p.Members {
		m := &p.Members[i]
		m.Peers = slices.DeleteFunc(slices.Clone(m.Peers), func(peer clusterapi.Peer) bool { return peer.ID == id })
		for _, peer := range m.Peers {
			known[peer.ID]++
		}
		if heir == 0 && m.Answers && m.Working && m.Raft.IsVoter {
			heir = m.ID
		}
	}
	for i := range p.Members {
		m := &p.Members[i]
		m.KnownBy = known[m.ID]
		if m.Raft.Leader == id {
			m.Raft.Leader = heir
			m.Raft.Term++
		}
	}
}
