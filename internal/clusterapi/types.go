package clusterapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// PeerID identifies a member of the cluster. The server draws it at random
// when a peer first starts; a peer that lost its volume comes back with
// another one.
type PeerID uint64

func (id PeerID) String() string { return strconv.FormatUint(uint64(id), 10) }

// ShardID identifies a shard within its collection.
type ShardID uint32

// Peer is a member of the cluster as the answering peer knows it.
type Peer struct {
	ID  PeerID
	URI string
}

// Cluster is one peer's view of the cluster. Views differ while consensus is
// catching up, and for good when a peer has left or lost its state, so one view
// is never the whole truth.
type Cluster struct {
	// Enabled is false for a server that runs without cluster mode; all other
	// fields are empty then.
	Enabled             bool
	PeerID              PeerID
	Peers               []Peer
	Raft                Raft
	Consensus           Consensus
	MessageSendFailures map[string]MessageSendFailure
}

// Raft is the state of the consensus log on one peer.
type Raft struct {
	Term              uint64 `json:"term"`
	Commit            uint64 `json:"commit"`
	PendingOperations int    `json:"pending_operations"`
	// Leader is zero while there is none. An isolated old leader goes on
	// naming itself, so this is no proof of a quorum.
	Leader  PeerID `json:"leader"`
	Role    string `json:"role"`
	IsVoter bool   `json:"is_voter"`
}

// Consensus says whether the thread that runs the consensus is alive.
type Consensus struct {
	Status     string    `json:"consensus_thread_status"`
	LastUpdate time.Time `json:"last_update"`
	Err        string    `json:"err"`
}

// Working reports whether the peer still takes part in the consensus.
func (c Consensus) Working() bool { return c.Status == "working" }

// MessageSendFailure counts the messages that did not reach a peer since the
// last one that did.
type MessageSendFailure struct {
	Count       int    `json:"count"`
	LatestError string `json:"latest_error"`
}

// UnmarshalJSON turns the server's map of peers, which is keyed by id, into a
// list in order of id.
func (c *Cluster) UnmarshalJSON(data []byte) error {
	var wire struct {
		Status    string                          `json:"status"`
		PeerID    PeerID                          `json:"peer_id"`
		Peers     map[PeerID]struct{ URI string } `json:"peers"`
		Raft      Raft                            `json:"raft_info"`
		Consensus Consensus                       `json:"consensus_thread_status"`
		Failures  map[string]MessageSendFailure   `json:"message_send_failures"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	*c = Cluster{
		Enabled:             wire.Status == "enabled",
		PeerID:              wire.PeerID,
		Raft:                wire.Raft,
		Consensus:           wire.Consensus,
		MessageSendFailures: wire.Failures,
	}
	for id, peer := range wire.Peers {
		c.Peers = append(c.Peers, Peer{ID: id, URI: peer.URI})
	}
	slices.SortFunc(c.Peers, func(a, b Peer) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return nil
}

// ReplicaState is the state of a replica in the server's spelling.
type ReplicaState string

// The states of a replica.
const (
	Active              ReplicaState = "Active"
	Dead                ReplicaState = "Dead"
	Partial             ReplicaState = "Partial"
	Initializing        ReplicaState = "Initializing"
	Listener            ReplicaState = "Listener"
	PartialSnapshot     ReplicaState = "PartialSnapshot"
	Recovery            ReplicaState = "Recovery"
	Resharding          ReplicaState = "Resharding"
	ReshardingScaleDown ReplicaState = "ReshardingScaleDown"
	ActiveRead          ReplicaState = "ActiveRead"
	ManualRecovery      ReplicaState = "ManualRecovery"
)

// Healthy reports whether the server itself counts the state as healthy when
// it decides on its readiness.
func (s ReplicaState) Healthy() bool {
	switch s {
	case Active, Listener, Resharding, ReshardingScaleDown, ManualRecovery:
		return true
	default:
		return false
	}
}

// Readable reports whether the server answers reads from a replica in this state.
func (s ReplicaState) Readable() bool {
	switch s {
	case Active, ReshardingScaleDown, ActiveRead:
		return true
	default:
		return false
	}
}

// Replica is a copy of a shard on a peer.
type Replica struct {
	Shard ShardID
	// ShardKey is set in collections with custom sharding.
	ShardKey string
	Peer     PeerID
	State    ReplicaState
	// Points is known only for the replicas of the answering peer.
	Points int
	// Bytes is the size of its vectors and payload as the server estimates it; only State has it, and only for the answering peer's.
	Bytes int64
	Local bool
}

// Transfer is a copy of a shard that is on its way from one peer to another.
type Transfer struct {
	Shard  ShardID `json:"shard_id"`
	From   PeerID  `json:"from"`
	To     PeerID  `json:"to"`
	Sync   bool    `json:"sync"`
	Method string  `json:"method"`
	// Comment reports progress; only the source peer fills it in.
	Comment string `json:"comment"`
}

// CollectionCluster is one peer's view of where the replicas of a collection are.
type CollectionCluster struct {
	PeerID     PeerID
	ShardCount int
	Replicas   []Replica
	Transfers  []Transfer
}

// UnmarshalJSON merges the server's local and remote shards into one list of
// replicas, in order of shard, then peer.
func (c *CollectionCluster) UnmarshalJSON(data []byte) error {
	type shard struct {
		ID     ShardID         `json:"shard_id"`
		Key    json.RawMessage `json:"shard_key"`
		Peer   PeerID          `json:"peer_id"`
		State  ReplicaState    `json:"state"`
		Points int             `json:"points_count"`
	}
	var wire struct {
		PeerID     PeerID     `json:"peer_id"`
		ShardCount int        `json:"shard_count"`
		Local      []shard    `json:"local_shards"`
		Remote     []shard    `json:"remote_shards"`
		Transfers  []Transfer `json:"shard_transfers"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	*c = CollectionCluster{PeerID: wire.PeerID, ShardCount: wire.ShardCount, Transfers: wire.Transfers}
	for _, s := range wire.Local {
		c.Replicas = append(c.Replicas, Replica{
			Shard: s.ID, ShardKey: shardKey(s.Key), Peer: wire.PeerID, State: s.State, Points: s.Points, Local: true,
		})
	}
	for _, s := range wire.Remote {
		c.Replicas = append(c.Replicas, Replica{Shard: s.ID, ShardKey: shardKey(s.Key), Peer: s.Peer, State: s.State})
	}
	slices.SortFunc(c.Replicas, func(a, b Replica) int {
		if a.Shard != b.Shard {
			return int(a.Shard) - int(b.Shard)
		}
		if a.Peer < b.Peer {
			return -1
		}
		return 1
	})
	return nil
}

// shardKey reads a shard key, which is a string or a number.
func shardKey(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// ActiveReplicas counts the Active replicas of each shard, on distinct peers.
func (c CollectionCluster) ActiveReplicas() map[ShardID]int {
	counts := map[ShardID]int{}
	for _, r := range c.Replicas {
		if _, known := counts[r.Shard]; !known {
			counts[r.Shard] = 0
		}
		if r.State == Active {
			counts[r.Shard]++
		}
	}
	return counts
}

// ActiveOn returns nil if the peer sees every shard of the collection Active on
// exactly that many peers and no transfer under way, and else what is not so. A
// shard that the peer does not list at all counts as missing.
func (c CollectionCluster) ActiveOn(replicas int) error {
	if len(c.Transfers) > 0 {
		return fmt.Errorf("transfers under way: %+v", c.Transfers)
	}
	active := c.ActiveReplicas()
	if c.ShardCount == 0 || len(active) != c.ShardCount {
		return fmt.Errorf("%d of %d shards have a replica", len(active), c.ShardCount)
	}
	for _, shard := range slices.Sorted(maps.Keys(active)) {
		if active[shard] != replicas {
			return fmt.Errorf("shard %d is Active on %d peers, not %d", shard, active[shard], replicas)
		}
	}
	return nil
}

// Collection is what a peer says about a collection.
type Collection struct {
	// Status is green, yellow, grey or red.
	Status          string          `json:"status"`
	OptimizerStatus OptimizerStatus `json:"optimizer_status"`
	// IndexedVectors and Points are approximate; count points exactly where
	// the number matters.
	IndexedVectors int              `json:"indexed_vectors_count"`
	Points         int              `json:"points_count"`
	Segments       int              `json:"segments_count"`
	Config         CollectionConfig `json:"config"`
}

// OptimizerStatus is "ok" or the error of the optimizer that gave up.
type OptimizerStatus string

// UnmarshalJSON reads the server's two shapes, "ok" and {"error": "…"}.
func (s *OptimizerStatus) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*s = OptimizerStatus(text)
		return nil
	}
	var failed struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal(data, &failed); err != nil {
		return err
	}
	*s = OptimizerStatus("error: " + failed.Error)
	return nil
}

// CollectionConfig is the configuration that a collection really has. A
// pointer is nil where the server leaves the setting open.
type CollectionConfig struct {
	Params struct {
		Vectors                json.RawMessage `json:"vectors"`
		ShardNumber            int             `json:"shard_number"`
		ReplicationFactor      int             `json:"replication_factor"`
		WriteConsistencyFactor int             `json:"write_consistency_factor"`
		OnDiskPayload          bool            `json:"on_disk_payload"`
	} `json:"params"`
	HNSW struct {
		M                  int   `json:"m"`
		EFConstruct        int   `json:"ef_construct"`
		FullScanThreshold  int   `json:"full_scan_threshold"`
		MaxIndexingThreads int   `json:"max_indexing_threads"`
		OnDisk             *bool `json:"on_disk"`
	} `json:"hnsw_config"`
	Optimizers struct {
		DeletedThreshold       float64 `json:"deleted_threshold"`
		VacuumMinVectorNumber  int     `json:"vacuum_min_vector_number"`
		DefaultSegmentNumber   int     `json:"default_segment_number"`
		MaxSegmentSize         *int    `json:"max_segment_size"`
		MemmapThreshold        *int    `json:"memmap_threshold"`
		IndexingThreshold      *int    `json:"indexing_threshold"`
		FlushIntervalSec       int     `json:"flush_interval_sec"`
		MaxOptimizationThreads *int    `json:"max_optimization_threads"`
	} `json:"optimizer_config"`
	WAL struct {
		CapacityMB    int `json:"wal_capacity_mb"`
		SegmentsAhead int `json:"wal_segments_ahead"`
	} `json:"wal_config"`
	Quantization json.RawMessage `json:"quantization_config"`
	StrictMode   json.RawMessage `json:"strict_mode_config"`
}

// PointID is a number or a UUID.
type PointID struct {
	Num  uint64
	UUID string
}

// NumID makes the id of a point that is numbered.
func NumID(n uint64) PointID { return PointID{Num: n} }

func (id PointID) String() string {
	if id.UUID != "" {
		return id.UUID
	}
	return strconv.FormatUint(id.Num, 10)
}

// MarshalJSON writes the id as the number or the string that it is.
func (id PointID) MarshalJSON() ([]byte, error) {
	if id.UUID != "" {
		return json.Marshal(id.UUID)
	}
	return json.Marshal(id.Num)
}

// UnmarshalJSON reads a number or a string.
func (id *PointID) UnmarshalJSON(data []byte) error {
	*id = PointID{}
	if bytes.HasPrefix(data, []byte{'"'}) {
		return json.Unmarshal(data, &id.UUID)
	}
	if err := json.Unmarshal(data, &id.Num); err != nil {
		return fmt.Errorf("reading point id %s: %w", data, err)
	}
	return nil
}

// Point is a point as a read returns it.
type Point struct {
	ID      PointID                    `json:"id"`
	Payload map[string]json.RawMessage `json:"payload"`
	// Vector is left as it came: its shape depends on the collection.
	Vector json.RawMessage `json:"vector"`
}

// ScrollRequest asks for a page of points in order of their ids.
type ScrollRequest struct {
	// Offset is the first id of the page; nil starts at the beginning.
	Offset      *PointID        `json:"offset,omitempty"`
	Limit       int             `json:"limit,omitempty"`
	Filter      json.RawMessage `json:"filter,omitempty"`
	WithPayload bool            `json:"with_payload"`
	WithVector  bool            `json:"with_vector"`
}

// Page is a page of points. Next is the id that the next page begins with, nil
// on the last page.
type Page struct {
	Points []Point  `json:"points"`
	Next   *PointID `json:"next_page_offset"`
}
