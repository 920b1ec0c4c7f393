package qdranttest

import (
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// count is how many points a collection has, by what its replicas hold.
func (s *Server) count(name string, col *collection) int {
	points := 0
	for _, shard := range col.shardIDs() {
		for peer := range col.shards[shard] {
			if holder := s.cluster.holder(peer); holder != nil {
				points += holder.data[shardName{name, shard}].Points
				break
			}
		}
	}
	return points
}

// readable says whether this server can ask as many replicas of each shard as a request wants: its own, and those of peers that it has
// a connection to. They all answer the same.
func (s *Server) readable(col *collection, consistency *qdrant.ReadConsistency) error {
	if _, byFactor := consistency.GetValue().(*qdrant.ReadConsistency_Factor); byFactor && consistency.GetFactor() == 0 {
		return status.Error(codes.InvalidArgument, `factor: Validation error: range [{"value": Number(0), "min": Number(1)}]`)
	}
	for _, shard := range col.shardIDs() {
		reached := 0
		for peer := range col.shards[shard] {
			if s.asks(col, shard, peer) {
				reached++
			}
		}
		if reached < needed(consistency, len(col.shards[shard])) {
			return serviceError("The replica set for shard %d on peer %d does not have enough active replicas", shard, s.id)
		}
	}
	return nil
}

// needed is how many of a shard's replicas must answer.
func needed(consistency *qdrant.ReadConsistency, replicas int) int {
	switch value := consistency.GetValue().(type) {
	case *qdrant.ReadConsistency_Factor:
		return int(min(value.Factor, uint64(replicas)))
	case *qdrant.ReadConsistency_Type:
		if value.Type == qdrant.ReadConsistencyType_Quorum {
			return replicas/2 + 1
		}
		return replicas
	default:
		return 1
	}
}

func (s *Server) asks(col *collection, shard uint32, peer uint64) bool {
	return isSource(col.shards[shard][peer]) && (peer == s.id || (s.cluster.connected(s.group, s.id) && s.cluster.connected(s.group, peer)))
}

// write finds the collection that points are to be written to. Replicas that can't be reached are Dead from then on, as the server
// makes those that miss a write, as long as there are enough others.
func (s *Server) write(name string) (string, *collection, error) {
	name, col, err := s.find(name)
	if err != nil {
		return "", nil, err
	}
	type replica struct {
		shard uint32
		peer  uint64
	}
	var missed []replica
	for _, shard := range col.shardIDs() {
		reached := 0
		for _, peer := range sortedPeers(col.shards[shard]) {
			switch {
			case s.asks(col, shard, peer):
				reached++
			case isSource(col.shards[shard][peer]):
				missed = append(missed, replica{shard, peer})
			}
		}
		if reached == 0 {
			return "", nil, serviceError("The replica set for shard %d on peer %d has no active replica", shard, s.id)
		}
		if least := min(col.writeConsistencyFactor, len(col.shards[shard])); reached < least {
			return "", nil, serviceError("Failed to apply operation to at least %d replicas. %d confirmed, 1 failed", least, reached)
		}
	}
	if len(missed) == 0 {
		return name, col, nil
	}
	agreed, err := s.proposed(name)
	if err != nil {
		return "", nil, err
	}
	for _, r := range missed {
		if isSource(agreed.shards[r.shard][r.peer]) {
			if err := s.group.setState(agreed, r.shard, r.peer, dead); err != nil {
				return "", nil, err
			}
		}
	}
	s.cluster.tidy()
	return name, col, nil
}

// written tells all replicas that writes go to what they hold now.
func (s *Server) written(name string, col *collection) {
	shards := col.shardIDs()
	held := col.store.spread(shards)
	for _, shard := range shards {
		for peer, state := range col.shards[shard] {
			if holder := s.cluster.holder(peer); holder != nil && state != dead {
				holder.data[shardName{name, shard}] = held[shard]
			}
		}
	}
}
