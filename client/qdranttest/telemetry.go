package qdranttest

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// getTelemetry has what the real one says of the process, the collections and the consensus, and nothing of requests or hardware.
func (s *Server) getTelemetry(r *http.Request, _ []byte) (any, error) {
	level, _ := strconv.Atoi(r.URL.Query().Get("details_level"))
	view := s.view()
	collections := map[string]any{"number_of_collections": len(view.collections)}
	if level >= 2 {
		list := []any{}
		for _, name := range view.names() {
			list = append(list, s.collectionTelemetry(name, view.collections[name], level))
		}
		collections["collections"] = list
	}
	info := s.raft()
	peers := map[string]any{}
	for id, uri := range view.members {
		peers[strconv.FormatUint(id, 10)] = map[string]string{"uri": uri}
	}
	return map[string]any{
		"id":          "00000000-0000-4000-8000-" + strconv.FormatUint(100000000000+s.id, 10),
		"app":         map[string]any{"name": "qdrant", "version": s.version, "startup": s.process.started.UTC().Format(time.RFC3339Nano)},
		"collections": collections,
		"cluster": map[string]any{
			"enabled": true, "peers": peers,
			"status": map[string]any{
				"number_of_peers": len(view.members), "term": info.Term, "commit": info.Commit, "pending_operations": info.Pending,
				"role": info.Role, "is_voter": info.IsVoter, "peer_id": s.id, "consensus_thread_status": s.consensusThread(),
			},
		},
	}, nil
}

func (s *Server) collectionTelemetry(name string, col *collection, level int) map[string]any {
	telemetry := map[string]any{"id": name, "config": col.settings()}
	if level < 3 {
		return telemetry
	}
	shards := []any{}
	for _, shard := range col.shardIDs() {
		replicas := map[string]string{}
		for peer, state := range col.shards[shard] {
			replicas[strconv.FormatUint(peer, 10)] = state
		}
		var local any
		if col.shards[shard][s.id] != "" {
			data := s.data[shardName{name, shard}]
			local = map[string]any{
				"variant_name": "local shard", "status": "green", "num_points": data.Points, "num_vectors": data.Points,
				// The fake has one figure for both.
				"vectors_size_bytes": data.Bytes, "payloads_size_bytes": 0,
			}
		}
		shards = append(shards, map[string]any{"id": shard, "key": nil, "local": local, "replicate_states": replicas})
	}
	telemetry["shards"], telemetry["transfers"], telemetry["resharding"] = shards, s.transfers(col), []any{}
	return telemetry
}

func sortedPeers(replicas map[uint64]string) []uint64 { return slices.Sorted(maps.Keys(replicas)) }
