package watch

import (
	"fmt"
	"strings"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// Marks are the annotations that a claim should get (nil removes one) now that this peer has been seen alive on it, and a sentence if
// something is wrong with those it has. A claim without a mark gets its first one from tend, which sees when all can have theirs.
func Marks(claim kube.Claim, me clusterapi.PeerID, p topology.Picture, ready bool) (annotations map[string]*string, problem string) {
	annotations = map[string]*string{}
	switch {
	case claim.Peer == me:
	case claim.Peer == kube.Founding && p.Live(me):
		text := kube.PeerText(me)
		annotations[kube.AnnotationPeer] = &text
	case claim.Marked() && claim.Peer != kube.Founding:
		// Which of the two is right, only a person can tell.
		problem = fmt.Sprintf("claim %s belongs to peer %s, but peer %s runs on it; if that is right, annotate it with %s=%s",
			claim.Name, claim.Peer, me, kube.AnnotationPeer, me)
	}
	if ready && claim.Drained != 0 && claim.Drained != me {
		annotations[kube.AnnotationDrained] = nil
	}
	if ready && strings.HasPrefix(claim.Verdict, "wait-") {
		annotations[kube.AnnotationVerdict] = nil
	}
	return annotations, problem
}
