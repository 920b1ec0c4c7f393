package vector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/qdrant/go-client/qdrant"
)

// Status is a cluster as the peer that answered sees it.
type Status struct {
	// Version is the server's, such as "1.18.3".
	Version string
	// Peers is how many addresses calls go to.
	Peers int
	// Collections come in the order of their names.
	Collections []CollectionStatus
}

// CollectionStatus is one collection.
type CollectionStatus struct {
	Name string
	// Color is green (all is well), yellow (optimizing), grey (optimizations wait for a write) or red (a part is broken).
	Color string
	// Optimizer is "ok", or what went wrong.
	Optimizer string
	// Points is about how many there are, and Indexed how many vectors are in a
	// graph or an index, both on all shards, one replica each.
	Points, Indexed uint64
	Segments        uint64
	Shards          []ShardStatus // by id
	Transfers       []Transfer
}

// ShardStatus is a part of a collection, and its copies.
type ShardStatus struct {
	ID       uint32
	Key      string          // "" where the collection has no shard keys
	Replicas []ReplicaStatus // by peer
}

// ReplicaStatus is the copy of a shard on a peer.
type ReplicaStatus struct {
	Peer uint64
	// State is "Active" for a copy that answers reads; the others are the server's names, such as "Dead" or "Recovery".
	State string
}

// Transfer is a shard on its way from a peer to another.
type Transfer struct {
	Shard    uint32
	From, To uint64
	// Sync: the old copy stays.
	Sync bool
}

// Whole reports whether all shards have only active replicas, and none is under way.
func (c CollectionStatus) Whole() bool {
	return len(c.Transfers) == 0 && !slices.ContainsFunc(c.Shards, func(s ShardStatus) bool {
		return slices.ContainsFunc(s.Replicas, func(r ReplicaStatus) bool { return r.State != qdrant.ReplicaState_Active.String() })
	})
}

// Ready asks a peer whether it answers and takes the key.
func (db *DB) Ready(ctx context.Context) error {
	const act = "checking the database"
	if _, err := db.client.HealthCheck(ctx); err != nil {
		return wrap(act, err)
	}
	// The health check needs no key (src/tonic/auth.rs); this does, and is answered from memory.
	_, err := db.client.ListCollections(ctx)
	return wrap(act, err)
}

// Status asks for all collections that the key allows to see. It takes two calls for each; one that is deleted meanwhile is left out.
func (db *DB) Status(ctx context.Context) (Status, error) {
	health, err := db.client.HealthCheck(ctx)
	if err != nil {
		return Status{}, wrap("reading the status of the database", err)
	}
	names, err := db.client.ListCollections(ctx)
	if err != nil {
		return Status{}, wrap("listing the collections", err)
	}
	slices.Sort(names)
	s := Status{Version: health.GetVersion(), Peers: db.peers()}
	for _, name := range names {
		collection, err := db.collectionStatus(ctx, name)
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			return Status{}, err
		default:
			s.Collections = append(s.Collections, collection)
		}
	}
	return s, nil
}

func (db *DB) collectionStatus(ctx context.Context, name string) (CollectionStatus, error) {
	act := "reading the status of collection " + name
	info, err := db.client.GetCollectionInfo(ctx, name)
	if err != nil {
		return CollectionStatus{}, wrap(act, err)
	}
	cluster, err := db.client.GetCollectionClusterInfo(ctx, name)
	if err != nil {
		return CollectionStatus{}, wrap(act, err)
	}
	return statusOf(name, info, cluster), nil
}

// statusOf puts the two answers about a collection together.
func statusOf(name string, info *qdrant.CollectionInfo, cluster *qdrant.CollectionClusterInfoResponse) CollectionStatus {
	c := CollectionStatus{
		Name: name, Color: strings.ToLower(info.GetStatus().String()), Optimizer: "ok",
		Points: info.GetPointsCount(), Indexed: info.GetIndexedVectorsCount(), Segments: info.GetSegmentsCount(),
	}
	if status := info.GetOptimizerStatus(); !status.GetOk() {
		c.Optimizer = cmp.Or(status.GetError(), "unknown")
	}
	shards := map[uint32]*ShardStatus{}
	add := func(id uint32, key *qdrant.ShardKey, peer uint64, state qdrant.ReplicaState) {
		if shards[id] == nil {
			shards[id] = &ShardStatus{ID: id, Key: keyText(key)}
		}
		shards[id].Replicas = append(shards[id].Replicas, ReplicaStatus{Peer: peer, State: state.String()})
	}
	for _, local := range cluster.GetLocalShards() {
		add(local.GetShardId(), local.GetShardKey(), cluster.GetPeerId(), local.GetState())
	}
	for _, remote := range cluster.GetRemoteShards() {
		add(remote.GetShardId(), remote.GetShardKey(), remote.GetPeerId(), remote.GetState())
	}
	for _, id := range slices.Sorted(maps.Keys(shards)) {
		slices.SortFunc(shards[id].Replicas, func(a, b ReplicaStatus) int { return cmp.Compare(a.Peer, b.Peer) })
		c.Shards = append(c.Shards, *shards[id])
	}
	for _, t := range cluster.GetShardTransfers() {
		c.Transfers = append(c.Transfers, Transfer{Shard: t.GetShardId(), From: t.GetFrom(), To: t.GetTo(), Sync: t.GetSync()})
	}
	return c
}

// keyText is a shard key, which is a word or a number, or "".
func keyText(key *qdrant.ShardKey) string {
	switch key := key.GetKey().(type) {
	case *qdrant.ShardKey_Keyword:
		return key.Keyword
	case *qdrant.ShardKey_Number:
		return strconv.FormatUint(key.Number, 10)
	default:
		return ""
	}
}

// version is the part of a server's version that tells what it can do.
type version struct{ major, minor int }

// parseVersion reads "1.18.3", and what development builds add behind it.
func parseVersion(s string) (version, error) {
	parts := strings.SplitN(s, ".", 3)
	if len(parts) >= 2 {
		major, err1 := strconv.Atoi(parts[0])
		minor, err2 := strconv.Atoi(parts[1])
		if err1 == nil && err2 == nil {
			return version{major, minor}, nil
		}
	}
	return version{}, fmt.Errorf("the server says that its version is %q", s)
}

func (v version) before(w version) bool {
	return v.major < w.major || v.major == w.major && v.minor < w.minor
}

func (v version) String() string { return fmt.Sprintf("%d.%d", v.major, v.minor) }
