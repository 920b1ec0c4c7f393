package start

import (
	"fmt"

	"github.com/qdrant-shepherd/shepherd/internal/kube"
	"github.com/qdrant-shepherd/shepherd/internal/qdrant"
	"github.com/qdrant-shepherd/shepherd/internal/topology"
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
	// API is nil if the API server answered; StatefulSet and Claims are empty else. APIOver says that it has been away for long enough.
	API         error
	APIOver     bool
	StatefulSet kube.StatefulSet
	Claims      []kube.Claim
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
	Holder       qdrant.PeerID
	HolderShards int
}

// Reach says whether the API server answers.
type Reach int

// The reaches: it answers; it does not; it has not for so long that a peer with a state of its own goes without.
const (
	Reached Reach = iota
	Away
	AwayForLong
)

// Assess turns facts into a situation.
func Assess(f Facts) Situation {
	s := Situation{Ordinal: f.Ordinal, URI: f.URI, Fallback: f.Fallback, Volume: f.Volume}
	if f.VolumeErr != nil {
		s.Corrupt = f.VolumeErr.Error()
	}
	switch {
	case f.API != nil && f.APIOver:
		s.API = AwayForLong
	case f.API != nil:
		s.API = Away
	}
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
		for _, peer := range member.Peers {
			if own.Exists && peer.ID == own.Peer {
				listing++
			}
			if peer.ID != own.Peer && s.isOwn(f, peer) {
				s.hold(f.Picture, peer.ID)
			}
		}
	}
	if !own.Exists {
		return
	}
	s.Listed = 2*listing > len(live)
	others := f.StatefulSet.Replicas
	if f.Ordinal < others {
		others--
	}
	s.Removed = quorum && len(live)-listing >= others/2+1
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
func (s *Situation) isOwn(f Facts, peer qdrant.Peer) bool {
	if sameURI(peer.URI, s.URI) {
		return true
	}
	member, found := f.Picture.Member(peer.ID)
	return found && f.Pod != "" && member.Pod == f.Pod
}

// hold remembers who holds the own address; of two, the one with more shards.
func (s *Situation) hold(picture topology.Picture, id qdrant.PeerID) {
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
