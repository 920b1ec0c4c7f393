package start

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

// Verdict is what a start comes to.
type Verdict string

// The verdicts. Those that begin with "wait" start nothing.
const (
	Found          Verdict = "found"            // the first peer of a new cluster
	Join           Verdict = "join"             // a new peer of a cluster that is there
	Start          Verdict = "start"            // a peer with a state of its own, as it is
	SetAside       Verdict = "set-aside"        // the state of a peer that was removed; the next look decides on
	WaitLostVolume Verdict = "wait-lost-volume" // the cluster still counts on the shards of the peer that was here
	WaitOldVolume  Verdict = "wait-old-volume"  // the volume is an old copy, or another peer's
	WaitEmptied    Verdict = "wait-emptied"     // a cluster was formed on the volume, which is empty, and nobody answers
	WaitPeers      Verdict = "wait-peers"       // there is a cluster, and it can't be joined now
	WaitFirst      Verdict = "wait-first"       // ordinal 0 founds the cluster
	WaitUnreadable Verdict = "wait-unreadable"  // what is on the volume, or its claim, can't be read
	WaitKubernetes Verdict = "wait-kubernetes"  // the API server, which knows the claims, does not answer, or not to this pod
)

// Waits says that nothing is started.
func (v Verdict) Waits() bool { return strings.HasPrefix(string(v), "wait-") }

// Decision is a verdict with what follows from it.
type Decision struct {
	Verdict Verdict
	// URI and Bootstrap are what the server is started with; Bootstrap is empty for the verdict "found" and for no other that starts.
	URI       string
	Bootstrap string
	// Peer is the peer in question: the lost one of "wait-lost-volume", else the one whose state is on the volume; 0 if there is none.
	Peer clusterapi.PeerID
	// Confirm says that the decision must be seen several times before it is carried out.
	Confirm bool
	// Why is a sentence for the log and the claim: what was found, and what a person can do.
	Why string
}

// Annotation is the decision as it is left on the claim, such as "wait-lost-volume peer=12: …".
func (d Decision) Annotation() string {
	if d.Peer == 0 {
		return fmt.Sprintf("%s: %s", d.Verdict, d.Why)
	}
	return fmt.Sprintf("%s peer=%d: %s", d.Verdict, d.Peer, d.Why)
}

// ParseAnnotation reads what Annotation wrote: the verdict, the peer and the sentence. Any other text gives a decision without verdict.
func ParseAnnotation(text string) Decision {
	head, why, found := strings.Cut(text, ": ")
	if !found {
		return Decision{}
	}
	verdict, peer, hasPeer := strings.Cut(head, " peer=")
	d := Decision{Verdict: Verdict(verdict), Why: why}
	if hasPeer {
		id, err := strconv.ParseUint(peer, 10, 64)
		if err != nil {
			return Decision{}
		}
		d.Peer = clusterapi.PeerID(id)
	}
	return d
}
