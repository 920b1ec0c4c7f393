package topology

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

// fixture makes the views of a cluster's pods, one a pod, of peers 1, 2, … at qdrant-0, qdrant-1, …, all of one mind.
func fixture(n int, collections ...clusterapi.CollectionState) []View {
	var all []clusterapi.Peer
	for i := range n {
		all = append(all, clusterapi.Peer{ID: clusterapi.PeerID(i + 1), URI: uri(i)})
	}
	var views []View
	for i := range n {
		v := View{Pod: fmt.Sprintf("qdrant-%d", i), Ordinal: i}
		v.Cluster = clusterapi.Cluster{
			Enabled: true, PeerID: clusterapi.PeerID(i + 1), Peers: slices.Clone(all),
			Raft:      clusterapi.Raft{Term: 3, Commit: 40, Leader: 1, IsVoter: true},
			Consensus: clusterapi.Consensus{Status: "working"},
		}
		v.State = clusterapi.State{PeerID: clusterapi.PeerID(i + 1), Version: "1.18.3", Started: time.Unix(int64(1000+i), 0)}
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
func collection(name string, factor int, shards ...[]clusterapi.PeerID) clusterapi.CollectionState {
	c := clusterapi.CollectionState{Name: name, ReplicationFactor: factor, ShardNumber: len(shards)}
	for id, holders := range shards {
		c.Shards = append(c.Shards, clusterapi.ShardID(id))
		for _, peer := range holders {
			c.Replicas = append(c.Replicas, clusterapi.Replica{Shard: clusterapi.ShardID(id), Peer: peer, State: clusterapi.Active})
		}
	}
	return c
}

func on(ids ...clusterapi.PeerID) []clusterapi.PeerID { return ids }

// away makes a pod's view that of one that does not answer.
func away(views []View, ordinal int) {
	views[ordinal] = View{Pod: views[ordinal].Pod, Ordinal: ordinal, Err: errors.New("connection refused")}
}

// alone makes of a pod's view that of a peer that only knows itself, under the given id.
func alone(views []View, ordinal int, id clusterapi.PeerID) {
	v := &views[ordinal]
	v.Cluster.PeerID, v.State.PeerID = id, id
	v.Cluster.Peers = []clusterapi.Peer{{ID: id, URI: uri(ordinal)}}
	v.State.Collections = nil
}
