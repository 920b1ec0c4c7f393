package watch

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// missed is how many looks in a row the own server must not answer to count as silent: one can be lost to a busy moment.
const missed = 3

// Self is what the sidecar knows of its own server from asking it alone.
type Self struct {
	// Peer is the id it last answered with; 0 if it has not answered since the sidecar began.
	Peer clusterapi.PeerID
	// Answers says that it did at the last look, Misses at how many looks in a row it did not.
	Answers bool
	Misses  int
	// Refusals says at how many looks in a row nothing accepted the connection.
	Refusals int
	// Single says that it runs without cluster mode.
	Single bool
}

// Silent says that the server does not answer, and not just once.
func (s Self) Silent() bool { return s.Misses >= missed }

// Down says that there is no server to connect to, and not just once.
func (s Self) Down() bool { return s.Refusals >= missed }

// Progress remembers how far one process of the server has come. It outlives the sidecar, not the process.
type Progress struct {
	// Process is when the process began.
	Process time.Time `json:"process"`
	// Closed says that the process was whole once.
	Closed bool `json:"closed"`
	// Sick are the own replicas that were unhealthy at some look; false once they were healthy after that.
	Sick map[string]bool `json:"sick,omitempty"`
}

// Readiness is whether the pod is ready, and a sentence why or why not.
type Readiness struct {
	Ready bool
	Why   string
}

// Observe takes in one look: what the own server answers, what all say, and whether /readyz said yes. It changes nothing of l.
//
// The progress closes when the process is whole: a replica that misses writes while others are asked must not count as a copy. It does
// not open for what befalls the cluster later, or one lost peer would take all the others out of the Services.
func (l Progress) Observe(me Self, p topology.Picture, readyz bool) (Progress, Readiness) {
	switch {
	case me.Silent():
		l.Closed = false
		return l, Readiness{Why: "the server does not answer"}
	case !me.Answers && l.Closed:
		return l, Readiness{Ready: true, Why: "whole, though the server did not answer at the last look"}
	case !me.Answers:
		return l, Readiness{Why: "the server did not answer at the last look"}
	case me.Single:
		l.Closed = readyz || l.Closed
		if !l.Closed {
			return l, Readiness{Why: "/readyz says no"}
		}
		return l, Readiness{Ready: true, Why: "the server is ready; it runs without cluster mode"}
	}
	member, found := p.Member(me.Peer)
	if !found || !member.Answers {
		if l.Closed {
			return l, Readiness{Ready: true, Why: "whole"}
		}
		return l, Readiness{Why: "the server has not been looked at together with its peers yet"}
	}
	if !member.Started.Equal(l.Process) {
		l = Progress{Process: member.Started}
	}
	l.Sick = remember(l.Sick, p.Replicas(me.Peer))

	why := lost(member, p)
	if why != "" {
		l.Closed = false
		return l, Readiness{Why: why}
	}
	if l.Closed {
		return l, Readiness{Ready: true, Why: "whole"}
	}
	if why := l.missing(member, p, readyz); why != "" {
		return l, Readiness{Why: why}
	}
	l.Closed = true
	return l, Readiness{Ready: true, Why: "whole"}
}

// remember notes which replicas are sick, and which are so no more. One that has gone from the peer is forgotten.
func remember(sick map[string]bool, replicas []topology.ShardReplica) map[string]bool {
	next := map[string]bool{}
	for _, r := range replicas {
		name := fmt.Sprintf("%s/%d", r.Collection, r.Shard)
		_, known := sick[name]
		switch {
		case known && r.State.Healthy():
			next[name] = false
		case known:
			next[name] = sick[name] // once healthy is enough: what falls ill later is not this start's doing
		case !r.State.Healthy():
			next[name] = true
		}
	}
	return next
}

// lost says why a member is no part of the cluster any more.
func lost(me topology.Member, p topology.Picture) string {
	if !me.Working {
		return "the server's consensus has stopped"
	}
	witnesses, without := 0, 0
	for _, other := range p.Members {
		if other.ID == me.ID || !p.Live(other.ID) {
			continue
		}
		witnesses++
		if !other.Lists(me.ID) {
			without++
		}
	}
	if 2*without > witnesses {
		return fmt.Sprintf("peer %s was removed from the cluster", me.ID)
	}
	return ""
}

// missing says what a process still lacks to be whole.
func (l Progress) missing(me topology.Member, p topology.Picture, readyz bool) string {
	live, listed := 0, 0
	for _, other := range p.Members {
		if p.Live(other.ID) {
			live++
			if me.Lists(other.ID) {
				listed++
			}
		}
	}
	switch {
	case !readyz:
		return "/readyz says no: shards are not ready, or the consensus has to catch up"
	case me.Raft.Leader == 0:
		return "the server knows no leader"
	case !me.Raft.IsVoter:
		return "the server has no vote yet"
	case !p.Joined(me.ID) || 2*listed <= live:
		return "the server and most of the others do not see each other as one cluster"
	}
	var sick []string
	for _, name := range slices.Sorted(maps.Keys(l.Sick)) {
		if l.Sick[name] {
			sick = append(sick, name)
		}
	}
	if len(sick) > 0 {
		return fmt.Sprintf("%d shard replicas are not healthy yet: %s", len(sick), some(sick))
	}
	return ""
}

// some are the first few names of a list.
func some(names []string) string {
	const most = 5
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
