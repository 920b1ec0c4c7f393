package tend

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/qdranttest"
	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/start"
)

// withData is a release of n pods with a collection of 10 shards with two copies each.
func withData(t *testing.T, n int, options qdranttest.Options) *fixture {
	w := newFixture(t, n, options)
	w.cluster.CreateCollection("c", 10, 2)
	for shard := range 10 {
		w.cluster.SetPoints("c", uint32(shard), 100, 1000)
	}
	return w
}

func TestDrain(t *testing.T) {
	t.Parallel()
	inBubble(t, "two pods at once", func(t *testing.T) {
		w := withData(t, 5, qdranttest.Options{TransferSteps: 3})
		leavers := []clusterapi.PeerID{w.id(3), w.id(4)}
		w.run(w.options())
		w.scale(3)
		w.eventually("both claims are marked as drained", func() bool {
			return w.claim(3).Drained == leavers[0] && w.claim(4).Drained == leavers[1]
		})
		assert.True(t, w.whole("c", 10, 2, 3))
		assert.Len(t, w.cluster.Members(), 3)
		require.NotEmpty(t, w.cluster.Changes())
		for _, change := range w.cluster.Changes() {
			assert.NotContains(t, change.Path, "force")
			assert.NotContains(t, change.Body, "drop_replica", "each replica was moved, none dropped")
		}
		w.eventually("it is told", func() bool { return w.told("DrainFinished: drained peer 1005 (q-4) of 4 replicas in") })
		assert.True(t, w.told("DrainStarted: draining peer 1004 (q-3)"))
		assert.Contains(t, w.logged(), "left=1 of=4")
		assert.InDelta(t, 2, w.metric("drains_total", finished), 0)
		assert.InDelta(t, 8, w.metric("moves_total", "move_shard", "drain", finished), 0)
		assert.InDelta(t, 800, w.metric("points_moved_total"), 0)
		assert.InDelta(t, 8000, w.metric("bytes_moved_total"), 0)
	})
	inBubble(t, "never more transfers than the limit", func(t *testing.T) {
		for _, limit := range []int{1, 2} {
			w := withData(t, 4, qdranttest.Options{TransferSteps: 5})
			options := w.options()
			options.Settings.Limit = limit
			w.run(options)
			w.scale(2)
			most := 0
			w.eventually("drained", func() bool {
				most = max(most, len(w.cluster.Transfers()))
				return w.claim(2).Drained != 0 && w.claim(3).Drained != 0
			})
			assert.Equal(t, limit, most, "as many as may be, and no more")
			assert.True(t, w.whole("c", 10, 2, 2))
		}
	})
	inBubble(t, "turned round in the middle", func(t *testing.T) {
		w := withData(t, 5, qdranttest.Options{TransferSteps: 20})
		w.run(w.options())
		w.scale(3)
		w.eventually("a replica has moved", func() bool { return w.metric("moves_total", "move_shard", "drain", finished) >= 1 })
		w.scale(5)
		w.eventually("it is told", func() bool { return w.told("DrainTurnedRound") })
		w.eventually("all are even again", func() bool {
			for ordinal := range 5 {
				if len(w.picture().Replicas(w.id(ordinal))) != 4 {
					return false
				}
			}
			return w.whole("c", 10, 2, 5)
		})
		assert.Len(t, w.cluster.Members(), 5)
		assert.Zero(t, w.claim(3).Drained)
		assert.Zero(t, w.claim(4).Drained)
	})
	inBubble(t, "with a single copy of everything", func(t *testing.T) {
		w := newFixture(t, 3, qdranttest.Options{})
		w.cluster.CreateCollection("single", 6, 1)
		w.run(w.options())
		w.scale(1)
		w.eventually("drained", func() bool { return w.claim(1).Drained != 0 && w.claim(2).Drained != 0 })
		assert.True(t, w.whole("single", 6, 1, 1))
		assert.Len(t, w.cluster.Members(), 1)
	})
	inBubble(t, "fewer peers than copies", func(t *testing.T) {
		w := withData(t, 3, qdranttest.Options{})
		w.run(w.options())
		w.scale(1)
		w.eventually("drained", func() bool { return w.claim(1).Drained != 0 && w.claim(2).Drained != 0 })
		assert.True(t, w.whole("c", 10, 1, 1))
	})
	inBubble(t, "the only copy is on a pod that is gone: it stays, and the claim is not marked", func(t *testing.T) {
		w := newFixture(t, 4, qdranttest.Options{})
		w.cluster.Place("c", 0, 3)
		w.cluster.Server(3).Stop()
		w.edit(func() { delete(w.pods, 3) })
		w.run(w.options())
		w.scale(3)
		w.eventually("it is told", func() bool { return w.told("DrainBlocked: shard c/0 has its only copy on peer 1004 (q-3)") })
		w.calm()
		assert.Empty(t, w.cluster.Changes())
		assert.Zero(t, w.claim(3).Drained)
		assert.InDelta(t, 1, w.metric("blocked", DrainBlocked), 0)
		assert.InDelta(t, 1, w.metric("peers_without_pod"), 0)
		w.eventually("the drain has failed", func() bool {
			return w.told("DrainFailed: the pod of peer 1004 (q-3) is gone, and 1 of 1 replicas are left on its volume: c/0; scaling up to 4 brings them back")
		})
		assert.InDelta(t, 1, w.metric("drains_total", failed), 0)
		assert.InDelta(t, 0, w.metric("drains_total", finished), 0)
		assert.Equal(t, 1, strings.Count(w.logged(), "has its only copy"), "it is said once")

		require.NoError(t, w.cluster.Server(3).Start())
		w.appear(w.cluster.Server(3))
		w.eventually("it is drained once it is back", func() bool { return w.claim(3).Drained != 0 })
		w.eventually("that is another drain", func() bool { return w.metric("drains_total", finished) == 1 })
		assert.InDelta(t, 2, w.metric("drains_total", started), 0)
		assert.InDelta(t, 1, w.metric("drains_total", failed), 0)
		assert.True(t, w.whole("c", 1, 1, 3))
	})
	inBubble(t, "thirty small shards take no three seconds each", func(t *testing.T) {
		w := newFixture(t, 3, qdranttest.Options{})
		w.cluster.CreateCollection("many", 30, 2)
		options := w.options()
		options.Interval, options.Fast = 3*time.Second, 10*time.Millisecond
		options.Confirm = 1
		w.run(options)
		w.scale(2)
		begun := time.Now()
		w.eventually("drained", func() bool { return w.claim(2).Drained != 0 })
		assert.Less(t, time.Since(begun), 15*time.Second, "a look at each interval would take a minute and a half")
	})
}

func TestKilledAtAnyPoint(t *testing.T) {
	t.Parallel()
	for seed := range 6 {
		inBubble(t, fmt.Sprintf("after %d changes each", seed+1), func(t *testing.T) {
			w := withData(t, 5, qdranttest.Options{TransferSteps: 4})
			leavers := []clusterapi.PeerID{w.id(3), w.id(4)}
			w.scale(3)
			for range 8 {
				options := w.options()
				options.Registerer = prometheus.NewRegistry()
				stop := w.run(options)
				before := len(w.cluster.Changes())
				w.eventually("some changes", func() bool {
					return len(w.cluster.Changes()) >= before+seed+1 || w.claim(3).Drained != 0 && w.claim(4).Drained != 0
				})
				stop()
			}
			w.run(w.options())
			w.eventually("drained all the same", func() bool {
				return w.claim(3).Drained == leavers[0] && w.claim(4).Drained == leavers[1]
			})
			assert.True(t, w.whole("c", 10, 2, 3))
			assert.Len(t, w.cluster.Members(), 3)
			w.calm()
			assert.Empty(t, w.cluster.Transfers())
		})
	}
}

func TestRebalance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := withData(t, 3, qdranttest.Options{TransferSteps: 2})
		w.run(w.options())
		w.calm()
		assert.Empty(t, w.cluster.Changes(), "what is even is left alone")
		w.edit(func() { w.set.Replicas, w.set.Updating = 5, true })
		for range 2 {
			w.appear(w.cluster.Add())
		}
		w.calm()
		assert.Empty(t, w.cluster.Changes(), "nothing is evened out during a rollout")
		w.edit(func() { w.set.Updating = false })
		w.eventually("the new peers own their part", func() bool { return w.told("RebalanceFinished: rebalanced: 8 moves, 8000 bytes") })
		assert.True(t, w.whole("c", 10, 2, 5))
		for ordinal := range 5 {
			assert.Len(t, w.picture().Replicas(w.id(ordinal)), 4, "replicas of q-%d", ordinal)
		}
		assert.InDelta(t, 1, w.metric("rebalances_total", finished), 0)
		assert.True(t, w.told("RebalanceStarted"))
	})
}

func TestRepair(t *testing.T) {
	t.Parallel()
	inBubble(t, "what is missing to the replication factor", func(t *testing.T) {
		w := withData(t, 3, qdranttest.Options{})
		w.cluster.SetReplicationFactor("c", 3)
		w.run(w.options())
		w.eventually("three copies of each", func() bool { return w.whole("c", 10, 3, 3) })
		w.eventually("all are counted", func() bool { return w.metric("moves_total", "replicate_shard", "repair", finished) == 10 })
		w.eventually("none is missing", func() bool { return w.metric("replicas_missing", "c") == 0 })
		w.eventually("guard is told", func() bool {
			return w.kept(KeyWhole) == "true" && w.kept(KeyMinReplicas) == "3"
		})
	})
	inBubble(t, "not of a pod that is only away", func(t *testing.T) {
		w := withData(t, 3, qdranttest.Options{})
		w.cluster.Server(2).Stop()
		w.edit(func() { pod := w.pods[2]; pod.Ready = false; w.pods[2] = pod })
		w.run(w.options())
		w.calm()
		assert.Empty(t, w.cluster.Changes())
	})
	inBubble(t, "a transfer that fails is tried again, later each time", func(t *testing.T) {
		w := newFixture(t, 3, qdranttest.Options{NoHealing: true})
		w.cluster.Place("c", 0, 2)
		w.cluster.FailTransfers(3)
		w.run(w.options())
		w.scale(2)
		w.eventually("drained", func() bool { return w.claim(2).Drained != 0 })
		assert.InDelta(t, 3, w.metric("moves_total", "move_shard", "drain", failed), 0)
		assert.InDelta(t, 1, w.metric("moves_total", "move_shard", "drain", finished), 0)
		assert.True(t, w.whole("c", 1, 1, 2))
	})
}

// loseVolume empties a server's volume, and has its pod wait as a start does.
func (w *fixture) loseVolume(ordinal int) (lost clusterapi.PeerID) {
	lost = w.id(ordinal)
	s := w.cluster.Server(ordinal)
	s.Stop()
	s.LoseVolume()
	verdict := start.Decision{Verdict: start.WaitLostVolume, Peer: lost, Why: "the volume is empty"}
	w.edit(func() {
		pod, claim := w.pods[ordinal], w.claims[ordinal]
		pod.Starting, pod.Ready = true, false
		claim.Verdict, claim.Peer = verdict.Annotation(), 0
		w.pods[ordinal], w.claims[ordinal] = pod, claim
	})
	return lost
}

func TestLostVolume(t *testing.T) {
	t.Parallel()
	inBubble(t, "waits for a person by default", func(t *testing.T) {
		w := withData(t, 3, qdranttest.Options{})
		w.loseVolume(2)
		w.run(w.options())
		w.eventually("it is told", func() bool { return w.told("LostVolume: peer 1003 (q-2) lost its volume, and its pod waits") })
		w.calm()
		assert.Empty(t, w.cluster.Changes())
	})
	inBubble(t, "heals when it may, pod 0 as well", func(t *testing.T) {
		for _, ordinal := range []int{0, 2} {
			w := withData(t, 3, qdranttest.Options{})
			lost := w.loseVolume(ordinal)
			options := w.options()
			options.Settings.ReplaceLostVolumes = true
			w.run(options)
			w.eventually("the lost peer is forgotten", func() bool { return len(w.cluster.Members()) == 2 })
			require.NoError(t, w.cluster.Server(ordinal).Start())
			w.edit(func() {
				pod, claim := w.pods[ordinal], w.claims[ordinal]
				pod.Starting, pod.Ready, claim.Verdict = false, true, ""
				w.pods[ordinal], w.claims[ordinal] = pod, claim
			})
			w.eventually("the new peer owns its part", func() bool {
				held := len(w.picture().Replicas(w.id(ordinal)))
				return w.whole("c", 10, 2, 3) && (held == 6 || held == 7) && len(w.cluster.Transfers()) == 0
			})
			w.eventually("its claim is marked", func() bool { return w.claim(ordinal).Peer == w.id(ordinal) })
			assert.NotEqual(t, lost, w.id(ordinal))
		}
	})
	inBubble(t, "the only copies need a person, who then is obeyed once", func(t *testing.T) {
		w := withData(t, 3, qdranttest.Options{})
		w.cluster.Place("single", 0, 2)
		w.cluster.Place("single", 1, 0)
		w.loseVolume(2)
		options := w.options()
		options.Settings.ReplaceLostVolumes = true
		w.run(options)
		w.eventually("it is told", func() bool { return w.told("shepherd accept-loss single/0") })
		w.calm()
		assert.Empty(t, w.cluster.Changes())

		w.edit(func() { w.state[KeyAcceptLoss] = "single/0\n" })
		w.eventually("the lost peer is forgotten", func() bool { return len(w.cluster.Members()) == 2 })
		w.eventually("an empty copy has taken over", func() bool { return w.whole("single", 2, 1, 2) && w.whole("c", 10, 2, 2) })
		w.eventually("the acceptance is taken away", func() bool {
			return w.kept(KeyAcceptLoss) == ""
		})
	})
	inBubble(t, "two volumes of three: no quorum, nothing is touched", func(t *testing.T) {
		w := withData(t, 3, qdranttest.Options{})
		w.loseVolume(1)
		w.loseVolume(2)
		options := w.options()
		options.Settings.ReplaceLostVolumes = true
		w.run(options)
		w.eventually("it is said", func() bool { return strings.Contains(w.logged(), "nothing is changed: 1 of 3 voters answer") })
		w.calm()
		assert.Empty(t, w.cluster.Changes())
	})
}

func TestMidMove(t *testing.T) {
	t.Parallel()
	for _, end := range []struct {
		name    string
		ordinal int
	}{{"the target goes away", 0}, {"the source goes away", 3}} {
		inBubble(t, end.name, func(t *testing.T) {
			w := newFixture(t, 4, qdranttest.Options{TransferSteps: 1 << 20})
			w.cluster.Place("c", 0, 3)
			w.edit(func() { // only q-0 is a target
				for ordinal := 1; ordinal <= 2; ordinal++ {
					pod := w.pods[ordinal]
					pod.Ready = false
					w.pods[ordinal] = pod
				}
			})
			options := w.options()
			options.Stuck = 50 * time.Millisecond
			w.run(options)
			w.scale(3)
			w.eventually("the move is under way", func() bool { return len(w.cluster.Transfers()) == 1 })
			w.cluster.Server(end.ordinal).Stop()
			w.eventually("the transfer is ended", func() bool { return len(w.cluster.Transfers()) == 0 })
			w.calm()
			assert.Equal(t, "Active", w.cluster.States("c", 0)[3], "the copy stays where it was")
			w.cluster.SetTransferSteps(2)
			require.NoError(t, w.cluster.Server(end.ordinal).Start())
			w.eventually("drained once it is back", func() bool { return w.claim(3).Drained != 0 })
			assert.True(t, w.whole("c", 1, 1, 3))
		})
	}
}

func TestNothingIsChanged(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		change func(w *fixture, o *Options)
		log    string
	}{
		{"while paused", func(w *fixture, _ *Options) { w.set.Paused = true }, "paused by the annotation"},
		{"in a dry run", func(_ *fixture, o *Options) { o.DryRun = true }, "would be done"},
		{"by a process that leads no more", func(_ *fixture, o *Options) { o.Leading = func() bool { return false } }, "another process leads"},
		{"when the server is too old", func(w *fixture, _ *Options) { w.cluster.Server(1).SetVersion("1.15.5") }, "oldest that is supported"},
		{"with the wrong key", func(w *fixture, _ *Options) {
			for _, s := range w.cluster.Servers() {
				s.SetAPIKey("secret")
			}
		}, "a server refuses the API key"},
		{"without Kubernetes", func(w *fixture, _ *Options) { w.away = errors.New("connection refused") }, "connection refused"},
		{"at replicas: 0", func(w *fixture, _ *Options) { w.set.Replicas = 0 }, "the StatefulSet is scaled to 0"},
		{"when the StatefulSet is gone", func(w *fixture, _ *Options) { w.set = kube.StatefulSet{Gone: true} }, "there is no StatefulSet"},
		{"when the StatefulSet is being deleted", func(w *fixture, _ *Options) { w.set.Deleting = true }, "is being deleted"},
		{"when the namespace ends", func(w *fixture, _ *Options) { w.set.NamespaceEnding = true }, "namespace is being deleted"},
		{"without a quorum", func(w *fixture, _ *Options) {
			w.cluster.Server(0).Stop()
			w.cluster.Server(1).Stop()
			w.cluster.Server(2).Stop()
		}, "which is no majority"},
	}
	for _, c := range cases {
		inBubble(t, c.name, func(t *testing.T) {
			w := withData(t, 5, qdranttest.Options{})
			w.cluster.SetReplicationFactor("c", 3)
			w.set.Replicas = 3
			options := w.options()
			c.change(w, &options)
			w.run(options)
			w.eventually("it says why", func() bool { return strings.Contains(w.logged(), c.log) })
			w.calm()
			assert.Empty(t, w.cluster.Changes())
			assert.Equal(t, kube.Claim{Name: "qdrant-storage-q-4", Ordinal: 4, Peer: 1005}, w.claim(4))
			if options.DryRun {
				assert.False(t, w.told(""), "no Event")
				assert.Equal(t, "3", w.kept(KeyMinReplicas), "guard goes by it all the same")
				assert.Empty(t, w.kept(KeyAcceptLoss))
			}
			assert.LessOrEqual(t, strings.Count(w.logged(), c.log), 30, "no line for each look")
		})
	}
}

// lateKubernetes tells of a scale in that is over by the time that a change is about to be made.
type lateKubernetes struct {
	counted
	changing atomic.Bool
}

func (k *lateKubernetes) StatefulSet(ctx context.Context) (kube.StatefulSet, error) {
	set, err := k.counted.StatefulSet(ctx)
	if !k.changing.Swap(false) {
		set.Replicas = 2
	}
	return set, err
}

func TestAScaleInTheLastMomentIsSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t, 3, qdranttest.Options{})
		w.cluster.CreateCollection("c", 3, 1)
		late := &lateKubernetes{counted: counted{w}}
		options := w.options()
		options.Kubernetes = late
		options.Leading = func() bool { late.changing.Store(true); return true }
		w.run(options)
		w.eventually("it is said", func() bool { return strings.Contains(w.logged(), "the StatefulSet has changed") })
		w.calm()
		assert.Empty(t, w.cluster.Changes())
		assert.Equal(t, 1, strings.Count(w.logged(), "the StatefulSet has changed"))
	})
}

// fickleKubernetes has the replica count go to and fro, the same for two looks in a row at most.
type fickleKubernetes struct{ counted }

func (k fickleKubernetes) StatefulSet(ctx context.Context) (kube.StatefulSet, error) {
	set, err := k.counted.StatefulSet(ctx)
	set.Replicas = 2 + k.looked()/2%2
	return set, err
}

func TestWhatIsNotSeenThreeTimesIsNotActedOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t, 3, qdranttest.Options{})
		w.cluster.CreateCollection("c", 3, 1)
		fickle := fickleKubernetes{counted{w}}
		options := w.options()
		options.Kubernetes = fickle
		options.Settings.Strategy = plan.None
		w.run(options)
		w.eventually("many looks", func() bool { return w.looked() > 40 })
		assert.InDelta(t, 0, w.metric("drains_total", started), 0, "nor is a drain told of")
		assert.Empty(t, w.cluster.Changes())
	})
}

func TestDisagreement(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := withData(t, 5, qdranttest.Options{})
		w.cluster.SetReplicationFactor("c", 2)
		release := w.cluster.Server(1).Freeze()
		w.cluster.SetState("c", 0, firstHolder(w, 0), "Dead")
		w.scale(4)
		options := w.options()
		options.Settings.Limit = 2 // one is taken by the server's own attempt to heal the shard
		w.run(options)
		w.calm()
		require.NotEmpty(t, w.cluster.Changes(), "the others are drained")
		for _, change := range w.cluster.Changes() {
			assert.NotContains(t, change.Body, `"shard_id":0,`, "the shard that peers disagree on is not touched")
		}
		release()
		w.eventually("drained", func() bool { return w.claim(4).Drained != 0 })
		w.eventually("whole", func() bool { return w.whole("c", 10, 2, 4) })
	})
}

func firstHolder(w *fixture, shard uint32) int {
	return slices.Min(slices.Collect(maps.Keys(w.cluster.States("c", shard))))
}

func TestAPodWhosePeerWasRemovedStartsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t, 4, qdranttest.Options{})
		w.cluster.CreateCollection("c", 3, 1)
		stop := w.run(w.options())
		w.scale(3)
		w.eventually("drained", func() bool { return w.claim(3).Drained != 0 })
		stop()
		w.scale(4)
		options := w.options()
		options.Registerer = prometheus.NewRegistry()
		w.run(options)
		w.eventually("its pod is deleted", func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			_, there := w.pods[3]
			return !there
		})
		assert.True(t, w.told("PodRestarted: deleting pod q-3, so that it starts anew: peer 1004 was removed from the cluster"))
	})
}

func TestARemovedPeerThatWasNotToldStartsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t, 3, qdranttest.Options{})
		w.cluster.CreateCollection("c", 2, 1)
		w.cluster.Place("c", 0, 0)
		w.cluster.Place("c", 1, 1)
		w.cluster.MissRemovals(true)
		require.NoError(t, w.peer("q-0").RemovePeer(t.Context(), w.id(2)))
		options := w.options()
		options.Settings.Strategy = plan.None
		// The peer takes the leader away at every other step, so that every other look sees none.
		options.Interval = 11 * stepEvery
		w.run(options)
		w.eventually("its pod is deleted", func() bool {
			return w.told("PodRestarted: deleting pod q-2, so that it starts anew: peer 1003 was removed from the cluster")
		})
	})
}

// TestAPeerThatFlapsHoldsUpNothingElse: it answers at every other look only, and another peer is drained all the same.
func TestAPeerThatFlapsHoldsUpNothingElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(t, 4, qdranttest.Options{})
		w.cluster.CreateCollection("c", 8, 1)
		leaver := w.id(3)
		options := w.options()
		flaps := 0
		options.Peer = func(pod string) Peer {
			if pod == "q-2" && w.looked()%2 == 0 {
				flaps++
				return nobody{}
			}
			return w.peer(pod)
		}
		w.scale(3)
		stop := w.run(options)
		w.eventually("drained", func() bool { return w.claim(3).Drained == leaver })
		stop()
		assert.Greater(t, flaps, 3)
		assert.True(t, w.whole("c", 8, 1, 3))
	})
}

func TestFirstMarks(t *testing.T) {
	t.Parallel()
	adopt := func(w *fixture) {
		w.edit(func() {
			for ordinal, claim := range w.claims {
				claim.Peer = 0
				w.claims[ordinal] = claim
			}
		})
	}
	marked := func(w *fixture) int {
		count := 0
		for ordinal := range 3 {
			if w.claim(ordinal).Peer == w.id(ordinal) {
				count++
			}
		}
		return count
	}
	inBubble(t, "once all pods run, and while paused too", func(t *testing.T) {
		w := newFixture(t, 3, qdranttest.Options{})
		adopt(w)
		w.edit(func() { w.set.Paused = true })
		w.cluster.Server(2).Stop()
		w.run(w.options())
		w.eventually("it is said", func() bool { return strings.Contains(w.logged(), "paused by the annotation") })
		w.calm()
		assert.Zero(t, marked(w))
		require.NoError(t, w.cluster.Server(2).Start())
		w.eventually("all are marked", func() bool { return marked(w) == 3 })
		assert.Empty(t, w.cluster.Changes())
	})
	inBubble(t, "not in a dry run", func(t *testing.T) {
		w := newFixture(t, 3, qdranttest.Options{})
		adopt(w)
		options := w.options()
		options.DryRun = true
		w.run(options)
		w.eventually("it is said", func() bool { return strings.Contains(w.logged(), "marking claim qdrant-storage-q-0 as peer 1001's") })
		w.calm()
		assert.Zero(t, marked(w))
	})
}

func TestAnAnswerThatTheConsensusDidNotComeToIsNoFailure(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 3, qdranttest.Options{})
	for _, server := range w.cluster.Servers() {
		server.Fail("DELETE", "/cluster/peer", 500, "Waiting for consensus operation commit failed. Timeout set at: 10 seconds")
	}
	l, err := newLoop(w.options())
	require.NoError(t, err)
	l.facts.StatefulSet = w.set
	p := w.picture()
	l.pods = map[clusterapi.PeerID]string{w.id(0): "q-0", w.id(1): "q-1", w.id(2): "q-2"}
	m := plan.Move{Kind: plan.RemovePeer, From: w.id(2), Why: plan.WhyForget}
	assert.True(t, l.start(t.Context(), p, m))
	require.Len(t, l.ongoing, 1)
	p.At = time.Now().Add(unseenFor)
	l.settle(t.Context(), p)
	assert.Empty(t, l.ongoing, "it is soon tried again")
	assert.True(t, l.retries.waits(subject(m), time.Now()))
	for _, result := range []string{started, finished, failed} {
		assert.InDelta(t, 0, w.metric("moves_total", "remove_peer", "forget", result), 0, result)
	}
}

func TestSeriesOfMovesBeginAtZero(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 1, qdranttest.Options{})
	_, err := newLoop(w.options())
	require.NoError(t, err)
	for _, kind := range plan.Kinds() {
		assert.NotEmpty(t, kind.Whys(), kind)
		for _, why := range kind.Whys() {
			for _, result := range []string{started, finished, failed} {
				assert.InDelta(t, 0, w.metric("moves_total", string(kind), why, result), 0, "%s %s %s", kind, why, result)
			}
		}
	}
	assert.InDelta(t, 0, w.metric("moves_total", string(plan.Abandon), plan.WhyLost, failed), 0)
	assert.InDelta(t, 0, w.metric("drains_total", failed), 0)
}
