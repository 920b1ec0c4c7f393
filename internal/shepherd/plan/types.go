// Package plan turns a picture of a cluster and a goal into moves. It is pure: it asks nobody and changes nothing, so every rule of it
// can be tested against random clusters. Its rules, in order: never drop the last good copy of a shard, never put two copies on one
// peer, finish repairs before drains and drains before balancing.
package plan

import (
	"fmt"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

// Strategy is what balancing evens out.
type Strategy string

// The strategies.
const (
	None  Strategy = "none"
	Count Strategy = "count" // replicas per peer, of each collection and of all together
	Size  Strategy = "size"  // bytes per peer
)

// Goal is what the cluster should become.
type Goal struct {
	// Leaving are peers that must end up without replicas, and out of the cluster.
	Leaving map[clusterapi.PeerID]bool
	// Lost are peers whose data is gone for good and that may be replaced: their replicas are dropped where another Active one answers.
	Lost map[clusterapi.PeerID]bool
	// Targets are the peers that may receive replicas.
	Targets map[clusterapi.PeerID]bool
	// Zones names the zone of a peer; a peer without one has no entry.
	Zones map[clusterapi.PeerID]string
	// Strategy and Repair say whether to balance, and whether to re-create what is missing to the replication factor.
	Strategy Strategy
	Repair   bool
	// GivenUp are shards whose loss a person has accepted.
	GivenUp map[ShardName]bool
	// Untouched are collections that are left alone by balancing.
	Untouched map[string]bool
}

// ShardName names a shard across collections.
type ShardName struct {
	Collection string
	Shard      clusterapi.ShardID
}

func (n ShardName) String() string { return fmt.Sprintf("%s/%d", n.Collection, n.Shard) }

// Kind is what a move does.
type Kind string

// The kinds of moves, in the server's words where it has one.
const (
	ReplicateShard Kind = "replicate_shard" // copy From's replica to To, and keep it
	MoveShard      Kind = "move_shard"      // copy From's replica to To, and drop it at From
	DropReplica    Kind = "drop_replica"    // drop From's replica
	RemovePeer     Kind = "remove_peer"     // take From, which has no replicas, out of the cluster
	// Abandon gives up From's copy, where no Active one is left on a peer that answers, as a person has accepted: To gets an empty one,
	// or makes do with the unfinished one that it has.
	Abandon Kind = "abandon"
)

// Move is one change of the cluster. Which fields count depends on the kind: RemovePeer has no shard, Drop and RemovePeer have no To.
type Move struct {
	Kind  Kind
	Shard ShardName
	From  clusterapi.PeerID
	To    clusterapi.PeerID
	// Bytes is the size of what has to travel; 0 where nothing does, or nobody knows.
	Bytes int64
	// Why is one of its kind's Whys.
	Why string
}

// What moves are made for.
const (
	WhyLost    = "lost"
	WhyRepair  = "repair"
	WhyDrain   = "drain"
	WhyForget  = "forget"
	WhyBalance = "balance"
)

// Kinds are all kinds of moves.
func Kinds() []Kind { return []Kind{ReplicateShard, MoveShard, DropReplica, RemovePeer, Abandon} }

// Whys are all that moves of the kind may be made for.
func (k Kind) Whys() []string {
	switch k {
	case ReplicateShard:
		return []string{WhyRepair, WhyDrain}
	case MoveShard:
		return []string{WhyDrain, WhyBalance}
	case DropReplica:
		return []string{WhyLost, WhyDrain, WhyBalance}
	case RemovePeer:
		return []string{WhyForget}
	case Abandon:
		return []string{WhyLost}
	default:
		return nil
	}
}

// String is the move in words, with the peers' ids.
func (m Move) String() string {
	return Words(m.Kind, m.Shard.String(), "peer "+m.From.String(), "peer "+m.To.String())
}

// Words is a move in words; whoever tells people of it calls the shard and the peers what they know them by.
func Words(kind Kind, shard, from, to string) string {
	switch kind {
	case ReplicateShard:
		return fmt.Sprintf("copy %s from %s to %s", shard, from, to)
	case MoveShard:
		return fmt.Sprintf("move %s from %s to %s", shard, from, to)
	case DropReplica:
		return fmt.Sprintf("drop %s on %s", shard, from)
	case Abandon:
		return fmt.Sprintf("give up %s on %s, and begin it empty on %s", shard, from, to)
	case RemovePeer:
		return fmt.Sprintf("remove %s from the cluster", from)
	default:
		return fmt.Sprintf("%s %s %s %s", kind, shard, from, to)
	}
}

// Plan is the moves that lead to the goal, in order, and the reasons why some of it can't be had. A move may count on those before it:
// only what Now returns may begin at once.
type Plan struct {
	Moves   []Move
	Blocked []Block
}

// Block says why a part of the goal can't be had now.
type Block struct {
	// Shard is zero where the reason is not one shard's.
	Shard  ShardName
	Peer   clusterapi.PeerID
	Reason string // a sentence, lower case
}
