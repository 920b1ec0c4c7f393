package plan

import (
	"cmp"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

// loads is what the peers hold, kept up to date while moves are planned.
type loads struct {
	total      map[clusterapi.PeerID]int
	bytes      map[clusterapi.PeerID]int64
	collection map[string]map[clusterapi.PeerID]int
	sending    map[clusterapi.PeerID]int
}

func newLoads() loads {
	return loads{
		total:      map[clusterapi.PeerID]int{},
		bytes:      map[clusterapi.PeerID]int64{},
		collection: map[string]map[clusterapi.PeerID]int{},
		sending:    map[clusterapi.PeerID]int{},
	}
}

// add counts the replicas of a shard, or with -1 takes them off.
func (l loads) add(s *shard, sign int) {
	in := l.collection[s.name.Collection]
	if in == nil {
		in = map[clusterapi.PeerID]int{}
		l.collection[s.name.Collection] = in
	}
	for _, r := range s.Replicas {
		l.total[r.Peer] += sign
		l.bytes[r.Peer] += int64(sign) * max(0, r.Bytes)
		in[r.Peer] += sign
	}
}

// compare orders two peers by what they hold, as the strategy measures it.
func (l loads) compare(strategy Strategy, collection string, a, b clusterapi.PeerID) int {
	in := l.collection[collection]
	counts := cmp.Or(cmp.Compare(in[a], in[b]), cmp.Compare(l.total[a], l.total[b]))
	if strategy == Size {
		return cmp.Or(cmp.Compare(l.bytes[a], l.bytes[b]), counts)
	}
	return counts
}
