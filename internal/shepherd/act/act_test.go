package act_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/qdranttest"
	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/act"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// actor is one that reaches the servers of the cluster by their pods' names.
func actor(c *qdranttest.Cluster) *act.Actor {
	return &act.Actor{
		Cluster: func(m topology.Member) act.Cluster { return clusterapi.New(c.Server(m.Ordinal).URL(), "") },
		Look:    func(ctx context.Context) topology.Picture { return observe(ctx, c) },
	}
}

func look(t *testing.T, c *qdranttest.Cluster) topology.Picture {
	t.Helper()
	return observe(t.Context(), c)
}

func observe(ctx context.Context, c *qdranttest.Cluster) topology.Picture {
	var targets []topology.Target
	for _, s := range c.Servers() {
		targets = append(targets, topology.Target{Pod: s.Name(), Ordinal: s.Ordinal(), Reader: clusterapi.New(s.URL(), "")})
	}
	p, _ := topology.Observe(ctx, targets, time.Second)
	return p
}

func id(c *qdranttest.Cluster, ordinal int) clusterapi.PeerID {
	return clusterapi.PeerID(c.Server(ordinal).ID())
}

func TestBegin(t *testing.T) {
	t.Parallel()
	zero := plan.ShardName{Collection: "c", Shard: 0}
	t.Run("each kind of move", func(t *testing.T) {
		t.Parallel()
		c := qdranttest.Start(t, 3, qdranttest.Options{})
		c.Place("c", 0, 0, 1)
		a := actor(c)
		begin := func(m plan.Move) {
			t.Helper()
			require.NoError(t, a.Begin(t.Context(), look(t, c), m))
			c.Settle()
		}
		begin(plan.Move{Kind: plan.ReplicateShard, Shard: zero, From: id(c, 0), To: id(c, 2)})
		assert.Equal(t, map[int]string{0: "Active", 1: "Active", 2: "Active"}, c.States("c", 0))
		begin(plan.Move{Kind: plan.DropReplica, Shard: zero, From: id(c, 1)})
		begin(plan.Move{Kind: plan.MoveShard, Shard: zero, From: id(c, 0), To: id(c, 1)})
		assert.Equal(t, map[int]string{1: "Active", 2: "Active"}, c.States("c", 0))
		begin(plan.Move{Kind: plan.RemovePeer, From: id(c, 0)})
		assert.Len(t, c.Members(), 2)
	})
	t.Run("a peer is not asked to remove itself, leader or not", func(t *testing.T) {
		t.Parallel()
		c := qdranttest.Start(t, 3, qdranttest.Options{})
		p := look(t, c)
		leader := p.Members[0].Raft.Leader
		asked, err := act.Spokesman(p, plan.Move{Kind: plan.RemovePeer, From: leader})
		require.NoError(t, err)
		assert.NotEqual(t, leader, asked.ID)
		asked, err = act.Spokesman(p, plan.Move{Kind: plan.MoveShard, From: leader})
		require.NoError(t, err)
		assert.Equal(t, leader, asked.ID)
	})
	t.Run("a peer that still holds something is refused, which passes", func(t *testing.T) {
		t.Parallel()
		c := qdranttest.Start(t, 3, qdranttest.Options{})
		c.Place("c", 0, 0, 1)
		err := actor(c).Begin(t.Context(), look(t, c), plan.Move{Kind: plan.RemovePeer, From: id(c, 1)})
		require.ErrorIs(t, err, act.ErrNotYet)
		assert.ErrorContains(t, err, "remove peer 1002 from the cluster: ")
		assert.Len(t, c.Members(), 3)
	})
	t.Run("any other refusal is an error with the server's words", func(t *testing.T) {
		t.Parallel()
		c := qdranttest.Start(t, 3, qdranttest.Options{})
		c.Place("c", 0, 0)
		err := actor(c).Begin(t.Context(), look(t, c), plan.Move{Kind: plan.DropReplica, Shard: zero, From: id(c, 0)})
		require.NotErrorIs(t, err, act.ErrNotYet)
		answer, ok := errors.AsType[*clusterapi.Error](err)
		require.True(t, ok, "%v", err)
		assert.Equal(t, http.StatusBadRequest, answer.Status)
		assert.ErrorContains(t, err, "drop c/0 on peer 1001: ")
	})
	t.Run("a source that still puts away its last transfer is asked again", func(t *testing.T) {
		t.Parallel()
		c := qdranttest.Start(t, 3, qdranttest.Options{})
		c.Place("c", 0, 0)
		p := look(t, c)
		for _, s := range c.Servers() {
			s.Fail(http.MethodPost, "/collections/c/cluster", http.StatusBadRequest, "Shard 0 is not a local or queue proxy shard")
		}
		for _, kind := range []plan.Kind{plan.MoveShard, plan.ReplicateShard} {
			err := actor(c).Begin(t.Context(), p, plan.Move{Kind: kind, Shard: zero, From: id(c, 0), To: id(c, 1)})
			require.ErrorIs(t, err, act.ErrNotYet, kind)
		}
	})
	t.Run("nothing is sent once it is not allowed", func(t *testing.T) {
		t.Parallel()
		c := qdranttest.Start(t, 3, qdranttest.Options{})
		c.Place("c", 0, 0, 1)
		a := actor(c)
		gone := errors.New("the lease is lost")
		a.Allowed = func(context.Context) error { return gone }
		for _, m := range []plan.Move{
			{Kind: plan.ReplicateShard, Shard: zero, From: id(c, 0), To: id(c, 2)},
			{Kind: plan.DropReplica, Shard: zero, From: id(c, 0)},
			{Kind: plan.RemovePeer, From: id(c, 2)},
		} {
			require.ErrorIs(t, a.Begin(t.Context(), look(t, c), m), gone)
		}
		require.ErrorIs(t, a.Abort(t.Context(), look(t, c), zero, id(c, 0), id(c, 1)), gone)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, actor(c).Begin(ctx, look(t, c), plan.Move{Kind: plan.RemovePeer, From: id(c, 2)}), context.Canceled)
		assert.Empty(t, c.Changes())
	})
	t.Run("with nobody there", func(t *testing.T) {
		t.Parallel()
		err := (&act.Actor{}).Begin(t.Context(), topology.Picture{}, plan.Move{Kind: plan.RemovePeer, From: 1})
		assert.ErrorContains(t, err, "no peer of the cluster answers")
	})
}

func TestAbandon(t *testing.T) {
	t.Parallel()
	zero := plan.ShardName{Collection: "c", Shard: 0}
	lost := func(t *testing.T) (*qdranttest.Cluster, plan.Move) {
		c := qdranttest.Start(t, 3, qdranttest.Options{})
		c.Place("c", 0, 2)
		m := plan.Move{Kind: plan.Abandon, Shard: zero, From: id(c, 2), To: id(c, 0)}
		c.Server(2).Stop()
		return c, m
	}
	t.Run("an empty replica takes over", func(t *testing.T) {
		t.Parallel()
		c, m := lost(t)
		require.ErrorIs(t, actor(c).Begin(t.Context(), look(t, c), m), act.ErrNotYet, "the empty replica has to be made first")
		require.NoError(t, actor(c).Begin(t.Context(), look(t, c), m))
		assert.Equal(t, map[int]string{0: "Active", 2: "Dead"}, c.States("c", 0))
		changes := c.Changes()
		assert.Equal(t, "DELETE", changes[len(changes)-1].Method, "the snapshot is deleted")
		for _, change := range changes {
			assert.NotContains(t, change.Path+change.Body, "force")
		}
	})
	t.Run("a replica that died on the way is revived", func(t *testing.T) {
		t.Parallel()
		c, m := lost(t)
		require.ErrorIs(t, actor(c).Begin(t.Context(), look(t, c), m), act.ErrNotYet)
		c.SetState("c", 0, 0, "Dead")
		require.NoError(t, actor(c).Begin(t.Context(), look(t, c), m))
		assert.Equal(t, "Active", c.States("c", 0)[0])
	})
	t.Run("never next to a copy that counts", func(t *testing.T) {
		t.Parallel()
		c := qdranttest.Start(t, 3, qdranttest.Options{})
		c.Place("c", 0, 1, 2)
		m := plan.Move{Kind: plan.Abandon, Shard: zero, From: id(c, 2), To: id(c, 0)}
		c.Server(2).Stop()
		assert.ErrorContains(t, actor(c).Begin(t.Context(), look(t, c), m), "there is an Active copy")
		assert.Empty(t, c.Changes())
	})
	t.Run("nor when a good copy comes back while the snapshot is made", func(t *testing.T) {
		t.Parallel()
		c, m := lost(t)
		a := actor(c)
		require.ErrorIs(t, a.Begin(t.Context(), look(t, c), m), act.ErrNotYet)
		p := look(t, c)
		require.NoError(t, c.Server(2).Start())
		assert.ErrorContains(t, a.Begin(t.Context(), p, m), "looking again: ")
		assert.Equal(t, "Active", c.States("c", 0)[2])
		for _, change := range c.Changes() {
			assert.NotContains(t, change.Path, "recover")
		}
		assert.Equal(t, "DELETE", c.Changes()[len(c.Changes())-1].Method, "the snapshot is deleted all the same")
	})
	t.Run("nor between the two recoveries", func(t *testing.T) {
		t.Parallel()
		c, m := lost(t)
		a := actor(c)
		require.ErrorIs(t, a.Begin(t.Context(), look(t, c), m), act.ErrNotYet)
		p, looks := look(t, c), 0
		a.Look = func(ctx context.Context) topology.Picture {
			if looks++; looks == 2 {
				assert.NoError(t, c.Server(2).Start())
			}
			return observe(ctx, c)
		}
		require.Error(t, a.Begin(t.Context(), p, m))
		recoveries := 0
		for _, change := range c.Changes() {
			if strings.Contains(change.Path, "recover") {
				recoveries++
			}
		}
		assert.Equal(t, 1, recoveries)
	})
	t.Run("nor of a peer that has come back", func(t *testing.T) {
		t.Parallel()
		c, m := lost(t)
		require.NoError(t, c.Server(2).Start())
		c.SetState("c", 0, 2, "Dead")
		assert.ErrorContains(t, actor(c).Begin(t.Context(), look(t, c), m), "peer 1003 answers")
		assert.Empty(t, c.Changes())
	})
}
