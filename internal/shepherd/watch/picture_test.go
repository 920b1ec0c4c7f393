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

// fixture is what the peers q-0, q-1, … with the ids 1001, 1002, … would answer; a test changes it before it is drawn.
type fixture struct {
	views []topology.View
}

func id(ordinal int) clusterapi.PeerID { return clusterapi.PeerID(1001 + ordinal) }

// newFixture is a cluster of n voters that is well, with leader q-0 and no collections.
func newFixture(n int) *fixture {
	w := &fixture{}
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
func (w *fixture) shard(shard clusterapi.ShardID, states ...clusterapi.ReplicaState) *fixture {
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
func (w *fixture) factor(replicas int) *fixture {
	for i := range w.views {
		w.views[i].State.Collections[0].ReplicationFactor = replicas
	}
	return w
}

func (w *fixture) down(ordinals ...int) *fixture {
	for _, ordinal := range ordinals {
		w.views[ordinal].Err = fmt.Errorf("connection refused")
	}
	return w
}

func (w *fixture) change(ordinal int, change func(*topology.View)) *fixture {
	change(&w.views[ordinal])
	return w
}

// remove is what all see after a peer was removed: it is in no list, and alone in its own.
func (w *fixture) remove(ordinal int) *fixture {
	for i := range w.views {
		c := &w.views[i].Cluster
		c.Peers = slices.DeleteFunc(c.Peers, func(p clusterapi.Peer) bool { return (p.ID == id(ordinal)) != (i == ordinal) })
		if i == ordinal {
			c.Consensus.Status = "stopped"
		}
	}
	return w
}

func (w *fixture) draw() topology.Picture { return topology.Draw(began, w.views) }
