package tend

import (
	"fmt"
	"slices"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// A crash-looping pod is replaced, so that its start decides anew, after so many restarts and not more often than once in this time.
const (
	crashRestarts = 3
	crashAge      = 5 * time.Minute
)

// Task is something to do in Kubernetes. Exactly one of Annotate, Delete and Forget is set.
type Task struct {
	// Annotate are annotations for the claim of an ordinal; nil removes one.
	Annotate map[string]*string
	Ordinal  int
	// Delete is a pod to be deleted.
	Delete kube.Pod
	// Forget are shards to be taken off the list of accepted losses.
	Forget map[plan.ShardName]bool
	// Text says what is done and why, beginning with a verb in its -ing form.
	Text string
}

// marks reports whether the task only writes down whose a claim is, which changes nothing in the cluster.
func (c Task) marks() bool {
	_, peer := c.Annotate[kube.AnnotationPeer]
	return peer
}

// tasks are what the picture asks to be done in Kubernetes: at most one pod is deleted at a time.
func tasks(f Facts, p topology.Picture) []Task {
	if ok, _ := p.Quorum(); !ok {
		return nil
	}
	list := append(marks(f, p), drained(f, p)...)
	if stale := staleStarts(f, p); len(stale) > 0 {
		list = append(list, stale[0])
	}
	return append(list, settledLosses(f, p)...)
}

// marks writes on the claims of live members whose they are: "a cluster was formed here" is what keeps anyone from founding another.
//
// A claim without any mark belongs to a peer that was there before shepherd. While some claims are marked, a state on one that is not is
// taken for an old volume, and its pod waits; so the first marks are made all at once, when every pod runs and none is about to start.
func marks(f Facts, p topology.Picture) []Task {
	var list []Task
	together := allThere(f, p)
	for _, m := range p.Members {
		claim, found := f.claim(m.Ordinal)
		pod, running := f.pod(m.Ordinal)
		if !found || !running || pod.Starting || !p.Live(m.ID) || claim.Peer == m.ID || moreThanOne(p, m) {
			continue
		}
		if claim.Peer == 0 && !together {
			continue
		}
		// A mark of a peer that no member knows any more is a leftover: its state was set aside, or went with its volume.
		if claim.Peer > kube.Founding && knownByAny(p, claim.Peer) {
			continue
		}
		annotations := map[string]*string{kube.AnnotationPeer: new(kube.PeerText(m.ID))}
		if claim.Drained != 0 && claim.Drained != m.ID {
			annotations[kube.AnnotationDrained] = nil
		}
		list = append(list, Task{Annotate: annotations, Ordinal: claim.Ordinal, Text: fmt.Sprintf("marking claim %s as peer %d's", claim.Name, m.ID)})
	}
	return list
}

// allThere reports whether all members are live, and each wanted pod runs one of them on a claim of its own.
func allThere(f Facts, p topology.Picture) bool {
	there := 0
	for _, m := range p.Members {
		if !p.Joined(m.ID) {
			continue
		}
		if !p.Live(m.ID) {
			return false
		}
		if m.Ordinal < 0 || m.Ordinal >= f.StatefulSet.Replicas {
			continue
		}
		pod, running := f.pod(m.Ordinal)
		if _, found := f.claim(m.Ordinal); !found || !running || pod.Starting || pod.Deleting || moreThanOne(p, m) {
			return false
		}
		there++
	}
	return there == f.StatefulSet.Replicas
}

// moreThanOne reports whether two members answer from one pod, as they may for a moment when a pod changes hands.
func moreThanOne(p topology.Picture, m topology.Member) bool {
	answering := 0
	for _, other := range p.ByPod(m.Pod) {
		if other.Answers {
			answering++
		}
	}
	return answering > 1
}

// drained marks the claims of peers that have left the cluster, for their pods to stop and for the next start to know that the volume
// holds nothing that counts. The cluster lets a peer go only when it holds nothing, unless somebody forced it; a shard without any
// replica is what that leaves behind, and no claim is marked then.
func drained(f Facts, p topology.Picture) []Task {
	var list []Task
	for _, claim := range f.Claims {
		if claim.Ordinal < f.StatefulSet.Replicas || claim.Peer <= kube.Founding || claim.Drained == claim.Peer {
			continue
		}
		if knownByOthers(p, claim.Peer) || len(p.Replicas(claim.Peer)) > 0 || orphans(p) {
			continue
		}
		list = append(list, Task{
			Annotate: map[string]*string{kube.AnnotationDrained: new(kube.PeerText(claim.Peer))}, Ordinal: claim.Ordinal,
			Text: fmt.Sprintf("marking claim %s as drained of peer %d", claim.Name, claim.Peer),
		})
	}
	return list
}

func knownByOthers(p topology.Picture, id clusterapi.PeerID) bool {
	return slices.ContainsFunc(p.Members, func(m topology.Member) bool { return m.ID != id && p.Live(m.ID) && m.Lists(id) })
}

func knownByAny(p topology.Picture, id clusterapi.PeerID) bool {
	_, known := p.Member(id)
	return known
}

func orphans(p topology.Picture) bool {
	for _, c := range p.Collections {
		if slices.ContainsFunc(c.Shards, func(s topology.Shard) bool { return len(s.Replicas) == 0 }) {
			return true
		}
	}
	return false
}

// staleStarts finds pods whose start decided on something that is no longer so. Init containers do not run again when the server does,
// so only a new pod decides anew.
func staleStarts(f Facts, p topology.Picture) []Task {
	var list []Task
	for _, pod := range f.Pods {
		if pod.Deleting || pod.Starting || pod.Ordinal < 0 || pod.Ordinal >= f.StatefulSet.Replicas {
			continue
		}
		if why := stale(f, p, pod); why != "" {
			list = append(list, Task{Delete: pod, Text: fmt.Sprintf("deleting pod %s, so that it starts anew: %s", pod.Name, why)})
		}
	}
	return list
}

func stale(f Facts, p topology.Picture, pod kube.Pod) string {
	if pod.Crashing && pod.Restarts >= crashRestarts && p.At.Sub(pod.Created) >= crashAge {
		return fmt.Sprintf("its server has ended %d times", pod.Restarts)
	}
	claim, found := f.claim(pod.Ordinal)
	for _, m := range p.ByPod(pod.Name) {
		// Without the mark the start could not tell the removed peer's volume from a foreign one, and would only wait. Whether its
		// consensus still runs does not matter: one that was not told of its removal never hears of it, lists everyone, and takes the
		// leader from the others again and again by standing for election.
		if m.Answers && !p.Joined(m.ID) && !knownByOthers(p, m.ID) && found && claim.Peer == m.ID {
			return fmt.Sprintf("peer %d was removed from the cluster", m.ID)
		}
	}
	return ""
}

// settledLosses takes shards off the list of accepted losses once they are whole again or gone: what was accepted once must not give up
// the same shard another time.
func settledLosses(f Facts, p topology.Picture) []Task {
	done := map[plan.ShardName]bool{}
	for name := range f.GivenUp {
		if shard, known := p.Shard(name.Collection, name.Shard); !known || p.WholeWithout(shard) {
			done[name] = true
		}
	}
	if len(done) == 0 {
		return nil
	}
	return []Task{{Forget: done, Text: fmt.Sprintf("taking shards off the accepted losses, because they are whole or gone: %v", shardNames(done))}}
}
