package topology

import (
	"fmt"
	"slices"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

// Unknown is the state of a replica that some of the answering peers do not know of: it is just being made or dropped.
const Unknown clusterapi.ReplicaState = "Unknown"

// ShardReplica is a replica with the name of its shard.
type ShardReplica struct {
	Collection string
	Shard      clusterapi.ShardID
	Replica
}

// Shard finds a shard by its collection and id.
func (p Picture) Shard(collection string, id clusterapi.ShardID) (Shard, bool) {
	for _, c := range p.Collections {
		if c.Name != collection {
			continue
		}
		for _, s := range c.Shards {
			if s.ID == id {
				return s, true
			}
		}
	}
	return Shard{}, false
}

// On finds the replica on a peer.
func (s Shard) On(id clusterapi.PeerID) (Replica, bool) {
	i := slices.IndexFunc(s.Replicas, func(r Replica) bool { return r.Peer == id })
	if i < 0 {
		return Replica{}, false
	}
	return s.Replicas[i], true
}

// Replicas is what a peer holds, in order of collections and shards.
func (p Picture) Replicas(id clusterapi.PeerID) []ShardReplica {
	var held []ShardReplica
	for _, c := range p.Collections {
		for _, s := range c.Shards {
			if r, found := s.On(id); found {
				held = append(held, ShardReplica{Collection: c.Name, Shard: s.ID, Replica: r})
			}
		}
	}
	return held
}

// WholeWithout reports whether the shard has an Active replica on a peer that answers and has joined, other than those excepted. The
// server calls a lost peer's replicas Active until a write fails on them, so the state alone says nothing.
func (p Picture) WholeWithout(shard Shard, except ...clusterapi.PeerID) bool {
	return slices.ContainsFunc(shard.Replicas, func(r Replica) bool {
		member, known := p.Member(r.Peer)
		return r.State == clusterapi.Active && known && member.Answers && p.Joined(r.Peer) && !slices.Contains(except, r.Peer)
	})
}

// Whole reports whether nothing is missing, on its way or in doubt: each replica is Active on a peer that answers, each shard has as
// many as its collection asks for or as there are peers, and nothing is being transferred; else the reasons why not.
func (p Picture) Whole() (bool, []string) {
	var reasons []string
	joined := 0
	for _, m := range p.Members {
		if p.Joined(m.ID) {
			joined++
		}
	}
	for _, c := range p.Collections {
		if c.Resharding {
			reasons = append(reasons, fmt.Sprintf("collection %s is being resharded", c.Name))
		}
		for _, s := range c.Shards {
			reasons = append(reasons, p.missing(c, s, min(c.ReplicationFactor, joined))...)
		}
	}
	reasons = append(reasons, p.Doubts...)
	return len(reasons) == 0, reasons
}

// missing says what a shard lacks to be whole.
func (p Picture) missing(c Collection, s Shard, wanted int) []string {
	name := fmt.Sprintf("shard %s/%d", c.Name, s.ID)
	var reasons []string
	for _, r := range s.Replicas {
		switch member, known := p.Member(r.Peer); {
		case r.State != clusterapi.Active:
			reasons = append(reasons, fmt.Sprintf("%s is %s on %s", name, r.State, p.Name(r.Peer)))
		case !known || !member.Answers:
			reasons = append(reasons, fmt.Sprintf("%s has a replica on %s, which does not answer", name, p.Name(r.Peer)))
		case !p.Joined(r.Peer):
			reasons = append(reasons, fmt.Sprintf("%s has a replica on %s, which is not in the cluster", name, p.Name(r.Peer)))
		}
	}
	for _, t := range s.Transfers {
		reasons = append(reasons, fmt.Sprintf("%s is being transferred from %s to %s", name, p.Name(t.From), p.Name(t.To)))
	}
	switch {
	case len(s.Replicas) == 0:
		reasons = append(reasons, name+" has no replica on any peer")
	case len(s.Replicas) < wanted:
		reasons = append(reasons, fmt.Sprintf("%s has %d of %d replicas", name, len(s.Replicas), wanted))
	}
	return reasons
}
