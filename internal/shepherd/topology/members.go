package topology

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

// oldestMinor is the first 1.x release whose telemetry has the states of all replicas and the transfers, which everything here is drawn
// from. It is also the first with ManualRecovery, so what an older one calls Active or Dead is not what is meant here.
const oldestMinor = 16

func (m Member) String() string {
	if m.Pod == "" {
		return "peer " + m.ID.String()
	}
	return fmt.Sprintf("peer %s (%s)", m.ID, m.Pod)
}

// Lists reports whether the member has the peer in its own list; one that does not answer lists nobody.
func (m Member) Lists(id clusterapi.PeerID) bool {
	return slices.ContainsFunc(m.Peers, func(peer clusterapi.Peer) bool { return peer.ID == id })
}

// Name is how a peer is called in sentences: its id, and its pod where that is known.
func (p Picture) Name(id clusterapi.PeerID) string {
	if member, known := p.Member(id); known {
		return member.String()
	}
	return "peer " + id.String()
}

// Member finds a peer by its id.
func (p Picture) Member(id clusterapi.PeerID) (Member, bool) {
	i := slices.IndexFunc(p.Members, func(m Member) bool { return m.ID == id })
	if i < 0 {
		return Member{}, false
	}
	return p.Members[i], true
}

// ByPod finds the peers of a pod: none, one, or, after it lost its volume, the lost one and the new one.
func (p Picture) ByPod(pod string) []Member {
	var members []Member
	for _, m := range p.Members {
		if m.Pod == pod {
			members = append(members, m)
		}
	}
	return members
}

// Joined reports whether a majority of the answering peers, the peer itself included when it answers, have the peer in their lists.
func (p Picture) Joined(id clusterapi.PeerID) bool {
	member, known := p.Member(id)
	return known && 2*member.KnownBy > p.answering()
}

// Live reports whether the peer answers, has joined and takes part in the consensus: what a source, a target, or the peer that keeps
// the copy that counts must be.
func (p Picture) Live(id clusterapi.PeerID) bool {
	member, known := p.Member(id)
	return known && member.Answers && member.Working && p.Joined(id)
}

// answering counts the members whose lists count. A peer that was removed goes on answering, with the list it had or with itself alone,
// and its consensus has stopped; while peers that leave are held, there may be more of them than of the others.
func (p Picture) answering() int {
	count := 0
	for _, m := range p.Members {
		if m.Answers && m.Working {
			count++
		}
	}
	return count
}

// Quorum reports whether the cluster can decide: a majority of its voters answers, takes part in the consensus, and names the same
// leader and term; else why not. A member that does not answer counts as a voter. One peer's word is no proof, since an isolated old
// leader goes on naming itself.
func (p Picture) Quorum() (ok bool, why string) {
	type reign struct {
		leader clusterapi.PeerID
		term   uint64
	}
	voters, working := 0, 0
	followers := map[reign]int{}
	for _, m := range p.Members {
		if !p.Joined(m.ID) || m.Answers && !m.Raft.IsVoter {
			continue
		}
		voters++
		if !m.Answers || !m.Working {
			continue
		}
		working++
		if m.Raft.Leader != 0 {
			followers[reign{m.Raft.Leader, m.Raft.Term}]++
		}
	}
	if voters == 0 {
		return false, "no peer answers that a majority of the answering peers knows"
	}
	if 2*working <= voters {
		return false, fmt.Sprintf("%d of %d voters answer and take part in the consensus, which is no majority", working, voters)
	}
	most := 0
	for _, count := range followers {
		most = max(most, count)
	}
	if 2*most <= voters {
		return false, fmt.Sprintf("no leader is named by a majority of the %d voters in the same term", voters)
	}
	return true, ""
}

// Unsupported is a sentence when an answering peer runs a server that is too old for its word to be taken, and empty otherwise.
func (p Picture) Unsupported() string {
	for _, m := range p.Members {
		if m.Answers && !supported(m.Version) {
			return fmt.Sprintf("%s runs Qdrant %q, and 1.%d is the oldest that is supported", m, m.Version, oldestMinor)
		}
	}
	return ""
}

func supported(version string) bool {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 {
		return false
	}
	major, err := strconv.Atoi(parts[0])
	if err != nil {
		return false
	}
	minor, err := strconv.Atoi(parts[1])
	if err != nil {
		return false
	}
	return major > 1 || major == 1 && minor >= oldestMinor
}
