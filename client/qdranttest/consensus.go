package qdranttest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/qdrant/go-client/qdrant"
)

// consensus is what a cluster has agreed on: its members and its collections. It knows of no process and no data; what a peer sees is
// either the cluster's consensus or a clone of it from when that peer saw it last.
type consensus struct {
	term, commit uint64
	leader       uint64
	members      map[uint64]string // id to URI
	collections  map[string]*collection
	aliases      map[string]string // to the collection's name
}

// collection is the part of a collection that all peers agree on.
type collection struct {
	shardNumber            int
	replicationFactor      int
	writeConsistencyFactor int
	// config is the rest of what the collection was created with. It is never changed, only replaced, and shared by all that see it.
	config *qdrant.CollectionConfig
	// store has the points that came by the gRPC API. All peers share it.
	store     *store
	shards    map[uint32]map[uint64]string // shard to peer to state
	transfers []*transfer
}

// The states of replicas that the model itself sets.
const (
	active       = "Active"
	dead         = "Dead"
	partial      = "Partial"
	recovery     = "Recovery"
	initializing = "Initializing"
)

// states are all that a replica can have, and whether the server counts it as healthy when it decides on its readiness.
var states = map[string]bool{
	active: true, dead: false, partial: false, recovery: false, initializing: false, "Listener": true, "PartialSnapshot": false,
	"Resharding": true, "ReshardingScaleDown": true, "ActiveRead": false, "ManualRecovery": true,
}

// isSource says whether the state makes a replica a source of truth.
func isSource(state string) bool { return state == active || state == "ReshardingScaleDown" }

// refusal is an answer that is no success, in the words of the server.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

func badRequest(format string, args ...any) error {
	return &refusal{http.StatusBadRequest, "Bad request: " + fmt.Sprintf(format, args...)}
}

func wrongInput(format string, args ...any) error {
	return &refusal{http.StatusBadRequest, "Wrong input: " + fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &refusal{http.StatusNotFound, "Not found: " + fmt.Sprintf(format, args...)}
}

func serviceError(format string, args ...any) error {
	return &refusal{http.StatusInternalServerError, "Service internal error: " + fmt.Sprintf(format, args...)}
}

func found(id uint64, uri string) *consensus {
	return &consensus{term: 1, commit: 1, leader: id, members: map[uint64]string{id: uri}, collections: map[string]*collection{}, aliases: map[string]string{}}
}

func (c *consensus) clone() *consensus {
	copied := *c
	copied.members, copied.aliases = maps.Clone(c.members), maps.Clone(c.aliases)
	copied.collections = make(map[string]*collection, len(c.collections))
	for name, col := range c.collections {
		other := *col
		other.shards = make(map[uint32]map[uint64]string, len(col.shards))
		for shard, replicas := range col.shards {
			other.shards[shard] = maps.Clone(replicas)
		}
		other.transfers = nil
		for _, t := range col.transfers {
			same := *t
			other.transfers = append(other.transfers, &same)
		}
		copied.collections[name] = &other
	}
	return &copied
}

// peers are the members' ids in order.
func (c *consensus) peers() []uint64 { return slices.Sorted(maps.Keys(c.members)) }

// names are the collections' in order.
func (c *consensus) names() []string { return slices.Sorted(maps.Keys(c.collections)) }

// shardIDs are the collection's in order.
func (col *collection) shardIDs() []uint32 { return slices.Sorted(maps.Keys(col.shards)) }

func (c *consensus) collection(name string) (*collection, error) {
	col, found := c.collections[name]
	if !found {
		return nil, notFound("Collection `%s` doesn't exist!", name)
	}
	return col, nil
}

// holdsShards says whether a peer has a replica in any state.
func (c *consensus) holdsShards(peer uint64) bool {
	for _, col := range c.collections {
		for _, replicas := range col.shards {
			if _, holds := replicas[peer]; holds {
				return true
			}
		}
	}
	return false
}

// create places the shards of a new collection as the server does: each replica on the peer that has the fewest of this collection.
// Where the server leaves a tie to chance, here the lower id gets it.
func (c *consensus) create(name string, col *collection) error {
	if _, exists := c.collections[name]; exists || c.aliases[name] != "" {
		return &refusal{http.StatusConflict, fmt.Sprintf("Wrong input: Collection `%s` already exists!", name)}
	}
	peers := c.peers()
	held := map[uint64]int{}
	col.shards = map[uint32]map[uint64]string{}
	for shard := range col.shardNumber {
		replicas := map[uint64]string{}
		for range min(col.replicationFactor, len(peers)) {
			fewest := slices.MinFunc(peers, func(a, b uint64) int { return held[a] - held[b] })
			held[fewest]++
			replicas[fewest] = active
		}
		col.shards[uint32(shard)] = replicas
	}
	c.collections[name] = col
	c.commit++
	return nil
}

// delete removes a collection and the aliases that lead to it.
func (c *consensus) delete(name string) {
	delete(c.collections, name)
	maps.DeleteFunc(c.aliases, func(_, of string) bool { return of == name })
	c.commit++
}

// resolve finds the collection that a name or an alias stands for.
func (c *consensus) resolve(name string) (string, *collection, error) {
	if of, isAlias := c.aliases[name]; isAlias {
		name = of
	}
	col, err := c.collection(name)
	return name, col, err
}

// drop removes a replica, and aborts the transfers that it is part of.
func (c *consensus) drop(col *collection, name string, shard uint32, peer uint64) error {
	replicas, exists := col.shards[shard]
	switch {
	case !exists:
		return badRequest("Shard %d of %s not found", shard, name)
	case replicas[peer] == "":
		return badRequest("Peer %d has no replica of shard %d", peer, shard)
	case len(replicas) == 1 || isLastSource(replicas, peer):
		return badRequest("Shard %d must have at least one active replica after removing %d", shard, peer)
	}
	c.abortRelated(col, shard, peer)
	delete(replicas, peer)
	c.commit++
	return nil
}

// isLastSource says whether a replica is the last source of truth.
func isLastSource(replicas map[uint64]string, peer uint64) bool {
	for other, state := range replicas {
		if other != peer && isSource(state) {
			return false
		}
	}
	return isSource(replicas[peer])
}

// setState changes the state of a replica. As in the server, a replica that dies takes the transfers it is part of with it.
func (c *consensus) setState(col *collection, shard uint32, peer uint64, state string) error {
	replicas := col.shards[shard]
	if isLastSource(replicas, peer) && state != active {
		return wrongInput("Cannot deactivate the last active replica %d of shard %d", peer, shard)
	}
	replicas[peer] = state
	if state == dead {
		c.abortRelated(col, shard, peer)
	}
	c.commit++
	return nil
}
