package start

import (
	"fmt"

	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
)

// condition is a part of a situation that a row asks for.
type condition func(Situation) bool

// row is one line of the table.
type row struct {
	name string
	when []condition
	then Verdict
	// confirm: what is decided can't be taken back and rests on peers that do not answer, or on what few of them say, so one look is
	// not enough. The first connections of a new pod can fail merely because its network rules are not in place yet.
	confirm bool
	// why says what was found and what a person can do.
	why func(Situation) string
}

// table is the decision: the first row that fits. It is written down in full, though some conditions follow from the rows above, so
// that each row can be read alone.
var table = []row{
	{
		name: "the volume can't be read", when: []condition{corrupt}, then: WaitUnreadable,
		why: func(s Situation) string {
			return s.Corrupt + ": put the volume right, or restore it; if other peers hold all its shards it may be emptied"
		},
	},
	{
		name: "own state, and the API server has been away for long", when: []condition{state, awayForLong}, then: Start, confirm: true,
		why: func(s Situation) string {
			return fmt.Sprintf("peer %s starts as it is, unchecked, because the API server does not answer", s.Volume.State.Peer)
		},
	},
	{
		name: "the own claim can't be read", when: []condition{garbled}, then: WaitUnreadable,
		why: func(s Situation) string {
			return s.APIWhy + ": put the annotation right; it says which peer's volume this should be, so it is not passed over"
		},
	},
	{
		name: "the API server refuses", when: []condition{denied}, then: WaitKubernetes,
		why: func(s Situation) string {
			return "the API server, which knows what the volume should hold, answers that this pod may not ask (" + s.APIWhy + "): give its service account the chart's role"
		},
	},
	{
		name: "the API server is away", when: []condition{not(reached)}, then: WaitKubernetes,
		why: func(s Situation) string {
			if s.Volume.State.Exists {
				return "the API server, which knows what the volume should hold, does not answer: waiting for it a while"
			}
			return "there is no peer on the volume, and the API server, which knows whether there should be, does not answer"
		},
	},
	{
		name: "own state, removed by a live majority", when: []condition{state, marked, removed}, then: SetAside, confirm: true,
		why: func(s Situation) string {
			return fmt.Sprintf("peer %s, whose state is on the volume, was removed from the cluster: setting its state aside to join again", s.Volume.State.Peer)
		},
	},
	{
		name: "own state on an unmarked claim, others are marked", when: []condition{state, not(marked), othersMarked}, then: WaitOldVolume,
		why: func(s Situation) string {
			return fmt.Sprintf("the volume has the state of peer %s, but nobody has seen it run here: it may be an old copy, whose data would be read as good; if it is the right one, annotate claim %s with %s=%s",
				s.Volume.State.Peer, s.claimName(), kube.AnnotationPeer, s.Volume.State.Peer)
		},
	},
	{
		name: "own state, older than the claim knows", when: []condition{state, older}, then: WaitOldVolume,
		why: func(s Situation) string {
			return fmt.Sprintf("the volume was started on %d times and claim %s knows of %d: it is an old copy, whose data would be read as good; put the latest one back, or empty it if other peers hold all its shards, or, if it is the right one, set %s=%d on the claim",
				s.Volume.Starts, s.claimName(), s.Claim.Starts, kube.AnnotationStarts, s.Volume.Starts)
		},
	},
	{
		name: "own state of another peer than the claim knows", when: []condition{state, foreign}, then: WaitOldVolume,
		why: func(s Situation) string {
			return fmt.Sprintf("the volume has the state of peer %s, but claim %s belongs to peer %s: put that one's volume back or, if this is the right one, annotate the claim with %s=%s",
				s.Volume.State.Peer, s.claimName(), s.Claim.Peer, kube.AnnotationPeer, s.Volume.State.Peer)
		},
	},
	{
		name: "own state, drained, and nobody lists it", when: []condition{state, drained, not(listed)}, then: WaitPeers,
		why: func(s Situation) string {
			return fmt.Sprintf("peer %s, whose state is on the volume, was drained and removed: waiting for a majority of the peers to join again", s.Volume.State.Peer)
		},
	},
	{
		name: "own state, and live peers list it", when: []condition{state, listed}, then: Start,
		why: func(s Situation) string {
			return fmt.Sprintf("peer %s starts as it is; its cluster is up", s.Volume.State.Peer)
		},
	},
	{
		name: "own state", when: []condition{state}, then: Start, confirm: true,
		why: func(s Situation) string {
			return fmt.Sprintf("peer %s starts as it is; no other peer was found that knows it", s.Volume.State.Peer)
		},
	},
	{
		name: "no state, live peers count on shards that were here", when: []condition{not(state), live, holderWithShards}, then: WaitLostVolume,
		why: func(s Situation) string {
			return fmt.Sprintf("the volume is empty, and the cluster counts on %d shard replicas of peer %s, which was here: put its volume back, or let shepherd replace it (recovery.replaceLostVolumes; shepherd accept-loss for shards with no other copy)",
				s.HolderShards, s.Holder)
		},
	},
	{
		name: "no state, live peers", when: []condition{not(state), live, joinable}, then: Join,
		why: func(s Situation) string { return "joining the cluster through " + s.Live },
	},
	{
		name: "no state, peers that can't be joined", when: []condition{not(state), answered}, then: WaitPeers,
		why: func(s Situation) string {
			if s.WhyNot != "" {
				return "others answer, but can't be joined now: " + s.WhyNot
			}
			return "others answer, but can't be joined now: they are not of one cluster"
		},
	},
	{
		name: "a founding that was cut short", when: []condition{not(state), not(answered), cutShort, not(othersMarked), first}, then: Found, confirm: true,
		why: func(Situation) string {
			return "founding the cluster once more: the server did not get that far the last time"
		},
	},
	{
		name: "no state on a marked claim, nobody answers", when: []condition{not(state), not(answered), marked}, then: WaitEmptied,
		why: func(s Situation) string {
			return fmt.Sprintf("the volume is empty, but claim %s says that peer %s was on it, and nobody answers: put the volume back, bring the other peers up (if a majority is gone for good, see docs/operations/lost-majority.md), or delete every data claim to start with an empty cluster",
				s.claimName(), peerText(s))
		},
	},
	{
		name: "no state, other claims are marked, nobody answers", when: []condition{not(state), not(answered), othersMarked}, then: WaitPeers,
		why: func(Situation) string {
			return "other claims belong to a cluster, and none of its peers answers: waiting for them; a second cluster is never founded"
		},
	},
	{
		name: "no cluster, first ordinal", when: []condition{not(state), not(answered), not(marked), not(othersMarked), first}, then: Found, confirm: true,
		why: func(Situation) string { return "founding a cluster: no claim belongs to one, and nobody answers" },
	},
	{
		name: "no cluster, other ordinal", when: []condition{not(state), not(answered), not(othersMarked), not(first)}, then: WaitFirst,
		why: func(Situation) string { return "waiting for ordinal 0 to found the cluster" },
	},
}

func not(c condition) condition { return func(s Situation) bool { return !c(s) } }

func corrupt(s Situation) bool          { return s.Corrupt != "" }
func reached(s Situation) bool          { return s.API == Reached }
func awayForLong(s Situation) bool      { return s.API == AwayForLong }
func denied(s Situation) bool           { return s.API == Denied }
func garbled(s Situation) bool          { return s.API == Garbled }
func first(s Situation) bool            { return s.Ordinal == 0 }
func state(s Situation) bool            { return s.Volume.State.Exists }
func marked(s Situation) bool           { return s.Claim.Marked() && !cutShort(s) }
func othersMarked(s Situation) bool     { return s.OthersMarked }
func removed(s Situation) bool          { return s.Removed }
func listed(s Situation) bool           { return s.Listed }
func older(s Situation) bool            { return s.Volume.Starts < s.Claim.Starts }
func drained(s Situation) bool          { return s.Claim.Drained != 0 && s.Claim.Drained == s.Volume.State.Peer }
func answered(s Situation) bool         { return s.Answers > 0 }
func live(s Situation) bool             { return s.Live != "" }
func joinable(s Situation) bool         { return s.Quorum || s.JoinOver }
func holderWithShards(s Situation) bool { return s.Holder != 0 && s.HolderShards > 0 }

func foreign(s Situation) bool {
	return s.Claim.Marked() && s.Claim.Peer != kube.Founding && s.Claim.Peer != s.Volume.State.Peer
}

// cutShort: a founding was announced and never came about. The note on the volume proves that it is the same one and was not emptied,
// and without a state nothing was formed on it.
func cutShort(s Situation) bool {
	return s.Claim.Peer == kube.Founding && s.Volume.Founding && !s.Volume.State.Exists
}

func peerText(s Situation) string {
	if s.Claim.Peer == kube.Founding {
		return "a cluster's first or newest one"
	}
	return s.Claim.Peer.String()
}

// Decide finds the row that fits.
func Decide(s Situation) Decision {
	for _, r := range table {
		if r.fits(s) {
			return r.decision(s)
		}
	}
	// The rows leave nothing open, which a test over all combinations shows.
	return Decision{Verdict: WaitPeers, Why: "no rule fits"}
}

func (r row) fits(s Situation) bool {
	for _, condition := range r.when {
		if !condition(s) {
			return false
		}
	}
	return true
}

func (r row) decision(s Situation) Decision {
	d := Decision{Verdict: r.then, Confirm: r.confirm, Why: r.why(s)}
	switch r.then {
	case WaitLostVolume:
		d.Peer = s.Holder
	default:
		d.Peer = s.Volume.State.Peer
	}
	switch r.then {
	case Found:
		d.URI = s.URI
	case Join:
		d.URI, d.Bootstrap = s.URI, s.Live
	case Start:
		// Another address than the stored one has to be agreed on by a majority; without one the server would not come up.
		d.URI, d.Bootstrap = s.URI, s.Fallback
		if s.Live != "" {
			d.Bootstrap = s.Live
		}
		if s.Volume.State.URI != "" && (!s.Listed || !s.Quorum) {
			d.URI = s.Volume.State.URI
		}
	}
	return d
}
