package tend

import (
	"fmt"
	"strings"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/start"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// Goals says what should become of the cluster, what is to be done in Kubernetes, and what to tell. A peer of a wanted pod that does
// not answer is restarting or down, and is waited for: its replicas count as being there.
func Goals(f Facts, p topology.Picture, s Settings) (plan.Goal, []Task, []Note) {
	w := plan.Goal{
		Leaving: map[clusterapi.PeerID]bool{}, Lost: map[clusterapi.PeerID]bool{}, Targets: map[clusterapi.PeerID]bool{},
		Zones: zones(f, p), Strategy: plan.None, GivenUp: f.GivenUp, Untouched: map[string]bool{},
	}
	for _, name := range s.Untouched {
		w.Untouched[name] = true
	}
	if stopping(f.StatefulSet) != "" {
		return w, nil, nil
	}
	w.Repair = true
	if calm(f) && s.Strategy != "" {
		w.Strategy = s.Strategy
	}
	var notes []Note
	for _, m := range p.Members {
		switch {
		case !p.Joined(m.ID) || m.Ordinal < 0:
		case m.Ordinal >= f.StatefulSet.Replicas:
			w.Leaving[m.ID] = true
		case volumeLost(f, m):
			may, note := replaceable(f, p, s, m)
			notes = append(notes, note)
			if may {
				w.Lost[m.ID] = true
			}
		case target(f, p, m):
			w.Targets[m.ID] = true
		}
	}
	notes = append(notes, waitingPods(f, p.At)...)
	notes = append(notes, strangers(f, p)...)
	notes = append(notes, mismatches(f, p)...)
	notes = append(notes, unread(f.Unread)...)
	return w, tasks(f, p), notes
}

// stopping is a sentence when the release is going away as a whole, so that nobody leaves it and nothing is to be mended; else empty.
func stopping(s kube.StatefulSet) string {
	switch {
	case s.NamespaceEnding:
		return "the namespace is being deleted"
	case s.Gone:
		return "there is no StatefulSet"
	case s.Deleting:
		return "the StatefulSet is being deleted"
	case s.Replicas == 0:
		return "the StatefulSet is scaled to 0"
	default:
		return ""
	}
}

// calm reports whether every wanted pod is there and Ready and nothing is being rolled out: the time to even things out.
func calm(f Facts) bool {
	if f.StatefulSet.Updating {
		return false
	}
	for ordinal := range f.StatefulSet.Replicas {
		if pod, found := f.pod(ordinal); !found || !pod.Ready || pod.Deleting {
			return false
		}
	}
	return true
}

// target reports whether a member may receive replicas.
func target(f Facts, p topology.Picture, m topology.Member) bool {
	pod, found := f.pod(m.Ordinal)
	return found && pod.Ready && !pod.Deleting && p.Live(m.ID)
}

// volumeLost reports whether the pod of a member waits to start on a volume that has not got the member's data. The member's silence
// alone says nothing: it may be restarting.
func volumeLost(f Facts, m topology.Member) bool {
	claim, found := f.claim(m.Ordinal)
	pod, running := f.pod(m.Ordinal)
	if m.Answers || !found || !running || !pod.Starting || pod.Deleting {
		return false
	}
	decision := start.ParseAnnotation(claim.Verdict)
	return decision.Verdict == start.WaitLostVolume && decision.Peer == m.ID
}

// replaceable reports whether a peer that lost its volume may be given up, and says so or why not.
func replaceable(f Facts, p topology.Picture, s Settings, m topology.Member) (bool, Note) {
	only := map[plan.ShardName]bool{}
	for _, r := range p.Replicas(m.ID) {
		name := plan.ShardName{Collection: r.Collection, Shard: r.Shard}
		shard, _ := p.Shard(r.Collection, r.Shard)
		if !p.WholeWithout(shard, m.ID) && !f.GivenUp[name] {
			only[name] = true
		}
	}
	names := shardNames(only)
	switch {
	case len(only) > 0:
		return false, Note{LostVolume, fmt.Sprintf("%s lost its volume, and no other peer that answers has an Active copy of %s: "+
			"bring the volume or those peers back, or give the shards up with shepherd accept-loss %s", m, some(names), strings.Join(names, " ")), true}
	case !s.ReplaceLostVolumes:
		return false, Note{LostVolume, fmt.Sprintf("%s lost its volume, and its pod waits: "+
			"bring the volume back, or set recovery.replaceLostVolumes to have the peer replaced", m), true}
	default:
		return true, Note{LostVolume, fmt.Sprintf("%s lost its volume and is being replaced", m), false}
	}
}

func zones(f Facts, p topology.Picture) map[clusterapi.PeerID]string {
	zones := map[clusterapi.PeerID]string{}
	for _, m := range p.Members {
		if pod, found := f.pod(m.Ordinal); found && pod.Zone != "" && p.Joined(m.ID) {
			zones[m.ID] = pod.Zone
		}
	}
	return zones
}
