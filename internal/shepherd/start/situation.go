package start

import (
	"fmt"
	"slices"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// Facts are what one look found, as it was found.
type Facts struct {
	Ordinal int
	Pod     string
	// URI is the address that the peer is to have. Fallback is where to join when nobody answers: a peer that has a state does not use
	// it, and it must not be the own address, which would make the server a founder.
	URI      string
	Fallback string
	// Volume is what is on the data volume; VolumeErr says why that can't be told.
	Volume    Volume
	VolumeErr error
	// API is nil if the API server told all that it was asked; StatefulSet and Claims are empty else. APIOver says that it has been away
	// for long enough.
	API         error
	APIOver     bool
	StatefulSet kube.StatefulSet
	// Claims are those that exist, but for those of others that have annotations which can't be read: Unreadable says which.
	Claims     []kube.Claim
	Unreadable []error
	// Picture is what the other peers say. JoinOver says that a majority of them has been missed for long enough.
	Picture  topology.Picture
	JoinOver bool
	// Refusals are what others answered that is no view of a cluster, such as that the key is wrong. Somebody is there, then.
	Refusals []string
}

// Situation is all that the decision depends on.
type Situation struct {
	Ordinal  int
	URI      string
	Fallback string

	API     Reach
	APIWhy  string // what it answers instead, if it does
	Volume  Volume
	Corrupt string // why the volume can't be read; empty if it can
	Claim   kube.Claim
	// OthersMarked says that a cluster was formed on the volume of another claim.
	OthersMarked bool

	// Answers counts the others that answer, with whatever. Live is the address of one that can be joined: it answers, its consensus works, and a
	// majority of those that answer count it as theirs. Quorum says that the cluster can decide, JoinOver that it has been waited for.
	Answers  int
	Live     string
	Quorum   bool
	JoinOver bool
	WhyNot   string // why there is no quorum
	// Listed says that most live peers know the peer whose state is on the volume, Removed that a live majority does not any more.
	Listed  bool
	Removed bool
	// Holder is the peer that live peers know at the own address; 0 if they know none. HolderShards counts its replicas.
	Holder       clusterapi.PeerID
	HolderShards int
}

// Reach says whether the API server answers.
type Reach int

// The reaches: it tells what it is asked; it does not answer; it has not for so long that a peer with a state of its own goes without; it
// answers that this pod may not ask; it tells of the own claim, which has an annotation that makes no sense. An answer is waited on for
// as long as it is given: what it keeps back may be that the volume is an old one.
const (
	Reached Reach = iota
	Away
	AwayForLong
	Denied
	Garbled
)

// Assess turns facts into a situation.
func Assess(f Facts) Situation {
	s := Situation{Ordinal: f.Ordinal, URI: f.URI, Fallback: f.Fallback, Volume: f.Volume}
	if f.VolumeErr != nil {
		s.Corrupt = f.VolumeErr.Error()
	}
	s.API = reach(f)
	if f.API != nil {
		s.APIWhy = f.API.Error()
	}
	// What can't be read may well be a mark.
	s.OthersMarked = len(f.Unreadable) > 0
	for _, claim := range f.Claims {
		if claim.Ordinal == f.Ordinal {
			s.Claim = claim
		} else if claim.Marked() {
			s.OthersMarked = true
		}
	}
	s.look(f)
	return s
}

func reach(f Facts) Reach {
	switch {
	case f.API == nil:
		return Reached
	case kube.IsUnreadable(f.API):
		return Garbled
	case kube.IsDenied(f.API):
		return Denied
	case f.APIOver:
		return AwayForLong
	default:
		return Away
	}
}

// look reads what the other peers say.
func (s *Situation) look(f Facts) {
	var live []topology.Member
	s.Answers = len(f.Refusals)
	for _, member := range f.Picture.Members {
		if !member.Answers {
			continue
		}
		s.Answers++
		if f.Picture.Live(member.ID) {
			live = append(live, member)
		}
	}
	quorum, why := f.Picture.Quorum()
	s.WhyNot = why
	if len(f.Refusals) > 0 {
		s.WhyNot = f.Refusals[0]
	}
	if len(live) == 0 {
		return
	}
	s.Live = bootstrap(live)
	s.Quorum, s.JoinOver = quorum, f.JoinOver

	own := f.Volume.State
	listing := 0
	for _, member := range live {
		if own.Exists && member.Lists(own.Peer) {
			listing++
		}
		for _, peer := range member.Peers {
			if peer.ID != own.Peer && s.isOwn(f, peer) {
				s.hold(f.Picture, peer.ID)
			}
		}
	}
	if !own.Exists {
		return
	}
	s.Listed = 2*listing > len(live)
	s.Removed = quorum && 2*(len(live)-listing) > joined(f.Picture) && s.kin(f, live)
}

// joined counts the members of the cluster that the live peers are of. That cluster decides who is in it, however many peers the
// StatefulSet is to have: one that grows has pods that are in none yet.
func joined(picture topology.Picture) int {
	count := 0
	for _, member := range picture.Members {
		if picture.Joined(member.ID) {
			count++
		}
	}
	return count
}

// kin says that the live peers are of the own peer's cluster, so that their lists count: a second cluster, founded by mistake, lists
// none of the first one's peers either. A peer that was drained is in no cluster any more, whichever the others are of.
func (s *Situation) kin(f Facts, live []topology.Member) bool {
	if drained(*s) {
		return true
	}
	marked := map[clusterapi.PeerID]bool{}
	for _, claim := range f.Claims {
		marked[claim.Peer] = true
	}
	return slices.ContainsFunc(live, func(member topology.Member) bool {
		_, known := f.Volume.State.Known[member.ID]
		return known || marked[member.ID]
	})
}

// bootstrap is the address of the live peer with the lowest ordinal, as the peers know it.
func bootstrap(live []topology.Member) string {
	best := live[0]
	for _, member := range live[1:] {
		if member.Ordinal >= 0 && (best.Ordinal < 0 || member.Ordinal < best.Ordinal) {
			best = member
		}
	}
	for _, peer := range best.Peers {
		if peer.ID == best.ID && peer.URI != "" {
			return trimmed(peer.URI)
		}
	}
	return trimmed(best.URI)
}

// isOwn says that a peer is known at the address of this pod. An adopted release may have spelled it another way, so the pod's name
// counts as well.
func (s *Situation) isOwn(f Facts, peer clusterapi.Peer) bool {
	if sameURI(peer.URI, s.URI) {
		return true
	}
	member, found := f.Picture.Member(peer.ID)
	return found && f.Pod != "" && member.Pod == f.Pod
}

// hold remembers who holds the own address; of two, the one with more shards.
func (s *Situation) hold(picture topology.Picture, id clusterapi.PeerID) {
	replicas := len(picture.Replicas(id))
	if s.Holder == 0 || replicas > s.HolderShards {
		s.Holder, s.HolderShards = id, replicas
	}
}

func (s Situation) claimName() string {
	if s.Claim.Name != "" {
		return s.Claim.Name
	}
	return fmt.Sprintf("of ordinal %d", s.Ordinal)
}
