package statusscreen

import (
	"fmt"
	"slices"

	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/tend"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
)

// Resize is what a change of the replica count would come to.
type Resize struct {
	From int `json:"from"`
	To   int `json:"to"`
	// Possible says that everything that must move can.
	Possible bool     `json:"possible"`
	Blocked  []string `json:"blocked,omitempty"`
	Moves    []Move   `json:"moves"`
	Bytes    int64    `json:"bytes"`
	Peers    []Load   `json:"peers"`
	Notes    []string `json:"notes,omitempty"`
}

// Load is what a peer holds before and after.
type Load struct {
	Peer           string `json:"peer"`
	ReplicasBefore int    `json:"replicasBefore"`
	ReplicasAfter  int    `json:"replicasAfter"`
	BytesBefore    int64  `json:"bytesBefore"`
	BytesAfter     int64  `json:"bytesAfter"`
	// Leaves says that the peer is no longer there afterwards.
	Leaves bool `json:"leaves,omitempty"`
}

// MakeResize plans to the end what would be done if the StatefulSet had this many replicas. pod names the pod of an ordinal.
func MakeResize(f tend.Facts, p topology.Picture, settings tend.Settings, pod func(int) string, replicas int) Resize {
	before := f.StatefulSet.Replicas
	if replicas == 0 && before > 0 {
		return Resize{From: before, Possible: true, Moves: []Move{}, Peers: []Load{}, Notes: []string{
			"all pods stop at once, nothing is drained, and the claims keep the data until the StatefulSet is scaled up again",
		}}
	}
	pods := len(f.Pods)
	f, p = Imagine(f, p, pod, replicas)
	outlook := tend.Next(f, p, settings)
	r := Resize{From: before, To: replicas, Moves: []Move{}, Peers: []Load{}}
	if outlook.Held != "" && !f.StatefulSet.Paused {
		r.Blocked = []string{outlook.Held}
		return r
	}
	if f.StatefulSet.Paused {
		r.Notes = append(r.Notes, "shepherd is paused by the annotation on the StatefulSet, so nothing would be done now")
	}
	whole, after := plan.Ahead(p, outlook.Goal)
	r.Moves = moves(p, whole.Moves)
	for _, m := range whole.Moves {
		r.Bytes += m.Bytes
	}
	for _, b := range whole.Blocked {
		r.Blocked = append(r.Blocked, b.Reason)
	}
	for id := range outlook.Goal.Leaving {
		if _, still := after.Member(id); still && len(whole.Blocked) == 0 {
			r.Blocked = append(r.Blocked, fmt.Sprintf("%s could not be emptied while something else is under way", call(p, id)))
		}
	}
	slices.Sort(r.Blocked)
	r.Possible = len(r.Blocked) == 0
	r.Peers = loads(p, after)
	if len(f.Pods) > pods && len(outlook.Goal.Zones) > 0 {
		r.Notes = append(r.Notes, "which zones new pods will be in is not known, so what they get may differ")
	}
	for _, c := range p.Collections {
		if replicas < c.ReplicationFactor {
			r.Notes = append(r.Notes, fmt.Sprintf("collection %s asks for %d copies of each shard and would have %d", c.Name, c.ReplicationFactor, replicas))
		}
	}
	return r
}

// Imagine is the situation with another replica count: pods that have come up, empty, where there are none yet, and the members that
// run in them. A rollout is imagined to have ended.
func Imagine(f tend.Facts, p topology.Picture, pod func(int) string, replicas int) (tend.Facts, topology.Picture) {
	f.StatefulSet.Replicas, f.StatefulSet.Updating = replicas, false
	f.Pods = slices.Clone(f.Pods)
	p.Members = slices.Clone(p.Members)
	var highest clusterapi.PeerID
	var model topology.Member
	for _, m := range p.Members {
		highest = max(highest, m.ID)
		if p.Live(m.ID) && (!model.Answers || m.Raft.Leader == m.ID) {
			model = m
		}
	}
	if !model.Answers {
		return f, p
	}
	var added []topology.Member
	for ordinal := range replicas {
		name := pod(ordinal)
		if slices.ContainsFunc(f.Pods, func(p kube.Pod) bool { return p.Name == name }) || len(p.ByPod(name)) > 0 {
			continue
		}
		f.Pods = append(f.Pods, kube.Pod{Name: name, Ordinal: ordinal, Ready: true})
		highest++
		member := model
		member.ID, member.Pod, member.Ordinal, member.URI = highest, name, ordinal, ""
		added = append(added, member)
	}
	listed := make([]clusterapi.Peer, 0, len(added))
	for _, m := range added {
		listed = append(listed, clusterapi.Peer{ID: m.ID})
	}
	known := len(added)
	for i, m := range p.Members {
		if !p.Joined(m.ID) {
			continue
		}
		p.Members[i].KnownBy += len(added)
		if m.Answers {
			known++
			p.Members[i].Peers = append(slices.Clone(m.Peers), listed...)
		}
	}
	for i := range added {
		added[i].KnownBy = known
		added[i].Peers = append(slices.Clone(model.Peers), listed...)
	}
	p.Members = append(p.Members, added...)
	return f, p
}

func loads(before, after topology.Picture) []Load {
	list := []Load{}
	for _, m := range before.Members {
		if !before.Joined(m.ID) {
			continue
		}
		load := Load{Peer: call(before, m.ID)}
		load.ReplicasBefore, load.BytesBefore = weigh(before, m.ID)
		load.ReplicasAfter, load.BytesAfter = weigh(after, m.ID)
		_, stays := after.Member(m.ID)
		load.Leaves = !stays
		list = append(list, load)
	}
	return list
}

func weigh(p topology.Picture, id clusterapi.PeerID) (replicas int, bytes int64) {
	for _, r := range p.Replicas(id) {
		replicas++
		bytes += max(0, r.Bytes)
	}
	return replicas, bytes
}
