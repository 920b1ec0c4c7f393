package act

import (
	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
)

// Limits bound what is under way at a time.
type Limits struct {
	// Transfers in the whole cluster, and PerPeer into one peer as well as out of one.
	Transfers, PerPeer int
}

// LimitsFor spreads the limit of the whole cluster over its peers: one in and one out of each, unless there are more transfers than peers.
func LimitsFor(limit, peers int) Limits {
	limit, peers = max(limit, 1), max(peers, 1)
	return Limits{Transfers: limit, PerPeer: (limit + peers - 1) / peers}
}

// Schedule picks the moves that begin now from those that may as far as the plan goes (plan.Plan.Now, which has one for each shard), in
// its order; running are the moves and transfers that are under way. Transfers go up to the limits; drops and removals go one at a time.
// Nothing is begun on a shard, and no peer is removed, that something runs on.
func Schedule(moves, running []plan.Move, limits Limits) []plan.Move {
	s := schedule{
		shards: map[plan.ShardName]bool{}, peers: map[clusterapi.PeerID]bool{},
		incoming: map[clusterapi.PeerID]int{}, outgoing: map[clusterapi.PeerID]int{}, limits: limits,
	}
	for _, r := range running {
		s.touch(r)
		s.occupy(r)
	}
	var now []plan.Move
	for _, m := range moves {
		if s.free(m) {
			s.occupy(m)
			now = append(now, m)
		}
	}
	return now
}

type schedule struct {
	limits             Limits
	shards             map[plan.ShardName]bool
	peers              map[clusterapi.PeerID]bool
	incoming, outgoing map[clusterapi.PeerID]int
	transfers, changes int
}

func (s *schedule) touch(m plan.Move) {
	if m.Kind == plan.RemovePeer {
		return
	}
	s.shards[m.Shard] = true
	s.peers[m.From], s.peers[m.To] = true, true
}

func (s *schedule) occupy(m plan.Move) {
	if !transfers(m.Kind) {
		s.changes++
		return
	}
	s.transfers++
	s.outgoing[m.From]++
	s.incoming[m.To]++
}

func (s *schedule) free(m plan.Move) bool {
	switch {
	case m.Kind == plan.RemovePeer:
		return s.changes == 0 && !s.peers[m.From]
	case s.shards[m.Shard]:
		return false
	case transfers(m.Kind):
		return s.transfers < s.limits.Transfers && s.outgoing[m.From] < s.limits.PerPeer && s.incoming[m.To] < s.limits.PerPeer
	default:
		return s.changes == 0
	}
}

func transfers(kind plan.Kind) bool { return kind == plan.ReplicateShard || kind == plan.MoveShard }
