package tend

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/start"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// scene is a cluster of peers 101, 102, … in pods q-0, q-1, …, all well, with shard c/0 on the first two.
type scene struct {
	f        Facts
	views    []topology.View
	replicas map[string][]clusterapi.Replica // of shard 0, by collection
	factor   int
}

func wellScene(n int) *scene {
	s := &scene{f: Facts{StatefulSet: kube.StatefulSet{UID: "set", Replicas: n}}, factor: 2, replicas: map[string][]clusterapi.Replica{}}
	var peers []clusterapi.Peer
	for ordinal := range n {
		peers = append(peers, clusterapi.Peer{ID: clusterapi.PeerID(101 + ordinal), URI: fmt.Sprintf("http://q-%d.q-headless:6335", ordinal)})
	}
	for ordinal := range n {
		pod := fmt.Sprintf("q-%d", ordinal)
		s.f.Pods = append(s.f.Pods, kube.Pod{Name: pod, UID: pod, Ordinal: ordinal, Ready: true, Created: now.Add(-time.Hour)})
		s.f.Claims = append(s.f.Claims, kube.Claim{Name: "qdrant-storage-" + pod, Ordinal: ordinal, Peer: peers[ordinal].ID})
		s.views = append(s.views, topology.View{Pod: pod, Ordinal: ordinal, Cluster: clusterapi.Cluster{
			Enabled: true, PeerID: peers[ordinal].ID, Peers: slices.Clone(peers), Raft: clusterapi.Raft{Term: 1, Leader: 101, IsVoter: true},
			Consensus: clusterapi.Consensus{Status: "working"},
		}})
	}
	s.hold("c", 101, 102)
	return s
}

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// hold has the peers hold shard 0 of a collection, Active.
func (s *scene) hold(collection string, peers ...clusterapi.PeerID) {
	s.replicas[collection] = nil
	for _, peer := range peers {
		s.replicas[collection] = append(s.replicas[collection], clusterapi.Replica{Peer: peer, State: clusterapi.Active})
	}
}

// silence has the server of an ordinal not answer.
func (s *scene) silence(ordinal int) { s.views[ordinal].Err = errNobody }

// forget takes a peer out of all lists but its own, and stops its consensus.
func (s *scene) forget(id clusterapi.PeerID) {
	for i := range s.views {
		cluster := &s.views[i].Cluster
		if cluster.PeerID == id {
			cluster.Consensus.Status = "stopped"
			cluster.Peers = slices.DeleteFunc(cluster.Peers, func(p clusterapi.Peer) bool { return p.ID != id })
			continue
		}
		cluster.Peers = slices.DeleteFunc(cluster.Peers, func(p clusterapi.Peer) bool { return p.ID == id })
	}
}

// forgetUntold takes a peer out of all lists but its own, and has it go on as if it had not been.
func (s *scene) forgetUntold(id clusterapi.PeerID) {
	before := slices.Clone(s.views[0].Cluster.Peers)
	s.forget(id)
	for i := range s.views {
		if cluster := &s.views[i].Cluster; cluster.PeerID == id {
			cluster.Consensus.Status, cluster.Peers = "working", before
		}
	}
}

// loseVolume has the pod of an ordinal wait for what becomes of its peer.
func (s *scene) loseVolume(ordinal int) {
	s.silence(ordinal)
	s.f.Pods[ordinal].Starting, s.f.Pods[ordinal].Ready = true, false
	s.f.Claims[ordinal].Verdict = start.Decision{Verdict: start.WaitLostVolume, Peer: clusterapi.PeerID(101 + ordinal), Why: "empty"}.Annotation()
}

func (s *scene) picture() topology.Picture {
	for i := range s.views {
		state := clusterapi.State{PeerID: s.views[i].Cluster.PeerID, Version: "1.18.3", Started: now}
		for name, replicas := range s.replicas {
			state.Collections = append(state.Collections, clusterapi.CollectionState{Name: name, ReplicationFactor: s.factor, Shards: []clusterapi.ShardID{0}, Replicas: replicas})
		}
		slices.SortFunc(state.Collections, func(a, b clusterapi.CollectionState) int { return strings.Compare(a.Name, b.Name) })
		if s.views[i].State.Version == "" {
			s.views[i].State = state
		}
	}
	return topology.Draw(now, s.views)
}

func peers(ids ...clusterapi.PeerID) map[clusterapi.PeerID]bool {
	set := map[clusterapi.PeerID]bool{}
	for _, id := range ids {
		set[id] = true
	}
	return set
}

func TestGoales(t *testing.T) {
	t.Parallel()
	replace := Settings{Strategy: plan.Count, ReplaceLostVolumes: true}
	cases := []struct {
		name                  string
		change                func(s *scene)
		settings              Settings
		leaving, lost, target map[clusterapi.PeerID]bool
		strategy              plan.Strategy
		repair                bool
		notes                 []string
	}{
		{
			name: "all is well", target: peers(101, 102, 103), strategy: plan.Count, repair: true,
		},
		{
			name: "a peer above the replica count leaves", change: func(s *scene) { s.f.StatefulSet.Replicas = 2 },
			leaving: peers(103), target: peers(101, 102), strategy: plan.Count, repair: true,
		},
		{
			name: "nobody leaves at replicas: 0", change: func(s *scene) { s.f.StatefulSet.Replicas = 0 }, strategy: plan.None,
		},
		{
			name: "nobody leaves when the StatefulSet is gone", strategy: plan.None,
			change: func(s *scene) { s.f.StatefulSet = kube.StatefulSet{Gone: true} },
		},
		{
			name: "nobody leaves when the StatefulSet is being deleted", strategy: plan.None,
			change: func(s *scene) { s.f.StatefulSet.Replicas, s.f.StatefulSet.Deleting = 2, true },
		},
		{
			name: "nobody leaves when the namespace ends", strategy: plan.None,
			change: func(s *scene) { s.f.StatefulSet.Replicas, s.f.StatefulSet.NamespaceEnding = 2, true },
		},
		{
			name: "a rollout is no time to even things out", strategy: plan.None, repair: true, target: peers(101, 102, 103),
			change: func(s *scene) { s.f.StatefulSet.Updating = true },
		},
		{
			name: "a pod that is not Ready is no target, nor is it lost", strategy: plan.None, repair: true, target: peers(101, 102),
			change: func(s *scene) { s.f.Pods[2].Ready = false },
		},
		{
			name: "a pod that is being deleted is no target", strategy: plan.None, repair: true, target: peers(101, 102),
			change: func(s *scene) { s.f.Pods[2].Deleting = true },
		},
		{
			name: "a wanted peer that does not answer is waited for", strategy: plan.Count, repair: true, target: peers(101, 102),
			settings: replace, change: func(s *scene) { s.silence(2) },
		},
		{
			name: "a lost volume waits unless told otherwise", strategy: plan.None, repair: true, target: peers(101, 103),
			change: func(s *scene) { s.loseVolume(1) },
			notes:  []string{"LostVolume: peer 102 (q-1) lost its volume, and its pod waits: bring the volume back, or set recovery.replaceLostVolumes to have the peer replaced"},
		},
		{
			name: "a lost volume is replaced", strategy: plan.None, repair: true, settings: replace, lost: peers(102), target: peers(101, 103),
			change: func(s *scene) { s.loseVolume(1) },
			notes:  []string{"LostVolume: peer 102 (q-1) lost its volume and is being replaced"},
		},
		{
			name: "not when it is about another peer", strategy: plan.None, repair: true, settings: replace, target: peers(101, 103),
			change: func(s *scene) {
				s.loseVolume(1)
				s.f.Claims[1].Verdict = start.Decision{Verdict: start.WaitLostVolume, Peer: 999, Why: "empty"}.Annotation()
			},
		},
		{
			name: "not when the pod waits for something else", strategy: plan.None, repair: true, settings: replace, target: peers(101, 103),
			change: func(s *scene) {
				s.loseVolume(1)
				s.f.Claims[1].Verdict = start.Decision{Verdict: start.WaitOldVolume, Peer: 102, Why: "the volume is an old copy"}.Annotation()
			},
			notes: []string{"PodWaits: pod q-1 waits: the volume is an old copy"},
		},
		{
			name: "not by a verdict that is out of date", strategy: plan.None, repair: true, settings: replace, target: peers(101, 103),
			change: func(s *scene) { s.loseVolume(1); s.f.Pods[1].Starting = false },
		},
		{
			name: "not when the peer answers", strategy: plan.None, repair: true, settings: replace, target: peers(101, 103),
			change: func(s *scene) { s.loseVolume(1); s.views[1].Err = nil },
		},
		{
			name: "not the only copy", strategy: plan.None, repair: true, settings: replace, target: peers(101, 103),
			change: func(s *scene) { s.hold("c", 102); s.loseVolume(1) },
			notes: []string{"LostVolume: peer 102 (q-1) lost its volume, and no other peer that answers has an Active copy of c/0: " +
				"bring the volume or those peers back, or give the shards up with shepherd accept-loss c/0"},
		},
		{
			name: "not when the other copy does not answer", strategy: plan.None, repair: true, settings: replace, target: peers(103, 104, 105),
			change: func(s *scene) { *s = *wellScene(5); s.loseVolume(1); s.silence(0); s.f.Pods[0].Ready = false },
			notes: []string{"LostVolume: peer 102 (q-1) lost its volume, and no other peer that answers has an Active copy of c/0: " +
				"bring the volume or those peers back, or give the shards up with shepherd accept-loss c/0"},
		},
		{
			name: "the only copy, if it is given up", strategy: plan.None, repair: true, settings: replace, lost: peers(102), target: peers(101, 103),
			change: func(s *scene) {
				s.hold("c", 102)
				s.loseVolume(1)
				s.f.GivenUp = map[plan.ShardName]bool{{Collection: "c"}: true}
			},
			notes: []string{"LostVolume: peer 102 (q-1) lost its volume and is being replaced"},
		},
		{
			name: "a lost volume of a peer that leaves", strategy: plan.Count, repair: true, settings: replace, leaving: peers(103), target: peers(101, 102),
			change: func(s *scene) { s.loseVolume(2); s.f.StatefulSet.Replicas = 2 },
		},
		{
			name: "a peer elsewhere is told of, and stays", strategy: plan.Count, repair: true, target: peers(101, 102, 103),
			change: func(s *scene) {
				for i := range s.views {
					s.views[i].Cluster.Peers = append(s.views[i].Cluster.Peers, clusterapi.Peer{ID: 900, URI: "http://elsewhere:6335"})
				}
			},
			notes: []string{"PeerWithoutPod: peer 900 at http://elsewhere:6335 is no pod of the StatefulSet, does not answer and has 0 replicas"},
		},
		{
			name: "lines that are no shard", strategy: plan.Count, repair: true, target: peers(101, 102, 103),
			change: func(s *scene) { s.f.Unread = []string{"c"} },
			notes:  []string{"AcceptLossUnread: acceptLoss has lines that are no COLLECTION/SHARD: c"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := wellScene(3)
			if c.change != nil {
				c.change(s)
			}
			if c.settings.Strategy == "" {
				c.settings.Strategy = plan.Count
			}
			w, _, notes := Goals(s.f, s.picture(), c.settings)
			assert.Equal(t, orEmpty(c.leaving), w.Leaving, "leaving")
			assert.Equal(t, orEmpty(c.lost), w.Lost, "lost")
			assert.Equal(t, orEmpty(c.target), w.Targets, "targets")
			assert.Equal(t, c.strategy, w.Strategy)
			assert.Equal(t, c.repair, w.Repair)
			var told []string
			for _, note := range notes {
				told = append(told, note.Reason+": "+note.Text)
			}
			assert.Equal(t, c.notes, told)
		})
	}
}

func orEmpty(set map[clusterapi.PeerID]bool) map[clusterapi.PeerID]bool {
	if set == nil {
		return map[clusterapi.PeerID]bool{}
	}
	return set
}

func TestZones(t *testing.T) {
	t.Parallel()
	s := wellScene(3)
	s.f.Pods[0].Zone, s.f.Pods[2].Zone = "a", "b"
	w, _, _ := Goals(s.f, s.picture(), Settings{})
	assert.Equal(t, map[clusterapi.PeerID]string{101: "a", 103: "b"}, w.Zones)
}

func TestTasks(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		change func(s *scene)
		want   []string
	}{
		{name: "none while all is well"},
		{
			name: "a live peer's claim is marked", change: func(s *scene) { s.f.Claims[1].Peer = 0 },
			want: []string{"marking claim qdrant-storage-q-1 as peer 102's"},
		},
		{
			name:   "the first marks are made together",
			change: func(s *scene) { s.f.Claims[0].Peer, s.f.Claims[1].Peer, s.f.Claims[2].Peer = 0, 0, 0 },
			want: []string{
				"marking claim qdrant-storage-q-0 as peer 101's", "marking claim qdrant-storage-q-1 as peer 102's", "marking claim qdrant-storage-q-2 as peer 103's",
			},
		},
		{name: "none while a peer is away, whose pod would start unmarked", change: func(s *scene) {
			s.f.Claims[0].Peer, s.f.Claims[1].Peer, s.f.Claims[2].Peer = 0, 0, 0
			s.silence(2)
		}},
		{name: "none while a pod is about to restart", change: func(s *scene) { s.f.Claims[1].Peer = 0; s.f.Pods[2].Deleting = true }},
		{name: "none while a pod starts", change: func(s *scene) { s.f.Claims[1].Peer = 0; s.f.Pods[2].Starting = true }},
		{name: "none while a pod is missing", change: func(s *scene) { s.f.Claims[1].Peer = 0; s.f.StatefulSet.Replicas = 4 }},
		{name: "none while a claim is missing", change: func(s *scene) { s.f.Claims[1].Peer = 0; s.f.Claims = s.f.Claims[:2] }},
		{name: "none while a peer that leaves is away", change: func(s *scene) { s.f.Claims[1].Peer = 0; s.f.StatefulSet.Replicas = 2; s.silence(2) }},
		{
			name: "a new mark for a known claim waits for nobody", change: func(s *scene) { s.f.Claims[0].Peer = kube.Founding; s.silence(2) },
			want: []string{"marking claim qdrant-storage-q-0 as peer 101's"},
		},
		{
			name: "so is one that a founder has marked", change: func(s *scene) { s.f.Claims[0].Peer = kube.Founding },
			want: []string{"marking claim qdrant-storage-q-0 as peer 101's"},
		},
		{
			name: "and one with a mark that nobody knows", change: func(s *scene) { s.f.Claims[1].Peer = 555 },
			want: []string{"marking claim qdrant-storage-q-1 as peer 102's"},
		},
		{name: "not one with the mark of another member", change: func(s *scene) { s.f.Claims[1].Peer = 103 }},
		{name: "not of a peer that does not answer", change: func(s *scene) { s.f.Claims[1].Peer = 0; s.silence(1) }},
		{name: "nothing without a quorum", change: func(s *scene) { s.f.Claims[0].Peer = 0; s.silence(1); s.silence(2) }},
		{
			name: "a drained peer's claim", change: func(s *scene) { s.f.StatefulSet.Replicas = 2; s.forget(103) },
			want: []string{"marking claim qdrant-storage-q-2 as drained of peer 103"},
		},
		{
			name: "also when its pod is gone", change: func(s *scene) {
				s.f.StatefulSet.Replicas = 2
				s.forget(103)
				s.silence(2)
				s.f.Pods = s.f.Pods[:2]
			},
			want: []string{"marking claim qdrant-storage-q-2 as drained of peer 103"},
		},
		{name: "not before it is removed", change: func(s *scene) { s.f.StatefulSet.Replicas = 2 }},
		{
			name: "not while one peer still lists it",
			change: func(s *scene) {
				s.f.StatefulSet.Replicas = 2
				kept := slices.Clone(s.views[1].Cluster.Peers)
				s.forget(103)
				s.views[1].Cluster.Peers = kept
			},
		},
		{name: "not twice", change: func(s *scene) { s.f.StatefulSet.Replicas = 2; s.forget(103); s.f.Claims[2].Drained = 103 }},
		{name: "not while a replica is said to be on it", change: func(s *scene) { s.f.StatefulSet.Replicas = 2; s.forget(103); s.hold("c", 101, 103) }},
		{
			name: "a pod whose peer was removed starts anew", change: func(s *scene) { s.forget(103) },
			want: []string{"deleting pod q-2, so that it starts anew: peer 103 was removed from the cluster"},
		},
		{name: "not without the mark", change: func(s *scene) { s.forget(103); s.f.Claims[2].Peer = 0 }},
		{
			name: "also when it was not told, and goes on", change: func(s *scene) { s.forgetUntold(103) },
			want: []string{"deleting pod q-2, so that it starts anew: peer 103 was removed from the cluster"},
		},
		{name: "not one that is on another claim", change: func(s *scene) { s.forgetUntold(103); s.f.Claims[2].Peer = 102 }},
		{name: "not while one peer still lists it", change: func(s *scene) {
			kept := slices.Clone(s.views[1].Cluster.Peers)
			s.forgetUntold(103)
			s.views[1].Cluster.Peers = kept
		}},
		{
			name: "a claim of a peer that leaves and was not told of its removal", change: func(s *scene) { s.f.StatefulSet.Replicas = 2; s.forgetUntold(103) },
			want: []string{"marking claim qdrant-storage-q-2 as drained of peer 103"},
		},
		{name: "not when it is on its way out", change: func(s *scene) { s.forget(103); s.f.Pods[2].Deleting = true }},
		{
			name: "one pod at a time", change: func(s *scene) { *s = *wellScene(5); s.forget(104); s.forget(105) },
			want: []string{"deleting pod q-3, so that it starts anew: peer 104 was removed from the cluster"},
		},
		{
			name:   "a pod that crash-loops starts anew",
			change: func(s *scene) { s.silence(2); s.f.Pods[2].Crashing, s.f.Pods[2].Restarts = true, 3 },
			want:   []string{"deleting pod q-2, so that it starts anew: its server has ended 3 times"},
		},
		{
			name: "not after its first failures", change: func(s *scene) { s.silence(2); s.f.Pods[2].Crashing, s.f.Pods[2].Restarts = true, 2 },
		},
		{
			name: "nor soon again",
			change: func(s *scene) {
				s.silence(2)
				s.f.Pods[2].Crashing, s.f.Pods[2].Restarts, s.f.Pods[2].Created = true, 9, now.Add(-time.Minute)
			},
		},
		{
			name: "an accepted loss that is settled", change: func(s *scene) {
				s.f.GivenUp = map[plan.ShardName]bool{{Collection: "c"}: true, {Collection: "gone"}: true}
			},
			want: []string{"taking shards off the accepted losses, because they are whole or gone: [c/0 gone/0]"},
		},
		{
			name: "not one that still counts",
			change: func(s *scene) {
				s.hold("c", 103)
				s.silence(2)
				s.f.GivenUp = map[plan.ShardName]bool{{Collection: "c"}: true}
			},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := wellScene(3)
			if c.change != nil {
				c.change(s)
			}
			_, tasks, _ := Goals(s.f, s.picture(), Settings{})
			var texts []string
			for _, task := range tasks {
				texts = append(texts, task.Text)
			}
			assert.Equal(t, c.want, texts)
		})
	}
}

func TestAForcedRemovalMarksNothing(t *testing.T) {
	t.Parallel()
	s := wellScene(3)
	s.f.StatefulSet.Replicas = 2
	s.forget(103)
	s.hold("c") // its last copy went with the peer
	s.f.GivenUp = map[plan.ShardName]bool{{Collection: "c"}: true}
	p := s.picture()
	assert.Empty(t, tasks(s.f, p), "neither a drained claim nor a settled loss")
	guard := Guarding(p)
	assert.False(t, guard.Whole)
	assert.Contains(t, guard.Reason, "shards are not whole: shard c/0 has no replica on any peer")
	o := Next(s.f, p, Settings{Strategy: plan.Count})
	assert.Contains(t, o.Notes, Note{Blocked, "shard c/0 has 0 of 2 copies, and none is Active on a peer that answers", true})
}

func TestLosses(t *testing.T) {
	t.Parallel()
	shards, unread := ParseLosses(" c/0 \n\na/b/12\nc\n/3\nc/-1\nc/x\n")
	assert.Equal(t, map[plan.ShardName]bool{{Collection: "c"}: true, {Collection: "a/b", Shard: 12}: true}, shards)
	assert.Equal(t, []string{"c", "/3", "c/-1", "c/x"}, unread)
	assert.Equal(t, "c\nother/1\n", withoutLosses("c/0\nc\nother/1\n", map[plan.ShardName]bool{{Collection: "c"}: true}))
	rapid.Check(t, func(t *rapid.T) {
		shards := rapid.MapOf(rapid.Custom(func(t *rapid.T) plan.ShardName {
			return plan.ShardName{
				Collection: rapid.StringMatching(`[a-z/.-]{1,8}`).Draw(t, "collection"), Shard: clusterapi.ShardID(rapid.Uint32().Draw(t, "shard")),
			}
		}), rapid.Just(true)).Draw(t, "shards")
		again, unread := ParseLosses(strings.Join(shardNames(shards), "\n"))
		assert.Equal(t, shards, again)
		assert.Empty(t, unread)
	})
}

func TestGuarding(t *testing.T) {
	t.Parallel()
	s := wellScene(3)
	assert.Equal(t, Guard{2, true, "collection c has a replication factor of 2, which needs as many peers"}, Guarding(s.picture()))
	s = wellScene(3)
	s.factor = 1
	assert.Equal(t, Guard{1, true, "one peer is enough for what the collections ask for"}, Guarding(s.picture()))
	s = wellScene(3)
	s.silence(1)
	assert.Equal(t, Guard{2, false, "shards are not whole: shard c/0 has a replica on peer 102 (q-1), which does not answer"}, Guarding(s.picture()))
	s = wellScene(3)
	s.silence(1)
	s.silence(2)
	guard := Guarding(s.picture())
	assert.False(t, guard.Whole)
	assert.Contains(t, guard.Reason, "the cluster cannot decide: ")
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	b := newBackoff(time.Second, 5*time.Second)
	assert.False(t, b.waits("a", now))
	var waits []time.Duration
	for range 5 {
		waits = append(waits, b.failed("a", now))
	}
	assert.Equal(t, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second}, waits)
	assert.True(t, b.waits("a", now.Add(5*time.Second-1)))
	assert.False(t, b.waits("a", now.Add(5*time.Second)))
	assert.False(t, b.waits("b", now))
	b.worked("a")
	assert.Equal(t, time.Second, b.failed("a", now))
	b.keep(map[string]bool{})
	assert.False(t, b.waits("a", now))
}
