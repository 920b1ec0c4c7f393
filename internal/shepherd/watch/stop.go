package watch

import (
	"fmt"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// Reason is in a word why a stop is released or held; it is the label of the metrics.
type Reason string

// Reasons for a release.
const (
	NotDeleted  Reason = "not_deleted"   // only the container restarts
	Gone        Reason = "gone"          // the release is going away, or asleep
	Unclustered Reason = "not_clustered" // there is nobody to wait for
	NotServing  Reason = "not_serving"   // nothing accepts connections, so nothing is lost with the server
	Drained     Reason = "drained"       // nothing is left on it
	Removed     Reason = "removed"       // it is no peer of the cluster, and has no shards in it
	Permitted   Reason = "permitted"     // the others can do without it for a while
	APIAway     Reason = "api_away"      // as far as can be told without the API server, so can they
	Refused     Reason = "refused"       // the API server refuses to say anything: the account's role went with the release
	MaxWait     Reason = "max_wait"      // it was held for as long as a hold may last
	GraceEnds   Reason = "grace_period"  // it was held for as long as the grace period lets it
)

// releases are all reasons for a release.
var releases = []Reason{NotDeleted, Gone, Unclustered, NotServing, Drained, Removed, Permitted, APIAway, Refused, MaxWait, GraceEnds}

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
	// APIAway is for how long the API server has not told what it was asked, PermitAway the same of the permit; 0 if they do. While it is
	// away StatefulSet, OwnPod and Claim are what it said last in this stop; zero if it has said nothing.
	APIAway     time.Duration
	PermitAway  time.Duration
	StatefulSet kube.StatefulSet
	OwnPod      kube.Pod
	Claim       kube.Claim
	// Denied is for how long it has answered each time that this pod may ask it nothing; 0 if it does not now.
	Denied time.Duration
	// Permitted says that the pod holds the stop permit.
	Permitted bool
	// LetGo says that this pod's stop was let go before, when it was being deleted.
	LetGo bool
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
	if c.LetGo && c.Self.Down() {
		// A pod that is deleted once more, with less time: the hook is called again.
		return release(NotServing, "the stop was let go before, and nothing accepts connections any more")
	}
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
	grace := c.grace()
	limit := max(0, grace-StopTime)
	switch {
	case c.Held >= c.Limits.MaxWait && c.Limits.MaxWait <= limit && !c.leaves():
		return release(MaxWait, "held for as long as is allowed (%s): stopping, %s", c.Limits.MaxWait, c.givenUp()), true
	case c.Held >= limit:
		return release(GraceEnds, "the grace period ends in %s: stopping, %s", max(0, grace-c.Held), c.givenUp()), true
	default:
		return StopVerdict{}, false
	}
}

// grace is the time that the pod has to stop. Whoever deletes it can give it less than it asks for.
func (c StopCase) grace() time.Duration {
	if given := c.OwnPod.DeletionGrace; c.OwnPod.Deleting && given > 0 {
		return min(given, c.Limits.Grace)
	}
	return c.Limits.Grace
}

// givenUp says what a stop takes away that is not let go but runs out of time.
func (c StopCase) givenUp() string {
	shards, voters := c.lastCopy(), c.noMajority()
	switch {
	case shards != "" && voters != "":
		return "though " + shards + ", and " + voters
	case shards != "" || voters != "":
		return "though " + shards + voters
	case !c.Picture.Joined(c.Self.Peer):
		return "whole or not: the server has not been seen together with its peers"
	default:
		return "though it still waits; each of its shards has an Active replica elsewhere"
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
	if v.Release && !c.Self.Down() && c.Held < c.Limits.MinHold {
		return hold(ForMinHold, "answering for %s in all, until proxies and clients have heard that this pod stops; then: %s", c.Limits.MinHold, v.Why)
	}
	return v
}

func (c StopCase) decide() StopVerdict {
	switch {
	case c.Self.Single:
		return release(Unclustered, "the server runs without cluster mode")
	case c.Denied > 0 && c.Denied >= 2*c.Limits.APIWait:
		return release(Refused, "the API server has refused to answer this pod for %s: its role is gone, as when a release or a namespace is deleted", c.Denied.Round(time.Second))
	case c.leavesNothing() && (c.APIAway == 0 || c.leaves()):
		return release(Removed, "no peer of this pod is in the cluster, and none has shards there")
	case c.leaves():
		return c.leave()
	case c.APIAway > 0 && c.APIAway < c.Limits.APIWait:
		return hold(ForKubernetes, "the API server does not answer, so it can't be told why this pod stops; waiting %s for it", c.Limits.APIWait)
	default:
		return c.restart()
	}
}

// leaves says that the pod will not come back, as far as anybody knows: an API server that is away takes nothing back. Each StatefulSet
// has a UID, so one without has not been seen.
func (c StopCase) leaves() bool {
	return c.StatefulSet.UID != "" && !c.Self.Single && c.Ordinal >= c.StatefulSet.Replicas
}

// peers are the ids that stand for this pod: what its server said, what its claim says and what others know at its address.
func (c StopCase) peers() []clusterapi.PeerID {
	var ids []clusterapi.PeerID
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
	if c.Self.Down() {
		return release(NotServing, "nothing accepts connections, so nothing is lost with the server")
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
	switch {
	case c.Permitted:
		return release(Permitted, "every shard has a copy elsewhere, and this pod holds the stop permit")
	// The permit was asked for and can't be had. Each ordinal has its own moment, so that all do not go at the same look: whoever comes
	// next sees that the one before is down.
	case c.PermitAway > 0 && max(c.APIAway, c.PermitAway) >= c.Limits.APIWait*time.Duration(1+c.Ordinal):
		return release(APIAway, "every shard has a copy elsewhere; the stop permit can't be had, because the API server does not answer")
	default:
		v := hold(ForPermit, "waiting for the stop permit")
		v.NeedPermit = true
		return v
	}
}

// lastCopy names the shards that would be without an Active copy. Of a pod that comes back, a shard that has one replica by choice is
// let go.
func (c StopCase) lastCopy() string {
	joined := 0
	for _, member := range c.Picture.Members {
		if c.Picture.Joined(member.ID) {
			joined++
		}
	}
	var last []string
	for _, collection := range c.Picture.Collections {
		for _, shard := range collection.Shards {
			_, here := shard.On(c.Self.Peer)
			several := c.leaves() || min(collection.ReplicationFactor, joined) > 1 || len(shard.Replicas) > 1
			if here && several && !c.Picture.WholeWithout(shard, c.Self.Peer) {
				last = append(last, fmt.Sprintf("%s/%d", collection.Name, shard.ID))
			}
		}
	}
	switch len(last) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("shard %s has no other Active replica on a peer that answers", last[0])
	default:
		return fmt.Sprintf("%d shards have no other Active replica on a peer that answers: %s", len(last), some(last))
	}
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
