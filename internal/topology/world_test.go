package topology

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/qdrant"
)

// world makes the views of a cluster's pods, one a pod, of peers 1, 2, … at qdrant-0, qdrant-1, …, all of one mind.
func world(n int, collections ...qdrant.CollectionState) []View {
	var all []qdrant.Peer
	for i := range n {
		all = append(all, qdrant.Peer{ID: qdrant.PeerID(i + 1), URI: uri(i)})
	}
	var views []View
	for i := range n {
		v := View{Pod: fmt.Sprintf("qdrant-%d", i), Ordinal: i}
		v.Cluster = qdrant.Cluster{
			Enabled: true, PeerID: qdrant.PeerID(i + 1), Peers: slices.Clone(all),
			Raft:      qdrant.Raft{Term: 3, Commit: 40, Leader: 1, IsVoter: true},
			Consensus: qdrant.Consensus{Status: "working"},
		}
		v.State = qdrant.State{PeerID: qdrant.PeerID(i + 1), Version: "1.18.3", Started: time.Unix(int64(1000+i), 0)}
		for _, c := range collections {
			c.Shards = slices.Clone(c.Shards)
			c.Replicas = slices.Clone(c.Replicas)
			c.Transfers = slices.Clone(c.Transfers)
			for j := range c.Replicas {
				if r := &c.Replicas[j]; r.Peer == v.Cluster.PeerID {
					r.Local, r.Points, r.Bytes = true, 10*int(r.Peer), 100*int64(r.Peer)
				}
			}
			v.State.Collections = append(v.State.Collections, c)
		}
		views = append(views, v)
	}
	return views
}

func uri(ordinal int) string { return fmt.Sprintf("http://qdrant-%d.qdrant-headless:6335", ordinal) }

// collection has a shard for each list of peers, all Active.
func collection(name string, factor int, shards ...[]qdrant.PeerID) qdrant.CollectionState {
	c := qdrant.CollectionState{Name: name, ReplicationFactor: factor, ShardNumber: len(shards)}
	for id, holders := range shards {
		c.Shards = append(c.Shards, qdrant.ShardID(id))
		for _, peer := range holders {
			c.Replicas = append(c.Replicas, qdrant.Replica{Shard: qdrant.ShardID(id), Peer: peer, State: qdrant.Active})
		}
	}
	return c
}

func on(ids ...qdrant.PeerID) []qdrant.PeerID { return ids }

// away makes a pod's view that of one that does not answer.
func away(views []View, ordinal int) {
	views[ordinal] = View{Pod: views[ordinal].Pod, Ordinal: ordinal, Err: errors.New("connection refused")}
}

// alone makes of a pod's view that of a peer that only knows itself, under the given id.
func alone(views []View, ordinal int, id qdrant.PeerID) {
	v := &views[ordinal]
	v.Cluster.PeerID, v.State.PeerID = id, id
	v.Cluster.Peers = []qdrant.Peer{{ID: id, URI: uri(ordinal)}}
	v.State.Collections = nil
}
