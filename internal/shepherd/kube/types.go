// Package kube holds the few things shepherd reads from and writes to the Kubernetes API. Everything is named: one StatefulSet, its
// pods and claims by ordinal, two Leases, one ConfigMap. What is decided from them is decided elsewhere.
package kube

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

// Names are the names of a release's objects.
type Names struct {
	Namespace   string
	StatefulSet string
	// Lease is the stop permit's, Leader is tend's own.
	Lease  string
	Leader string
	// State is tend's ConfigMap: what guard asks, and what people tell tend.
	State string
}

// Pod is the name of the pod of an ordinal.
func (n Names) Pod(ordinal int) string { return fmt.Sprintf("%s-%d", n.StatefulSet, ordinal) }

// Claim is the name of the data claim of an ordinal.
func (n Names) Claim(ordinal int) string { return "qdrant-storage-" + n.Pod(ordinal) }

// Ordinal reads the ordinal from the name of a pod or of a claim; -1 if it is none of this StatefulSet.
func (n Names) Ordinal(name string) int {
	text, found := strings.CutPrefix(strings.TrimPrefix(name, "qdrant-storage-"), n.StatefulSet+"-")
	if !found {
		return -1
	}
	ordinal, err := strconv.Atoi(text)
	if err != nil || strconv.Itoa(ordinal) != text || ordinal < 0 {
		return -1
	}
	return ordinal
}

// Annotations of claims and of the StatefulSet.
const (
	// AnnotationPeer on a data claim: the id of the peer whose state is on the volume. Its presence says that a cluster was formed.
	AnnotationPeer = "qdrant-shepherd.io/peer-id"
	// AnnotationStarts on a data claim: how often a pod has started or stopped on the volume. The volume has the same number in a file; a
	// volume whose number is lower is an old copy.
	AnnotationStarts = "qdrant-shepherd.io/starts"
	// AnnotationVerdict on a data claim: what the last start decided, and why; see package start for the words.
	AnnotationVerdict = "qdrant-shepherd.io/verdict"
	// AnnotationDrained on a data claim: the id of the peer that was drained and removed; its volume holds nothing that counts.
	AnnotationDrained = "qdrant-shepherd.io/drained"
	// AnnotationPaused on the StatefulSet: any value but "" and "false" stops tend from changing anything.
	AnnotationPaused = "qdrant-shepherd.io/paused"
)

// StatefulSet is what shepherd looks at of one.
type StatefulSet struct {
	UID      string
	Replicas int
	// Gone: there is none of the name. Deleting: there is, and it has a deletion timestamp. NamespaceEnding: its namespace has one.
	Gone            bool
	Deleting        bool
	NamespaceEnding bool
	Paused          bool
	// Updating: some pods have not the latest revision yet, or are not ready.
	Updating bool
}

// Pod is what shepherd looks at of a pod.
type Pod struct {
	Name     string
	UID      string
	OwnerUID string // the StatefulSet's that owns it; empty for an orphan
	Ordinal  int
	Ready    bool
	Deleting bool
	// DeletionGrace is what a pod that is being deleted was given to stop, which whoever deletes it may make shorter; 0 if it is not.
	DeletionGrace time.Duration
	// Starting: its init container has not ended, so the server has not run yet.
	Starting bool
	// Restarts of the server's container, and whether it waits to be started again after it failed.
	Restarts int
	Crashing bool
	Node     string
	Zone     string
	Created  time.Time
}

// Claim is what shepherd looks at of a data claim.
type Claim struct {
	Name    string
	UID     string
	Ordinal int
	// Peer is 0 without a mark. Starts is 0 likewise.
	Peer    clusterapi.PeerID
	Starts  int
	Verdict string
	Drained clusterapi.PeerID
}

// Founding stands for the id of a peer that is about to found a cluster and has none yet; the annotation says "founding". No server draws it.
const Founding clusterapi.PeerID = 1

// FoundingText is how Founding is written.
const FoundingText = "founding"

// Marked says that a cluster was formed on the claim's volume.
func (c Claim) Marked() bool { return c.Peer != 0 }
