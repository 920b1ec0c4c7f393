package watch

import (
	"fmt"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/kube"
	"github.com/qdrant-shepherd/shepherd/internal/qdrant"
	"github.com/qdrant-shepherd/shepherd/internal/topology"
)

// Reason is in a word why a stop is released or held; it is the label of the metrics.
type Reason string

// Reasons for a release.
const (
	NotDeleted  Reason = "not_deleted"   // only the container restarts
	Gone        Reason = "gone"          // the release is going away, or asleep
	Unclustered Reason = "not_clustered" // there is nobody to wait for
	NotServing  Reason = "not_serving"   // the server does not answer, so nothing is lost with it
	Drained     Reason = "drained"       // nothing is left on it
	Removed     Reason = "removed"       // it is no peer of the cluster, and has no shards in it
	Permitted   Reason = "permitted"     // the others can do without it for a while
	APIAway     Reason = "api_away"      // as far as can be told without the API server, so can they
	Refused     Reason = "refused"       // the API server refuses to say anything: the account's role went with the release
	MaxWait     Reason = "max_wait"      // it was held for as long as a hold may last
	GraceEnds   Reason = "grace_period"  // it was held for as long as the grace period lets it
)

// Reasons for a hold.
const (
	ForMinHold    Reason = "min_hold"   // clients have yet to hear that it stops
	ForKubernetes Reason = "kubernetes" // the API server, which knows why it stops, does not answer
	ForDrain      Reason = "draining"   // it leaves for good, and still holds shards
	ForShards     Reason = "shards"     // some shard would be without an Active copy
	ForVoters     Reason = "voters"     // the cluster would be without a majority
	ForPermit     Reason = "permit"     // another pod is restarting
)

// Limits bound a hold.
type Limits struct {
	MinHold time.Duration
	MaxWait time.Duration
	Grace   time.Duration
	APIWait time.Duration
}

// StopCase is all that says whether a pod may stop.
type StopCase struct {
	// Held is for how long the stop has been held.
	Held    time.Duration
	Limits  Limits
	Pod     string
	Ordinal int
	Self    Self
	Picture topology.Picture
	// APIAway is for how long the API server has not answered, PermitAway the same of the permit; 0 if they do. StatefulSet, OwnPod
	// and Claim count only if the API server answers.
	APIAway     time.Duration
	PermitAway  time.Duration
	StatefulSet kube.StatefulSet
	OwnPod      kube.Pod
	Claim       kube.Claim
	// Refused says that the API server does answer, and that this pod may ask it nothing.
	Refused bool
	// Permitted says that the pod holds the stop permit.
	Permitted bool
}

// StopVerdict says whether the pod may stop.
type StopVerdict struct {
	Release bool
	// NeedPermit says that nothing but the permit is lacking.
	NeedPermit bool
	Reason     Reason
	Why        string // a sentence
}

// MayStop decides whether a server may be stopped now.
func MayStop(c StopCase) StopVerdict {
	if v, over := c.deadline(); over {
		return v
	}
	if c.APIAway == 0 {
		if v, atOnce := c.atOnce(); atOnce {
			return v
		}
	}
	return c.linger(c.decide())
}

// deadline ends every hold in time for the server to stop in peace. A drain may take all of the grace period: what it can't save goes.
func (c StopCase) deadline() (StopVerdict, bool) {
	grace := max(0, c.Limits.Grace-StopTime)
	switch {
	case c.Held >= c.Limits.MaxWait && c.Limits.MaxWait <= grace && !c.leaves():
		return release(MaxWait, "held for as long as is allowed (%s): stopping, whole or not", c.Limits.MaxWait), true
	case c.Held >= grace:
		return release(GraceEnds, "the grace period ends in %s: stopping, whole or not", c.Limits.Grace-c.Held), true
	default:
		return StopVerdict{}, false
	}
}

// atOnce are the cases in which nobody gains from waiting.
func (c StopCase) atOnce() (StopVerdict, bool) {
	set, pod := c.StatefulSet, c.OwnPod
	switch {
	case set.NamespaceEnding:
		return release(Gone, "the namespace is being deleted"), true
	case set.Gone:
		return release(Gone, "the StatefulSet is gone"), true
	case set.Deleting:
		return release(Gone, "the StatefulSet is being deleted"), true
	case pod.OwnerUID != "" && set.UID != pod.OwnerUID:
		return release(Gone, "another StatefulSet has come in place of the pod's own"), true
	case set.Replicas == 0:
		return release(Gone, "the StatefulSet is at 0 replicas: the data sleeps on its volumes"), true
	case !pod.Deleting:
		return release(NotDeleted, "the pod is not being deleted: only its container restarts"), true
	default:
		return StopVerdict{}, false
	}
}

// linger makes a release wait until clients have heard of it.
func (c StopCase) linger(v StopVerdict) StopVerdict {
	if v.Release && v.Reason != NotServing && c.Held < c.Limits.MinHold {
		return hold(ForMinHold, "answering for %s in all, until proxies and clients have heard that this pod stops; then: %s", c.Limits.MinHold, v.Why)
	}
	return v
}

func (c StopCase) decide() StopVerdict {
	switch {
	case c.Self.Single:
		return release(Unclustered, "the server runs without cluster mode")
	case c.APIAway > 0 && c.APIAway < c.Limits.APIWait:
		return hold(ForKubernetes, "the API server does not answer, so it can't be told why this pod stops; waiting %s for it", c.Limits.APIWait)
	case c.APIAway >= 2*c.Limits.APIWait && c.Refused:
		return release(Refused, "the API server has refused to answer this pod for %s: its role is gone, as when a release or a namespace is deleted", c.APIAway)
	case c.APIAway > 0:
		return c.restart()
	case c.leavesNothing():
		return release(Removed, "no peer of this pod is in the cluster, and none has shards there")
	case c.leaves():
		return c.leave()
	default:
		return c.restart()
	}
}

// leaves says that the pod will not come back, as far as anybody knows.
func (c StopCase) leaves() bool {
	return c.APIAway == 0 && !c.Self.Single && c.Ordinal >= c.StatefulSet.Replicas
}

// peers are the ids that stand for this pod: what its server said, what its claim says and what others know at its address.
func (c StopCase) peers() []qdrant.PeerID {
	var ids []qdrant.PeerID
	if c.Self.Peer != 0 {
		ids = append(ids, c.Self.Peer)
	}
	if c.Claim.Marked() && c.Claim.Peer != kube.Founding {
		ids = append(ids, c.Claim.Peer)
	}
	for _, member := range c.Picture.ByPod(c.Pod) {
		ids = append(ids, member.ID)
	}
	return ids
}

// leavesNothing says that no peer of this pod is a member, and none has shards: it was removed, or never got in. Only a cluster that
// can decide knows that, and only another peer's word counts.
func (c StopCase) leavesNothing() bool {
	if quorum, _ := c.Picture.Quorum(); !quorum {
		return false
	}
	for _, id := range c.peers() {
		if c.Picture.Joined(id) || len(c.Picture.Replicas(id)) > 0 {
			return false
		}
	}
	return true
}

// leave is for a pod that will not come back: it stays until it is drained.
func (c StopCase) leave() StopVerdict {
	peer := c.Self.Peer
	if peer == 0 && c.Claim.Peer != kube.Founding {
		peer = c.Claim.Peer
	}
	if peer != 0 && c.Claim.Drained == peer {
		return release(Drained, "peer %s was drained and removed", peer)
	}
	replicas := 0
	for _, id := range c.peers() {
		replicas = max(replicas, len(c.Picture.Replicas(id)))
	}
	return hold(ForDrain, "the pod leaves for good, and its peer is still in the cluster with %d shard replicas: waiting for shepherd tend to drain and remove it; scaling up to %d turns it round",
		replicas, c.Ordinal+1)
}

// restart is for a pod that will come back: the others must be able to do without it.
func (c StopCase) restart() StopVerdict {
	if c.Self.Silent() {
		return release(NotServing, "the server does not answer, so nothing is lost with it")
	}
	if !c.Picture.Joined(c.Self.Peer) {
		// A picture without the own peer says nothing of its shards, unless it is that of a cluster which it is not in.
		if quorum, _ := c.Picture.Quorum(); quorum && c.Self.Peer != 0 {
			return release(Removed, "peer %s is not in the cluster, so nothing is lost with it", c.Self.Peer)
		}
		return hold(ForShards, "the server has not been seen together with its peers, so it can't be told what would be lost with it")
	}
	if why := c.lastCopy(); why != "" {
		return hold(ForShards, "%s", why)
	}
	if why := c.noMajority(); why != "" {
		return hold(ForVoters, "%s", why)
	}
	away := max(c.APIAway, c.PermitAway)
	switch {
	case c.Permitted:
		return release(Permitted, "every shard has a copy elsewhere, and this pod holds the stop permit")
	case away >= c.Limits.APIWait && away > 0:
		return release(APIAway, "every shard has a copy elsewhere; the stop permit can't be had, because the API server does not answer")
	default:
		v := hold(ForPermit, "waiting for the stop permit")
		v.NeedPermit = true
		return v
	}
}

// lastCopy names a shard that would be without an Active copy. A shard that has one replica by choice is let go.
func (c StopCase) lastCopy() string {
	for _, replica := range c.Picture.Replicas(c.Self.Peer) {
		shard, found := c.Picture.Shard(replica.Collection, replica.Shard)
		if found && len(shard.Replicas) > 1 && !c.Picture.WholeWithout(shard, c.Self.Peer) {
			return fmt.Sprintf("shard %s/%d has no other Active replica on a peer that answers", replica.Collection, replica.Shard)
		}
	}
	return ""
}

// noMajority says why the voters that remain would be too few. Of two voters both are needed, so nothing is gained by waiting.
func (c StopCase) noMajority() string {
	voters, remain := 0, 0
	for _, member := range c.Picture.Members {
		if !c.Picture.Joined(member.ID) || member.Answers && !member.Raft.IsVoter {
			continue
		}
		voters++
		if member.ID != c.Self.Peer && c.Picture.Live(member.ID) {
			remain++
		}
	}
	if voters >= 3 && 2*remain <= voters {
		return fmt.Sprintf("%d of %d voters would remain, which is no majority", remain, voters)
	}
	return ""
}

func release(reason Reason, format string, args ...any) StopVerdict {
	return StopVerdict{Release: true, Reason: reason, Why: fmt.Sprintf(format, args...)}
}

func hold(reason Reason, format string, args ...any) StopVerdict {
	return StopVerdict{Reason: reason, Why: fmt.Sprintf(format, args...)}
}
