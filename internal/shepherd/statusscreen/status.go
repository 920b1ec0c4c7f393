// Package statusscreen turns what is known of a cluster into what a person reads: one screen of text, or the same as JSON. It asks nobody.
package statusscreen

import (
	"fmt"
	"slices"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/tend"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// Status is a cluster at one moment, and what tend would do about it.
type Status struct {
	At          time.Time    `json:"at"`
	StatefulSet StatefulSet  `json:"statefulSet"`
	Leader      string       `json:"leader,omitempty"`
	Term        uint64       `json:"term,omitempty"`
	Versions    []string     `json:"versions"`
	Whole       bool         `json:"whole"`
	NotWhole    []string     `json:"notWhole,omitempty"`
	Peers       []Peer       `json:"peers"`
	Collections []Collection `json:"collections"`
	Transfers   []Transfer   `json:"transfers"`
	// Permit is the pod that holds the stop permit.
	Permit string `json:"stopPermit,omitempty"`
	// Held says why nothing would be changed now.
	Held  string `json:"held,omitempty"`
	Next  []Move `json:"next"`
	Notes []Note `json:"notes"`
}

// StatefulSet is what the pods come from.
type StatefulSet struct {
	Name     string `json:"name"`
	Replicas int    `json:"replicas"`
	Ready    int    `json:"ready"`
	State    string `json:"state"`
}

// Peer is a member of the cluster, or a pod without one.
type Peer struct {
	Pod      string            `json:"pod,omitempty"`
	ID       clusterapi.PeerID `json:"peer,omitempty"`
	State    string            `json:"state"`
	Zone     string            `json:"zone,omitempty"`
	Version  string            `json:"version,omitempty"`
	Replicas int               `json:"replicas"`
	// Points and Bytes are -1 where the peer does not answer.
	Points int   `json:"points"`
	Bytes  int64 `json:"bytes"`
}

// Collection sums up the replicas of one.
type Collection struct {
	Name              string                          `json:"name"`
	ReplicationFactor int                             `json:"replicationFactor"`
	Shards            int                             `json:"shards"`
	Replicas          map[clusterapi.ReplicaState]int `json:"replicas"`
	Missing           int                             `json:"missing"`
	Points            int                             `json:"points"`
}

// Transfer is a copy that is on its way.
type Transfer struct {
	Shard   string `json:"shard"`
	From    string `json:"from"`
	To      string `json:"to"`
	Method  string `json:"method,omitempty"`
	Comment string `json:"comment,omitempty"`
}

// Move is a change that would be made.
type Move struct {
	Kind  plan.Kind `json:"kind"`
	Shard string    `json:"shard,omitempty"`
	From  string    `json:"from"`
	To    string    `json:"to,omitempty"`
	Bytes int64     `json:"bytes"`
	Why   string    `json:"why"`
}

// Note is something that a person should know.
type Note struct {
	Reason  string `json:"reason"`
	Text    string `json:"text"`
	Warning bool   `json:"warning"`
}

// MakeStatus sums up a situation. permit is the pod that holds the stop permit.
func MakeStatus(name, permit string, f tend.Facts, p topology.Picture, o tend.Outlook) Status {
	s := Status{
		Permit:      permit,
		At:          p.At,
		StatefulSet: statefulSet(name, f),
		Peers:       peers(f, p, o.Goal),
		Collections: collections(p),
		Transfers:   transfers(p),
		Versions:    versions(p),
		Held:        o.Held,
		Next:        moves(p, o.Plan.Moves),
		Notes:       notes(o.Notes),
	}
	s.Whole, s.NotWhole = p.Whole()
	if ok, _ := p.Quorum(); ok {
		s.Leader, s.Term = leader(p)
	}
	for _, silent := range p.Silent {
		if silent.Err != "" {
			s.Notes = append(s.Notes, Note{"NoAnswer", fmt.Sprintf("%s does not answer: %s", silent.Pod, silent.Err), true})
		}
	}
	return s
}

func statefulSet(name string, f tend.Facts) StatefulSet {
	ready := 0
	for _, pod := range f.Pods {
		if pod.Ready {
			ready++
		}
	}
	return StatefulSet{Name: name, Replicas: f.StatefulSet.Replicas, Ready: ready, State: stateOf(f.StatefulSet)}
}

func stateOf(s kube.StatefulSet) string {
	switch {
	case s.NamespaceEnding:
		return "its namespace is being deleted"
	case s.Gone:
		return "gone"
	case s.Deleting:
		return "being deleted"
	case s.Paused && s.Updating:
		return "paused, changing"
	case s.Paused:
		return "paused"
	case s.Updating:
		return "changing"
	default:
		return "steady"
	}
}

// peers are the members in order of their pods, those without a pod after them, and at the end pods that have no member.
func peers(f tend.Facts, p topology.Picture, w plan.Goal) []Peer {
	list := []Peer{}
	for _, m := range p.Members {
		peer := Peer{Pod: m.Pod, ID: m.ID, Version: m.Version, State: peerState(p, w, m), Zone: w.Zones[m.ID], Points: -1, Bytes: -1}
		if m.Answers {
			peer.Points, peer.Bytes = 0, 0
		}
		for _, r := range p.Replicas(m.ID) {
			peer.Replicas++
			if m.Answers {
				peer.Points += max(0, r.Points)
				peer.Bytes += max(0, r.Bytes)
			}
		}
		list = append(list, peer)
	}
	for _, pod := range f.Pods {
		if len(p.ByPod(pod.Name)) == 0 {
			list = append(list, Peer{Pod: pod.Name, State: podState(pod), Zone: pod.Zone, Points: -1, Bytes: -1})
		}
	}
	ordinals := map[string]int{}
	for _, m := range p.Members {
		if m.Pod != "" {
			ordinals[m.Pod] = m.Ordinal
		}
	}
	for _, pod := range f.Pods {
		ordinals[pod.Name] = pod.Ordinal
	}
	slices.SortStableFunc(list, func(a, b Peer) int {
		left, leftKnown := ordinals[a.Pod]
		right, rightKnown := ordinals[b.Pod]
		switch {
		case leftKnown && rightKnown:
			return left - right
		case leftKnown:
			return -1
		case rightKnown:
			return 1
		default:
			return 0
		}
	})
	return list
}

func podState(pod kube.Pod) string {
	switch {
	case pod.Deleting:
		return "stopping"
	case pod.Starting:
		return "waiting to start"
	case pod.Crashing:
		return "crashing"
	default:
		return "starting"
	}
}

func peerState(p topology.Picture, w plan.Goal, m topology.Member) string {
	var state string
	switch {
	case !p.Joined(m.ID):
		return "outside the cluster"
	case !m.Answers:
		state = "silent"
	case !m.Working:
		state = "consensus stopped"
	case !m.Raft.IsVoter:
		state = "learning"
	case m.Raft.Leader == m.ID:
		state = "leader"
	default:
		state = "follower"
	}
	switch {
	case w.Lost[m.ID]:
		state += ", lost"
	case w.Leaving[m.ID]:
		state += ", leaving"
	}
	return state
}

// leader is whom the answering members follow; there is a quorum, so a majority names one.
func leader(p topology.Picture) (string, uint64) {
	count := map[clusterapi.PeerID]int{}
	var most topology.Member
	for _, m := range p.Members {
		if m.Answers && m.Working && m.Raft.Leader != 0 {
			if count[m.Raft.Leader]++; count[m.Raft.Leader] > count[most.Raft.Leader] || most.Raft.Leader == 0 {
				most = m
			}
		}
	}
	return call(p, most.Raft.Leader), most.Raft.Term
}

func versions(p topology.Picture) []string {
	list := []string{}
	for _, m := range p.Members {
		if m.Answers && !slices.Contains(list, m.Version) {
			list = append(list, m.Version)
		}
	}
	slices.Sort(list)
	return list
}

func collections(p topology.Picture) []Collection {
	list := []Collection{}
	joined := 0
	for _, m := range p.Members {
		if p.Joined(m.ID) {
			joined++
		}
	}
	for _, c := range p.Collections {
		sum := Collection{Name: c.Name, ReplicationFactor: c.ReplicationFactor, Shards: len(c.Shards), Replicas: map[clusterapi.ReplicaState]int{}}
		for _, s := range c.Shards {
			points := 0
			for _, r := range s.Replicas {
				sum.Replicas[r.State]++
				if r.State == clusterapi.Active {
					points = max(points, r.Points)
				}
			}
			sum.Points += points
			sum.Missing += max(0, min(c.ReplicationFactor, joined)-len(s.Replicas))
		}
		list = append(list, sum)
	}
	return list
}

func transfers(p topology.Picture) []Transfer {
	list := []Transfer{}
	for _, c := range p.Collections {
		for _, s := range c.Shards {
			for _, t := range s.Transfers {
				list = append(list, Transfer{
					Shard: plan.ShardName{Collection: c.Name, Shard: s.ID}.String(), From: call(p, t.From), To: call(p, t.To), Method: t.Method, Comment: t.Comment,
				})
			}
		}
	}
	return list
}

func moves(p topology.Picture, planned []plan.Move) []Move {
	list := []Move{}
	for _, m := range planned {
		move := Move{Kind: m.Kind, From: call(p, m.From), Bytes: m.Bytes, Why: m.Why}
		if m.Kind != plan.RemovePeer {
			move.Shard = m.Shard.String()
		}
		if m.To != 0 {
			move.To = call(p, m.To)
		}
		list = append(list, move)
	}
	return list
}

func notes(from []tend.Note) []Note {
	list := []Note{}
	for _, n := range from {
		list = append(list, Note(n))
	}
	return list
}

// call names a peer as briefly as it can be without confusing it with another: by its pod, or by its id where the pod has two peers.
func call(p topology.Picture, id clusterapi.PeerID) string {
	m, known := p.Member(id)
	if !known || m.Pod == "" || len(p.ByPod(m.Pod)) > 1 {
		return "peer " + id.String()
	}
	return m.Pod
}
