package clusterapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// State is everything that one peer knows of its own process and of all collections, read in one request however many there are.
type State struct {
	// PeerID is the answering peer's; zero without cluster mode.
	PeerID  PeerID
	Version string
	// Started is when the process began: it tells one process from the next on the same volume.
	Started time.Time
	// Collections are in order of their names.
	Collections []CollectionState
}

// CollectionState is one peer's view of a collection.
type CollectionState struct {
	Name                   string
	ReplicationFactor      int
	ShardNumber            int
	WriteConsistencyFactor int
	// Shards are all there are, in order; one that has lost its last replica is only here.
	Shards []ShardID
	// Replicas are in order of shard, then peer.
	Replicas  []Replica
	Transfers []Transfer
	// Resharding says that a resharding is under way.
	Resharding bool
}

// State reads what this peer knows, from its telemetry: the one answer that has the process's start, and the shards of all collections
// with their sizes. Level 3 is the least that has the shards.
func (c *Client) State(ctx context.Context) (State, error) {
	return result[State](ctx, c, "reading the state", http.MethodGet, "/telemetry?details_level=3", nil)
}

// wireShard is a shard in the telemetry.
type wireShard struct {
	ID    ShardID         `json:"id"`
	Key   json.RawMessage `json:"key"`
	Local *struct {
		Points        int   `json:"num_points"`
		VectorsBytes  int64 `json:"vectors_size_bytes"`
		PayloadsBytes int64 `json:"payloads_size_bytes"`
	} `json:"local"`
	States map[PeerID]ReplicaState `json:"replicate_states"`
}

// wireCollection is a collection in the telemetry.
type wireCollection struct {
	ID     string `json:"id"`
	Config struct {
		Params struct {
			ShardNumber            int `json:"shard_number"`
			ReplicationFactor      int `json:"replication_factor"`
			WriteConsistencyFactor int `json:"write_consistency_factor"`
		} `json:"params"`
	} `json:"config"`
	Shards     []wireShard       `json:"shards"`
	Transfers  []Transfer        `json:"transfers"`
	Resharding []json.RawMessage `json:"resharding"`
}

// UnmarshalJSON reads the telemetry. An answer that lacks a part, as from a server whose telemetry looks different, is an error: taken
// as it is, it would be a cluster without data.
func (s *State) UnmarshalJSON(data []byte) error {
	var wire struct {
		App struct {
			Version string    `json:"version"`
			Startup time.Time `json:"startup"`
		} `json:"app"`
		Collections *struct {
			Number      int              `json:"number_of_collections"`
			Collections []wireCollection `json:"collections"`
		} `json:"collections"`
		Cluster struct {
			Status struct {
				PeerID PeerID `json:"peer_id"`
			} `json:"status"`
		} `json:"cluster"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	switch {
	case wire.App.Version == "" || wire.App.Startup.IsZero():
		return errors.New("the telemetry names no version or no start of the process")
	case wire.Collections == nil || len(wire.Collections.Collections) < wire.Collections.Number:
		return errors.New("the telemetry lacks collections")
	}
	*s = State{PeerID: wire.Cluster.Status.PeerID, Version: wire.App.Version, Started: wire.App.Startup}
	for _, collection := range wire.Collections.Collections {
		if collection.Shards == nil {
			return fmt.Errorf("the telemetry lacks the shards of collection %s", collection.ID)
		}
		s.Collections = append(s.Collections, collection.state(s.PeerID))
	}
	slices.SortFunc(s.Collections, func(a, b CollectionState) int { return cmp.Compare(a.Name, b.Name) })
	return nil
}

func (w wireCollection) state(self PeerID) CollectionState {
	state := CollectionState{
		Name:                   w.ID,
		ReplicationFactor:      w.Config.Params.ReplicationFactor,
		ShardNumber:            w.Config.Params.ShardNumber,
		WriteConsistencyFactor: w.Config.Params.WriteConsistencyFactor,
		Transfers:              w.Transfers,
		Resharding:             len(w.Resharding) > 0,
	}
	for _, shard := range w.Shards {
		state.Shards = append(state.Shards, shard.ID)
		for peer, replicaState := range shard.States {
			replica := Replica{Shard: shard.ID, ShardKey: shardKey(shard.Key), Peer: peer, State: replicaState}
			// A server without cluster mode does not tell its id, but has no replicas other than its own.
			replica.Local = peer == self || self == 0
			if replica.Local && shard.Local != nil {
				replica.Points = shard.Local.Points
				replica.Bytes = shard.Local.VectorsBytes + shard.Local.PayloadsBytes
			}
			state.Replicas = append(state.Replicas, replica)
		}
	}
	slices.Sort(state.Shards)
	slices.SortFunc(state.Replicas, func(a, b Replica) int {
		return cmp.Or(cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.Peer, b.Peer))
	})
	return state
}
