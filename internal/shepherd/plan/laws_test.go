package plan

import (
	"fmt"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// requireLawful holds each move of a plan to the laws, in the picture that the moves before it lead to.
func requireLawful(t require.TestingT, p topology.Picture, w Goal, plan Plan) {
	now := clone(p)
	for n, m := range plan.Moves {
		require.Contains(t, Kinds(), m.Kind)
		require.Contains(t, m.Kind.Whys(), m.Why)
		if why := unlawful(p, now, w, m); why != "" {
			require.Empty(t, why, "move %d of %v", n, lines(plan.Moves))
		}
		apply(&now, m)
		s, _ := now.Shard(m.Shard.Collection, m.Shard.Shard)
		require.Empty(t, twice(s))
	}
	require.Equal(t, plan, Make(p, w), "the same input gives the same plan")
}

func twice(s topology.Shard) string {
	for i, r := range s.Replicas {
		if i > 0 && s.Replicas[i-1].Peer == r.Peer {
			return fmt.Sprintf("two copies on peer %s", r.Peer)
		}
	}
	return ""
}

// unlawful says what is wrong with a move, in words of its own: nothing here is shared with the planner. first is the picture that the
// plan was made from, now the one that the moves before this one lead to.
func unlawful(first, now topology.Picture, w Goal, m Move) string {
	able := func(id clusterapi.PeerID) bool {
		member, known := now.Member(id)
		return known && member.Answers && member.Working && now.Joined(id) && !w.Lost[id]
	}
	if m.Kind == RemovePeer {
		return unlawfulRemoval(now, w, m.From)
	}
	s, found := now.Shard(m.Shard.Collection, m.Shard.Shard)
	origin, _ := first.Shard(m.Shard.Collection, m.Shard.Shard)
	if !found {
		return "there is no such shard"
	}
	if !origin.Agreed {
		return "peers disagree on the shard"
	}
	for _, t := range s.Transfers {
		from, _ := now.Member(t.From)
		to, _ := now.Member(t.To)
		lost := w.Lost[t.From] && !from.Answers || w.Lost[t.To] && !to.Answers
		if givenUp := w.GivenUp[m.Shard] && (w.Leaving[t.From] && !from.Answers || w.Leaving[t.To] && !to.Answers); !lost && !givenUp {
			return "the shard is in a transfer"
		}
	}
	source, held := s.On(m.From)
	if !held {
		return "the source has no replica"
	}
	active := func(acceptable func(topology.Replica) bool) int {
		count := 0
		for _, r := range s.Replicas {
			if r.State == clusterapi.Active && able(r.Peer) && acceptable(r) {
				count++
			}
		}
		return count
	}
	others := active(func(r topology.Replica) bool { return r.Peer != m.From && !w.Leaving[r.Peer] })
	switch m.Kind {
	case ReplicateShard, MoveShard:
		if source.State != clusterapi.Active || !able(m.From) {
			return "the source is not Active on a peer that takes part"
		}
		if _, there := s.On(m.To); there {
			return "the target has a replica already"
		}
		if !able(m.To) || !w.Targets[m.To] || w.Leaving[m.To] {
			return "the target is none"
		}
		if len(s.Transfers) > 0 {
			return "the shard is in a transfer"
		}
	case DropReplica:
		if others == 0 {
			return "no other Active replica stays"
		}
		if member, _ := now.Member(m.From); !member.Answers && !w.Lost[m.From] && !w.Leaving[m.From] {
			return "the peer is away for now, and its replica is dropped"
		}
	case Abandon:
		member, _ := now.Member(m.From)
		anywhere := slices.ContainsFunc(s.Replicas, func(r topology.Replica) bool {
			holder, _ := now.Member(r.Peer)
			away := (w.Lost[r.Peer] || w.Leaving[r.Peer]) && !holder.Answers
			return r.State == clusterapi.Active && !away
		})
		switch {
		case !w.GivenUp[m.Shard]:
			return "nobody has accepted the loss"
		case member.Answers:
			return "the peer given up answers"
		case anywhere:
			return "another Active replica is left"
		case !able(m.To):
			return "the target does not take part"
		}
		if _, there := s.On(m.To); !there && (!w.Targets[m.To] || w.Leaving[m.To]) {
			return "the target is none"
		}
	default:
		return fmt.Sprintf("%q is no kind of move", m.Kind)
	}
	if m.Why == "balance" && crowded(w, s, m) > shared(w, origin) {
		return "copies come to share a zone"
	}
	if m.Why == "balance" && w.Untouched[m.Shard.Collection] {
		return "the collection is not to be touched"
	}
	return ""
}

func unlawfulRemoval(now topology.Picture, w Goal, id clusterapi.PeerID) string {
	member, known := now.Member(id)
	switch {
	case !known || !now.Joined(id):
		return "the peer is no member"
	case !w.Leaving[id] && !w.Lost[id]:
		return "the peer is to stay"
	case w.Lost[id] && member.Answers:
		return "the peer answers"
	case len(now.Replicas(id)) > 0:
		return "the peer has replicas"
	}
	for _, c := range now.Collections {
		for _, s := range c.Shards {
			for _, t := range s.Transfers {
				if t.From == id || t.To == id {
					return "the peer takes part in a transfer"
				}
			}
		}
	}
	if ok, why := applied(now, []Move{{Kind: RemovePeer, From: id}}).Quorum(); !ok {
		return "without the peer there is no quorum: " + why
	}
	return ""
}

// shared counts the zones that more than one copy is in, once for each copy too many.
func shared(w Goal, s topology.Shard) int {
	in := map[string]int{}
	count := 0
	for _, r := range s.Replicas {
		if zone := w.Zones[r.Peer]; zone != "" {
			in[zone]++
			if in[zone] > 1 {
				count++
			}
		}
	}
	return count
}

func crowded(w Goal, s topology.Shard, m Move) int {
	after := topology.Shard{}
	for _, r := range s.Replicas {
		if r.Peer != m.From {
			after.Replicas = append(after.Replicas, r)
		}
	}
	if m.Kind == MoveShard {
		after.Replicas = append(after.Replicas, topology.Replica{Peer: m.To})
	}
	return shared(w, after)
}
