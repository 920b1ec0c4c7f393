package watch

import (
	"fmt"
	"slices"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

var names = kube.Names{Namespace: "default", StatefulSet: "q"}

var began = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// world is what the peers q-0, q-1, … with the ids 1001, 1002, … would answer; a test changes it before it is drawn.
type world struct {
	views []topology.View
}

func id(ordinal int) clusterapi.PeerID { return clusterapi.PeerID(1001 + ordinal) }

// newWorld is a cluster of n voters that is well, with leader q-0 and no collections.
func newWorld(n int) *world {
	w := &world{}
	var peers []clusterapi.Peer
	for ordinal := range n {
		peers = append(peers, clusterapi.Peer{ID: id(ordinal), URI: fmt.Sprintf("http://q-%d.h:6335/", ordinal)})
	}
	for ordinal := range n {
		w.views = append(w.views, topology.View{
			Pod: names.Pod(ordinal), Ordinal: ordinal,
			Cluster: clusterapi.Cluster{
				Enabled: true, PeerID: id(ordinal), Peers: slices.Clone(peers),
				Raft: clusterapi.Raft{Term: 3, Leader: id(0), IsVoter: true}, Consensus: clusterapi.Consensus{Status: "working"},
			},
			State: clusterapi.State{PeerID: id(ordinal), Version: "1.18.3", Started: began},
		})
	}
	return w
}

// shard adds a shard of collection c with these states on the ordinals 0, 1, …; "" is none there.
func (w *world) shard(shard clusterapi.ShardID, states ...clusterapi.ReplicaState) *world {
	for i := range w.views {
		s := &w.views[i].State
		if len(s.Collections) == 0 {
			s.Collections = []clusterapi.CollectionState{{Name: "c", ReplicationFactor: 2}}
		}
		for ordinal, state := range states {
			if state != "" {
				s.Collections[0].Replicas = append(s.Collections[0].Replicas, clusterapi.Replica{Shard: shard, Peer: id(ordinal), State: state, Local: ordinal == i})
			}
		}
	}
	return w
}

// factor sets the replication factor of collection c, which is 2 else.
func (w *world) factor(replicas int) *world {
	for i := range w.views {
		w.views[i].State.Collections[0].ReplicationFactor = replicas
	}
	return w
}

func (w *world) down(ordinals ...int) *world {
	for _, ordinal := range ordinals {
		w.views[ordinal].Err = fmt.Errorf("connection refused")
	}
	return w
}

func (w *world) change(ordinal int, change func(*topology.View)) *world {
	change(&w.views[ordinal])
	return w
}

// remove is what all see after a peer was removed: it is in no list, and alone in its own.
func (w *world) remove(ordinal int) *world {
	for i := range w.views {
		c := &w.views[i].Cluster
		c.Peers = slices.DeleteFunc(c.Peers, func(p clusterapi.Peer) bool { return (p.ID == id(ordinal)) != (i == ordinal) })
		if i == ordinal {
			c.Consensus.Status = "stopped"
		}
	}
	return w
}

func (w *world) draw() topology.Picture { return topology.Draw(began, w.views) }
