package tend

import (
	"fmt"
	"strings"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/start"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// Note is something that a person should know: it goes to the log, to an Event, to status and to a metric, once, until it is over.
type Note struct {
	// Reason is one word in upper camel case, Text a sentence in lower case.
	Reason string
	Text   string
	// Warning tells what needs somebody from what is only told.
	Warning bool
}

// Reasons of notes.
const (
	LostVolume      = "LostVolume"
	PodWaits        = "PodWaits"
	PeerWithoutPod  = "PeerWithoutPod"
	PeerOutside     = "PeerOutsideCluster"
	ClaimMismatch   = "ClaimMismatch"
	DrainBlocked    = "DrainBlocked"
	RecoveryBlocked = "RecoveryBlocked"
	Blocked         = "Blocked"
	AcceptLossLines = "AcceptLossUnread"
)

// slowStart is after how long a start that waits for others is told of: a pod may have to pull images and wait for its volume, and the
// whole cluster may be coming up.
const slowStart = 5 * time.Minute

// waitingPods tells of pods that must not start as they are, and of those that have been starting for long.
func waitingPods(f Facts, now time.Time) []Note {
	var notes []Note
	for _, claim := range f.Claims {
		pod, found := f.pod(claim.Ordinal)
		if !found || !pod.Starting || pod.Deleting || claim.Ordinal >= f.StatefulSet.Replicas {
			continue
		}
		slow := now.Sub(pod.Created) >= slowStart
		switch decision := start.ParseAnnotation(claim.Verdict); {
		case decision.Verdict == start.WaitLostVolume: // is told of with its peer
		case decision.Verdict == start.WaitOldVolume, decision.Verdict == start.WaitEmptied, decision.Verdict == start.WaitUnreadable,
			slow && decision.Verdict.Waits():
			notes = append(notes, Note{PodWaits, fmt.Sprintf("pod %s waits: %s", pod.Name, decision.Why), true})
		case slow:
			// A start that does not reach the API server can't leave a verdict.
			notes = append(notes, Note{PodWaits, fmt.Sprintf("pod %s has not started, and its claim does not say why: "+
				"see its events and the log of its init container, which may not reach the API server", pod.Name), true})
		}
	}
	return notes
}

// strangers tells of peers that no pod of the StatefulSet can run, and of servers that are no part of the cluster.
func strangers(f Facts, p topology.Picture) []Note {
	var notes []Note
	for _, m := range p.Members {
		switch {
		case !p.Joined(m.ID) && m.Answers && len(f.Pods) > 1 && m.Ordinal < f.StatefulSet.Replicas:
			notes = append(notes, Note{PeerOutside, fmt.Sprintf("%s answers, and the other peers do not count it as one of theirs", m), true})
		case !p.Joined(m.ID) || m.Answers:
		case m.Ordinal < 0:
			notes = append(notes, Note{PeerWithoutPod, fmt.Sprintf(
				"%s at %s is no pod of the StatefulSet, does not answer and has %d replicas", m, m.URI, len(p.Replicas(m.ID))), true})
		case replaced(p, m):
			notes = append(notes, Note{PeerWithoutPod, fmt.Sprintf(
				"%s does not answer, has %d replicas, and another peer runs at its address", m, len(p.Replicas(m.ID))), true})
		}
	}
	return notes
}

// withoutPod reports whether no pod runs the peer, nor waits to.
func withoutPod(f Facts, p topology.Picture, m topology.Member) bool {
	if !p.Joined(m.ID) || m.Answers {
		return false
	}
	_, found := f.pod(m.Ordinal)
	return m.Ordinal < 0 || !found || replaced(p, m)
}

// replaced reports whether another member answers from the pod that the member should run in.
func replaced(p topology.Picture, m topology.Member) bool {
	if m.Pod == "" {
		return false
	}
	for _, other := range p.ByPod(m.Pod) {
		if other.ID != m.ID && p.Live(other.ID) {
			return true
		}
	}
	return false
}

// mismatches tells of pods that run another peer than their claim was marked for, while that other one still counts.
func mismatches(f Facts, p topology.Picture) []Note {
	var notes []Note
	for _, m := range p.Members {
		claim, found := f.claim(m.Ordinal)
		if !found || !p.Live(m.ID) || claim.Peer == 0 || claim.Peer == kube.Founding || claim.Peer == m.ID {
			continue
		}
		if p.Joined(claim.Peer) {
			notes = append(notes, Note{ClaimMismatch, fmt.Sprintf("claim %s is marked as peer %d's, and %s runs on it", claim.Name, claim.Peer, m), true})
		}
	}
	return notes
}

// blocks turns what a plan could not do into notes.
func blocks(w plan.Goal, blocked []plan.Block) []Note {
	var notes []Note
	for _, b := range blocked {
		reason := Blocked
		switch {
		case w.Leaving[b.Peer]:
			reason = DrainBlocked
		case w.Lost[b.Peer]:
			reason = RecoveryBlocked
		}
		notes = append(notes, Note{reason, b.Reason, true})
	}
	return notes
}

func unread(lines []string) []Note {
	if len(lines) == 0 {
		return nil
	}
	return []Note{{AcceptLossLines, fmt.Sprintf("acceptLoss has lines that are no COLLECTION/SHARD: %s", strings.Join(lines, ", ")), true}}
}
