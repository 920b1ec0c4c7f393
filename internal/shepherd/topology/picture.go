// Package topology draws one picture of a cluster from what every peer says of it. Peers disagree while consensus is catching up, and
// for good when one has lost its state; a picture keeps what they disagree on and never hides it, because whoever moves or drops a
// replica on the word of one peer alone may drop the last good copy.
package topology

import (
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

// Picture is what all peers together say of a cluster at one moment. It is a value: nothing in it is shared or changed later.
type Picture struct {
	At time.Time
	// Members are all peers that any answering peer names, and every peer that answers, in order of their ids.
	Members []Member
	// Collections are in order of their names.
	Collections []Collection
	// Silent are the targets that did not answer, with the error, in order of their ordinals.
	Silent []Silent
	// Doubts are sentences, one for each matter that answering peers disagree on.
	Doubts []string
}

// Member is a peer: its entry in the others' lists and, if it answers, its own view.
type Member struct {
	ID  clusterapi.PeerID
	URI string
	// Pod is the first label of the URI's host where that is a pod of the StatefulSet, else empty; Ordinal is -1 then.
	Pod     string
	Ordinal int
	// KnownBy counts the answering members whose consensus runs and that list this one, itself included.
	KnownBy int
	// Answers says that the peer itself was asked and answered in this observation. What follows is its own view, and zero otherwise.
	Answers bool
	Version string
	// Started is when the server's process began; it tells one process from the next on the same volume.
	Started time.Time
	Raft    clusterapi.Raft
	Working bool // its consensus thread runs
	Peers   []clusterapi.Peer
}

// Silent is a target that did not answer.
type Silent struct {
	Pod     string
	Ordinal int
	Err     string
}

// Collection is where the replicas of a collection are.
type Collection struct {
	Name string
	// ReplicationFactor is the largest that any peer names.
	ReplicationFactor int
	Resharding        bool
	// Shards are in order of their ids.
	Shards []Shard
}

// Shard has one entry for each replica that any answering peer knows of. A shard without any has lost its last one, as a removal by force
// leaves it.
type Shard struct {
	ID  clusterapi.ShardID
	Key string
	// Replicas are in order of their peers.
	Replicas []Replica
	// Transfers are those that any answering peer sees.
	Transfers []clusterapi.Transfer
	// Agreed says that all answering peers that have joined name the same replicas in the same states and the same transfers.
	Agreed bool
}

// Replica is a copy of a shard.
type Replica struct {
	Peer clusterapi.PeerID
	// State is what all peers say; where they differ it is the least healthy of what they say, and Unknown where some do not know of the
	// replica, so that a doubt never counts as whole.
	State clusterapi.ReplicaState
	// Points and Bytes (of vectors and payload, as the server estimates them) are what the peer itself reports; -1 when it does not answer.
	Points int
	Bytes  int64
}
