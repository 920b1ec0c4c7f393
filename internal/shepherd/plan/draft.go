package plan

import (
	"cmp"
	"slices"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// draft is a plan in the making: the picture as it is after the moves so far, and what is looked up in it all the time.
type draft struct {
	goal    Goal
	picture topology.Picture
	shards  []*shard
	// lost are the peers that the goal says are lost and that do not answer.
	lost map[clusterapi.PeerID]bool
	// live are the peers that may be a source, or keep the copy that counts; targets, in order of their ids, may receive one.
	live    map[clusterapi.PeerID]bool
	targets []clusterapi.PeerID
	loads   loads
	moves   []Move
	blocked []Block
}

// shard is a shard of the draft's picture with its name and what its collection says.
type shard struct {
	*topology.Shard
	name   ShardName
	factor int
	// frozen: it is not moved, since its collection is being resharded, peers disagree on it, or it has a replica on a peer that is not
	// in the cluster.
	frozen bool
}

func newDraft(p topology.Picture, w Goal) *draft {
	d := &draft{goal: w, picture: clone(p), lost: map[clusterapi.PeerID]bool{}, live: map[clusterapi.PeerID]bool{}, loads: newLoads()}
	joined := map[clusterapi.PeerID]bool{}
	for _, m := range p.Members {
		joined[m.ID] = p.Joined(m.ID)
		d.lost[m.ID] = w.Lost[m.ID] && !m.Answers
		d.live[m.ID] = p.Live(m.ID) && !w.Lost[m.ID]
		if d.live[m.ID] && w.Targets[m.ID] && !w.Leaving[m.ID] {
			d.targets = append(d.targets, m.ID)
		}
	}
	for i := range d.picture.Collections {
		c := &d.picture.Collections[i]
		for j := range c.Shards {
			s := &shard{Shard: &c.Shards[j], name: ShardName{c.Name, c.Shards[j].ID}, factor: max(1, c.ReplicationFactor)}
			s.frozen = c.Resharding || !s.Agreed || slices.ContainsFunc(s.Replicas, func(r topology.Replica) bool { return !joined[r.Peer] })
			d.shards = append(d.shards, s)
			d.loads.add(s, 1)
		}
	}
	return d
}

// do plans the move and changes the draft's picture accordingly.
func (d *draft) do(s *shard, m Move) {
	m.Shard = s.name
	if m.Kind == ReplicateShard || m.Kind == MoveShard {
		if r, found := s.On(m.From); found {
			m.Bytes = max(0, r.Bytes)
		}
		d.loads.sending[m.From]++
	}
	d.loads.add(s, -1)
	change(s.Shard, m)
	d.loads.add(s, 1)
	d.moves = append(d.moves, m)
}

func (d *draft) block(b Block) { d.blocked = append(d.blocked, b) }

// isBlocked reports whether a reason was found already why something can't be done about the shard.
func (d *draft) isBlocked(s *shard) bool {
	return slices.ContainsFunc(d.blocked, func(b Block) bool { return b.Shard == s.name })
}

// staying reports whether the peer is to remain in the cluster.
func (d *draft) staying(id clusterapi.PeerID) bool { return !d.goal.Leaving[id] && !d.lost[id] }

// answers reports whether the peer itself was heard.
func (d *draft) answers(id clusterapi.PeerID) bool {
	m, _ := d.picture.Member(id)
	return m.Answers
}

// lasting counts the Active replicas on live peers that stay: those that a drop may rely on.
func (d *draft) lasting(s *shard) int {
	count := 0
	for _, r := range s.Replicas {
		if r.State == clusterapi.Active && d.live[r.Peer] && d.staying(r.Peer) {
			count++
		}
	}
	return count
}

// source is the live peer to copy the shard from: of those with an Active replica the one that has the least to send.
func (d *draft) source(s *shard) (clusterapi.PeerID, bool) {
	var holders []clusterapi.PeerID
	for _, r := range s.Replicas {
		if r.State == clusterapi.Active && d.live[r.Peer] {
			holders = append(holders, r.Peer)
		}
	}
	if len(holders) == 0 {
		return 0, false
	}
	return slices.MinFunc(holders, func(a, b clusterapi.PeerID) int {
		return cmp.Or(cmp.Compare(d.loads.sending[a], d.loads.sending[b]), cmp.Compare(a, b))
	}), true
}

// target is the peer that is best to get a replica of the shard, if any lacks it: in a zone of its own if possible, then the one with the
// least. The replica on leaver does not count, since it goes.
func (d *draft) target(s *shard, leaver clusterapi.PeerID) (clusterapi.PeerID, bool) {
	var holders []clusterapi.PeerID
	for _, r := range s.Replicas {
		if r.Peer != leaver {
			holders = append(holders, r.Peer)
		}
	}
	candidates := slices.DeleteFunc(slices.Clone(d.targets), func(id clusterapi.PeerID) bool {
		_, holds := s.On(id)
		return holds
	})
	if len(candidates) == 0 {
		return 0, false
	}
	return slices.MinFunc(candidates, func(a, b clusterapi.PeerID) int {
		return cmp.Or(
			cmp.Compare(crowding(d.goal.Zones, append(holders[:len(holders):len(holders)], a)),
				crowding(d.goal.Zones, append(holders[:len(holders):len(holders)], b))),
			d.loads.compare(d.goal.Strategy, s.name.Collection, a, b),
			cmp.Compare(a, b))
	}), true
}

// crowding counts the holders that share a zone with one before them.
func crowding(zones map[clusterapi.PeerID]string, holders []clusterapi.PeerID) int {
	count := 0
	for i, id := range holders {
		zone, known := zones[id]
		if known && slices.ContainsFunc(holders[:i], func(other clusterapi.PeerID) bool { z, ok := zones[other]; return ok && z == zone }) {
			count++
		}
	}
	return count
}
