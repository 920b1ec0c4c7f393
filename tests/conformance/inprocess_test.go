package conformance

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/qdranttest"
	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

// ask is a client of the server of an ordinal.
func ask(c *qdranttest.Cluster, ordinal int) *clusterapi.Client {
	return clusterapi.New(c.Server(ordinal).URL(), "")
}

func id(c *qdranttest.Cluster, ordinal int) clusterapi.PeerID {
	return clusterapi.PeerID(c.Server(ordinal).ID())
}

// refused is the status of an answer that is no success.
func refused(t *testing.T, err error) int {
	t.Helper()
	var answer *clusterapi.Error
	require.ErrorAs(t, err, &answer)
	return answer.Status
}

func TestACopyTakesTheStepsItWasGiven(t *testing.T) {
	t.Parallel()
	c := qdranttest.Start(t, 3, qdranttest.Options{TransferSteps: 4})
	c.Place("words", 0, 0)
	c.SetPoints("words", 0, 100, 4000)
	client := ask(c, 0)

	require.NoError(t, client.ReplicateShard(t.Context(), "words", 0, id(c, 0), id(c, 2), ""))
	var seen []string
	for range 4 {
		seen = append(seen, c.States("words", 0)[2])
		c.Step()
	}

	assert.Equal(t, []string{"Recovery", "Recovery", "Recovery", "Partial"}, seen)
	assert.Equal(t, map[int]string{0: "Active", 2: "Active"}, c.States("words", 0))
	assert.Empty(t, c.Transfers())
	state, err := ask(c, 2).State(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []clusterapi.Replica{
		{Peer: id(c, 0), State: clusterapi.Active},
		{Peer: id(c, 2), State: clusterapi.Active, Points: 100, Bytes: 4000, Local: true},
	}, state.Collections[0].Replicas)
}

func TestTransfersThatEndBadly(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		move  bool
		spoil func(*testing.T, *qdranttest.Cluster)
		want  map[int]string
	}{
		{"a replication that fails leaves a Dead replica", false, func(_ *testing.T, c *qdranttest.Cluster) { c.FailTransfers(1); c.Step(); c.Step() }, map[int]string{0: "Active", 1: "Dead"}},
		{"a move that fails leaves nothing", true, func(_ *testing.T, c *qdranttest.Cluster) { c.FailTransfers(1); c.Step(); c.Step() }, map[int]string{0: "Active"}},
		{"the target is gone", true, func(_ *testing.T, c *qdranttest.Cluster) { c.Server(1).Stop(); c.Step() }, map[int]string{0: "Active"}},
		{"the source is gone, and nothing happens until it is back", false, func(t *testing.T, c *qdranttest.Cluster) {
			c.Server(0).Stop()
			c.Step()
			assert.Len(t, c.Transfers(), 1)
		}, map[int]string{0: "Active", 1: "Recovery"}},
		{"the source's next process aborts it", false, func(t *testing.T, c *qdranttest.Cluster) {
			c.Server(0).Stop()
			require.NoError(t, c.Server(0).Start())
			c.Step()
		}, map[int]string{0: "Active", 1: "Dead"}},
		{"no majority, no progress", false, func(_ *testing.T, c *qdranttest.Cluster) {
			c.Server(1).Stop()
			c.Server(2).Stop()
			assert.False(t, c.Settle())
		}, map[int]string{0: "Active", 1: "Recovery"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := qdranttest.Start(t, 3, qdranttest.Options{TransferSteps: 2, NoHealing: true})
			c.Place("words", 0, 0)
			begin := ask(c, 0).ReplicateShard
			if test.move {
				begin = ask(c, 0).MoveShard
			}
			require.NoError(t, begin(t.Context(), "words", 0, id(c, 0), id(c, 1), ""))

			test.spoil(t, c)

			assert.Equal(t, test.want, c.States("words", 0))
		})
	}
}

func TestDeadReplicasHealOneAtATime(t *testing.T) {
	t.Parallel()
	c := qdranttest.Start(t, 2, qdranttest.Options{})
	for shard := range uint32(2) {
		c.Place("words", shard, 0, 1)
		c.SetState("words", shard, 1, "Dead")
	}

	c.Step()
	assert.Len(t, c.Transfers(), 1)
	assert.True(t, c.Settle())

	for shard := range uint32(2) {
		assert.Equal(t, map[int]string{0: "Active", 1: "Active"}, c.States("words", shard))
	}
}

func TestLeaders(t *testing.T) {
	t.Parallel()
	c := qdranttest.Start(t, 3, qdranttest.Options{})
	leader := func(ordinal int) (clusterapi.PeerID, string) {
		view, err := ask(c, ordinal).Cluster(t.Context())
		require.NoError(t, err)
		return view.Raft.Leader, view.Raft.Role
	}

	c.Server(0).Stop()
	named, role := leader(2)
	assert.Equal(t, id(c, 1), named, "the others elect another")
	assert.Equal(t, "Follower", role)

	c.Server(1).Stop()
	named, role = leader(2)
	assert.Zero(t, named, "one of three knows no leader")
	assert.Equal(t, "Candidate", role)
	assert.Equal(t, http.StatusInternalServerError, refused(t, ask(c, 2).RemovePeer(t.Context(), id(c, 0))))

	require.NoError(t, c.Server(0).Start())
	named, _ = leader(2)
	assert.Equal(t, id(c, 0), named)
}

func TestIsolatedLeaderGoesOnNamingItself(t *testing.T) {
	t.Parallel()
	c := qdranttest.Start(t, 3, qdranttest.Options{})
	reconnect := c.Server(0).Isolate()
	c.CreateCollection("words", 1, 3)

	alone, err := ask(c, 0).Cluster(t.Context())
	require.NoError(t, err)
	others, err := ask(c, 1).Cluster(t.Context())
	require.NoError(t, err)
	assert.Equal(t, id(c, 0), alone.Raft.Leader)
	assert.Len(t, alone.MessageSendFailures, 2)
	assert.Equal(t, id(c, 1), others.Raft.Leader)
	assert.Greater(t, others.Raft.Term, alone.Raft.Term)
	names, err := ask(c, 0).Collections(t.Context())
	require.NoError(t, err)
	assert.Empty(t, names, "it does not see what was agreed on without it")

	reconnect()
	alone, err = ask(c, 0).Cluster(t.Context())
	require.NoError(t, err)
	assert.Equal(t, id(c, 1), alone.Raft.Leader)
}

func TestFrozenServerIsBehind(t *testing.T) {
	t.Parallel()
	c := qdranttest.Start(t, 3, qdranttest.Options{})
	c.Place("words", 0, 0, 1)
	thaw := c.Server(2).Freeze()

	require.NoError(t, ask(c, 0).DropReplica(t.Context(), "words", 0, id(c, 1)))
	view, err := ask(c, 2).CollectionCluster(t.Context(), "words")
	require.NoError(t, err)
	assert.Len(t, view.Replicas, 2)

	err = ask(c, 2).MoveShard(t.Context(), "words", 0, id(c, 0), id(c, 1), "")
	assert.Equal(t, http.StatusInternalServerError, refused(t, err))
	assert.Len(t, c.Transfers(), 1, "it was agreed on nevertheless")

	thaw()
	view, err = ask(c, 2).CollectionCluster(t.Context(), "words")
	require.NoError(t, err)
	assert.Len(t, view.Transfers, 1)
}

func TestRemovedWhileFrozenIsSeenLater(t *testing.T) {
	t.Parallel()
	c := qdranttest.Start(t, 3, qdranttest.Options{})
	thaw := c.Server(2).Freeze()
	require.NoError(t, ask(c, 0).RemovePeer(t.Context(), id(c, 2)))
	view, err := ask(c, 2).Cluster(t.Context())
	require.NoError(t, err)
	assert.True(t, view.Consensus.Working())

	thaw()

	view, err = ask(c, 2).Cluster(t.Context())
	require.NoError(t, err)
	assert.False(t, view.Consensus.Working())
	assert.Len(t, view.Peers, 1)
}

func TestRemovedPeerThatDoesNotKnowDisturbsTheOthers(t *testing.T) {
	t.Parallel()
	c := qdranttest.Start(t, 3, qdranttest.Options{})
	c.MissRemovals(true)
	require.NoError(t, ask(c, 0).RemovePeer(t.Context(), id(c, 2)))
	view := func(ordinal int) clusterapi.Cluster {
		view, err := ask(c, ordinal).Cluster(t.Context())
		require.NoError(t, err)
		return view
	}

	lost := view(2)
	assert.True(t, lost.Consensus.Working())
	assert.Len(t, lost.Peers, 3)
	assert.Equal(t, "Candidate", lost.Raft.Role)
	term := view(0).Raft.Term
	c.Step()
	assert.Zero(t, view(0).Raft.Leader)
	assert.Equal(t, http.StatusInternalServerError, refused(t, ask(c, 0).RemovePeer(t.Context(), id(c, 1))))
	c.Step()
	assert.NotZero(t, view(0).Raft.Leader)
	assert.Greater(t, view(0).Raft.Term, term)

	c.Server(2).Stop()
	c.Step()
	assert.NotZero(t, view(0).Raft.Leader)
	assert.Len(t, view(0).Peers, 2)
}

func TestServersThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	c := qdranttest.Start(t, 3, qdranttest.Options{APIKey: "sesame"})
	client := clusterapi.New(c.Server(1).URL(), "sesame")

	_, err := ask(c, 1).Cluster(t.Context())
	assert.Equal(t, http.StatusUnauthorized, refused(t, err), "no key")
	_, err = client.Cluster(t.Context())
	require.NoError(t, err)

	release := c.Server(1).Hang()
	impatient, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = client.Cluster(impatient)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	release()
	_, err = client.Cluster(t.Context())
	require.NoError(t, err)

	release = c.Server(1).Fail("GET", "/telemetry", http.StatusInternalServerError, "disk on fire")
	_, err = client.State(t.Context())
	require.ErrorContains(t, err, "disk on fire")
	_, err = client.Cluster(t.Context())
	require.NoError(t, err)
	release()
	_, err = client.State(t.Context())
	require.NoError(t, err)

	url := c.Server(1).URL()
	c.Server(1).Stop()
	_, err = client.Cluster(t.Context())
	require.Error(t, err)
	require.NotErrorAs(t, err, new(*clusterapi.Error), "a server that is gone answers nothing")
	require.NoError(t, c.Server(1).Start())
	assert.Equal(t, url, c.Server(1).URL())
	_, err = client.Cluster(t.Context())
	require.NoError(t, err)
}

func TestReadyIsForGood(t *testing.T) {
	t.Parallel()
	c := qdranttest.Start(t, 2, qdranttest.Options{NoHealing: true})
	c.Place("words", 0, 0, 1)
	c.SetState("words", 0, 1, "Dead")
	require.NoError(t, ask(c, 1).Ready(t.Context()), "it was healthy when it started")

	c.Server(1).Stop()
	require.NoError(t, c.Server(1).Start())
	assert.Equal(t, http.StatusServiceUnavailable, refused(t, ask(c, 1).Ready(t.Context())))
	c.SetState("words", 0, 1, "Active")
	require.NoError(t, ask(c, 1).Ready(t.Context()))
	c.SetState("words", 0, 1, "Dead")
	require.NoError(t, ask(c, 1).Ready(t.Context()))
}

func TestRequestsAreKept(t *testing.T) {
	t.Parallel()
	c := qdranttest.Start(t, 2, qdranttest.Options{})
	_, err := ask(c, 0).Cluster(t.Context())
	require.NoError(t, err)
	require.NoError(t, ask(c, 1).RemovePeer(t.Context(), 7))

	assert.Len(t, c.Requests(), 2)
	assert.Equal(t, []qdranttest.Request{{Server: 1, Method: "DELETE", Path: "/cluster/peer/7", Status: 200}}, c.Changes())
}

// The clock of a bubble moves only when all in it wait for it, so this also shows that Client needs no network.
func TestStepsThatTimeTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := qdranttest.Start(t, 2, qdranttest.Options{TransferSteps: 10, StepEvery: time.Minute})
		c.Place("words", 0, 0)
		client := clusterapi.NewWithHTTP("http://q-0", "", c.Server(0).Client())
		require.NoError(t, client.MoveShard(t.Context(), "words", 0, id(c, 0), id(c, 1), ""))

		<-time.After(9 * time.Minute)
		assert.Len(t, c.Transfers(), 1)
		<-time.After(time.Minute)
		assert.Empty(t, c.Transfers())
		assert.Equal(t, map[int]string{1: "Active"}, c.States("words", 0))

		hung := c.Server(0).Hang()
		defer hung()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := client.Cluster(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		c.Server(1).Stop()
		_, err = clusterapi.NewWithHTTP("http://q-1", "", c.Server(1).Client()).Cluster(t.Context())
		require.ErrorContains(t, err, "connection refused")
	})
}

func TestAClusterWithoutATest(t *testing.T) {
	t.Parallel()
	cluster, err := qdranttest.New(2, qdranttest.Options{})
	require.NoError(t, err)
	client := clusterapi.New(cluster.Server(0).URL(), "")
	require.NoError(t, client.Ready(t.Context()))
	assert.Len(t, cluster.Members(), 2)
	assert.Nil(t, cluster.Server(7))
	cluster.SetPoints("words", 0, 1, 1)
	err = cluster.Close()
	require.ErrorContains(t, err, "there is no server 7")
	require.ErrorContains(t, err, "setting the points of words/0: no such shard")
	require.Error(t, client.Ready(t.Context()), "its servers have ended")
	require.Error(t, cluster.Close(), "a second Close returns the same")
}
