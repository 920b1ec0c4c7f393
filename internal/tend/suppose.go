package tend

import (
	"fmt"
	"slices"

	"github.com/qdrant-shepherd/shepherd/internal/kube"
	"github.com/qdrant-shepherd/shepherd/internal/qdrant"
	"github.com/qdrant-shepherd/shepherd/internal/topology"
)

// supposed is the first id of peers that are only supposed; no server draws one so large.
const supposed qdrant.PeerID = 1 << 60

// Suppose is how facts and picture would be with another number of replicas, once the new pods have joined and are Ready: what Next says
// of it is what a change would bring.
func Suppose(f Facts, p topology.Picture, replicas int) (Facts, topology.Picture) {
	f.Pods, p.Members = slices.Clone(f.Pods), slices.Clone(p.Members)
	var leader topology.Member
	for _, m := range p.Members {
		if p.Live(m.ID) && (leader.ID == 0 || m.ID == m.Raft.Leader) {
			leader = m
		}
	}
	for ordinal := f.StatefulSet.Replicas; ordinal < replicas; ordinal++ {
		if slices.ContainsFunc(p.Members, func(m topology.Member) bool { return m.Ordinal == ordinal && p.Joined(m.ID) }) {
			continue
		}
		m := leader
		m.ID, m.Ordinal, m.Pod, m.KnownBy = supposed+qdrant.PeerID(ordinal), ordinal, fmt.Sprintf("supposed-%d", ordinal), 0
		m.URI = "http://" + m.Pod
		p.Members = append(p.Members, m)
		f.Pods = slices.DeleteFunc(f.Pods, func(pod kube.Pod) bool { return pod.Ordinal == ordinal })
		f.Pods = append(f.Pods, kube.Pod{Name: m.Pod, Ordinal: ordinal, Ready: true})
	}
	acquaint(p.Members)
	f.StatefulSet.Replicas, f.StatefulSet.Updating = replicas, false
	return f, p
}

// acquaint has all members know the supposed ones, and those all that the leader knows.
func acquaint(members []topology.Member) {
	var added []qdrant.Peer
	for _, m := range members {
		if m.ID >= supposed {
			added = append(added, qdrant.Peer{ID: m.ID, URI: m.URI})
		}
	}
	for i := range members {
		if members[i].Answers {
			members[i].Peers = append(slices.Clone(members[i].Peers), added...)
		}
	}
	for i := range members {
		members[i].KnownBy = 0
		for _, other := range members {
			if other.Answers && other.Working && lists(other, members[i].ID) {
				members[i].KnownBy++
			}
		}
	}
}
