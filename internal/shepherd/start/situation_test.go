package start

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// lists are the ordinals that each pod lists that answers; pod q-0 has the peer 1000, and so on. The first that answers leads.
type lists map[int][]int

func (l lists) picture() topology.Picture {
	leader, views := -1, []topology.View{}
	for ordinal := range 9 {
		listed, answers := l[ordinal]
		if !answers {
			continue
		}
		if leader < 0 {
			leader = ordinal
		}
		view := topology.View{Pod: fmt.Sprintf("q-%d", ordinal), Ordinal: ordinal}
		view.Cluster = clusterapi.Cluster{
			Enabled: true, PeerID: peerAt(ordinal), Consensus: clusterapi.Consensus{Status: "working"},
			Raft: clusterapi.Raft{Term: 3, Leader: peerAt(leader), IsVoter: true},
		}
		for _, at := range listed {
			view.Cluster.Peers = append(view.Cluster.Peers, clusterapi.Peer{ID: peerAt(at), URI: fmt.Sprintf("http://q-%d.q-headless:6335/", at)})
		}
		view.State = clusterapi.State{PeerID: peerAt(ordinal), Version: "1.18.3"}
		views = append(views, view)
	}
	return topology.Draw(time.Unix(0, 0), views)
}

func peerAt(ordinal int) clusterapi.PeerID { return clusterapi.PeerID(1000 + ordinal) }

// TestReturningPeers: whether a state is still a member's is for the cluster to say, whatever size the StatefulSet has by now.
func TestReturningPeers(t *testing.T) {
	t.Parallel()
	marked := func(ordinals ...int) (claims []kube.Claim) {
		for _, ordinal := range ordinals {
			claims = append(claims, kube.Claim{Ordinal: ordinal, Peer: peerAt(ordinal)})
		}
		return claims
	}
	for _, c := range []struct {
		name     string
		ordinal  int
		replicas int
		drained  bool
		known    []int // that the state on the volume knows
		claims   []kube.Claim
		others   lists
		want     Verdict
	}{
		{name: "3 to 1 to 3, drained, pod 1", ordinal: 1, replicas: 3, drained: true, known: []int{0, 1}, claims: marked(0, 2), others: lists{0: {0}}, want: SetAside},
		{name: "3 to 1 to 3, drained, pod 2", ordinal: 2, replicas: 3, drained: true, known: []int{0, 1, 2}, claims: marked(0, 1), others: lists{0: {0}}, want: SetAside},
		{name: "3 to 1 to 3, the mark was never made", ordinal: 2, replicas: 3, known: []int{0, 1, 2}, claims: marked(0, 1), others: lists{0: {0}}, want: SetAside},
		{name: "3 to 1 to 3, another peer that was removed runs and does not know of it", ordinal: 2, replicas: 3, drained: true, claims: marked(0, 1), others: lists{0: {0}, 1: {0, 1}}, want: SetAside},
		{name: "5 to 3 to 5", ordinal: 4, replicas: 5, drained: true, claims: marked(0, 1, 2, 3), others: lists{0: {0, 1, 2}, 1: {0, 1, 2}, 2: {0, 1, 2}}, want: SetAside},
		{name: "5 to 3 to 5, one is down", ordinal: 4, replicas: 5, drained: true, claims: marked(0, 1, 2, 3), others: lists{0: {0, 1, 2}, 2: {0, 1, 2}}, want: SetAside},
		{name: "5 to 3 to 5, most are down", ordinal: 4, replicas: 5, drained: true, claims: marked(0, 1, 2, 3), others: lists{0: {0, 1, 2}}, want: WaitPeers},
		{name: "a member that lags behind still lists it", ordinal: 3, replicas: 4, claims: marked(0, 1, 2), others: lists{0: {0, 1, 2}, 1: {0, 1, 2}, 2: {0, 1, 2, 3}}, want: SetAside},
		{name: "drained, nobody answers", ordinal: 2, replicas: 3, drained: true, claims: marked(0, 1), want: WaitPeers},
		{name: "a restart", ordinal: 2, replicas: 3, claims: marked(0, 1), others: lists{0: {0, 1, 2}, 1: {0, 1, 2}}, want: Start},
		{name: "a restart, one answers", ordinal: 2, replicas: 3, claims: marked(0, 1), others: lists{0: {0, 1, 2}}, want: Start},
		{name: "drained, and made a member again by hand", ordinal: 2, replicas: 3, drained: true, claims: marked(0, 1), others: lists{0: {0, 1, 2}, 1: {0, 1, 2}}, want: Start},
		// Pod 7 stands for a peer that nobody knows: somebody emptied the volume of pod 0 and ran a server on it by hand.
		{name: "a second cluster removes nobody from the first", ordinal: 1, replicas: 3, known: []int{0, 1, 2}, claims: marked(0, 2), others: lists{7: {7}}, want: Start},
		{name: "all the others were replaced since", ordinal: 1, replicas: 3, known: []int{0, 1, 2}, claims: marked(0, 7), others: lists{7: {7}}, want: SetAside},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			own := kube.Claim{Ordinal: c.ordinal, Peer: peerAt(c.ordinal)}
			if c.drained {
				own.Drained = own.Peer
			}
			state := State{Exists: true, Peer: own.Peer, Known: map[clusterapi.PeerID]string{}}
			for _, ordinal := range c.known {
				state.Known[peerAt(ordinal)] = ""
			}
			d := Decide(Assess(Facts{
				Ordinal: c.ordinal, Pod: fmt.Sprintf("q-%d", c.ordinal), URI: fmt.Sprintf("http://q-%d.q-headless:6335", c.ordinal), Fallback: "http://q-0.q-headless:6335",
				Volume: Volume{State: state}, StatefulSet: kube.StatefulSet{Replicas: c.replicas}, Claims: append(c.claims, own), Picture: c.others.picture(),
			}))
			assert.Equal(t, c.want, d.Verdict, d.Why)
		})
	}
}

func TestAnUnreadableClaimOfAnotherMayBeMarked(t *testing.T) {
	t.Parallel()
	f := Facts{Unreadable: []error{errors.New("no peer id")}}
	assert.Equal(t, WaitPeers, Decide(Assess(f)).Verdict, "nothing is founded")
	f.Volume.State = State{Exists: true, Peer: own}
	assert.Equal(t, WaitOldVolume, Decide(Assess(f)).Verdict)
	f.Claims = []kube.Claim{{Peer: own}}
	assert.Equal(t, Start, Decide(Assess(f)).Verdict, "it is no matter of a peer whose own claim is in order")
}
