package ledger_test

import (
	"context"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/qdrantprocess"
	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/tests/internal/ledger"
)

// These tests hold the judge against real servers: it must find nothing where
// nothing was lost, and it must find what was lost.

const (
	collection = "ledger"
	shards     = 6
	apiKey     = "an-api-key-of-the-tests"
)

// cluster starts three servers and makes a collection with the given number of
// replicas.
func cluster(t *testing.T, ctx context.Context, replicationFactor uint32) *qdrantprocess.Cluster {
	t.Helper()
	return clusterOf(t, ctx, replicationFactor, 1)
}

// clusterOf is cluster with so many copies that must have a write before it is acknowledged.
func clusterOf(t *testing.T, ctx context.Context, replicationFactor, writeConsistency uint32) *qdrantprocess.Cluster {
	t.Helper()
	c := qdrantprocess.Start(t, 3, qdrantprocess.Options{APIKey: apiKey})
	client := connect(t, c.Servers[0])
	defer func() { _ = client.Close() }()
	require.NoError(t, client.CreateCollection(ctx, ledger.Collection(collection, shards, replicationFactor, writeConsistency)))
	require.NoError(t, c.AwaitActive(ctx, collection, int(replicationFactor)))
	return c
}

func keep(t *testing.T, ctx context.Context, c *qdrantprocess.Cluster) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Start(ctx, ledger.Config{
		Targets: c.GRPC(), APIKey: apiKey, Collection: collection, PerTry: 2 * time.Second, Settle: 3 * time.Second,
	})
	require.NoError(t, err)
	require.NoError(t, l.AwaitWrites(ctx, 300))
	return l
}

func peers(c ...*qdrantprocess.Server) []ledger.Peer {
	var all []ledger.Peer
	for _, s := range c {
		all = append(all, ledger.Peer{Name: s.Name, Client: clusterapi.New(s.URL(), apiKey)})
	}
	return all
}

func TestNothingIsLostWhenOneOfTwoReplicasIsKilled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	c := cluster(t, ctx, 2)
	l := keep(t, ctx, c)

	victim := c.Servers[1]
	victim.Kill()
	require.NoError(t, l.AwaitWrites(ctx, 300))
	require.NoError(t, victim.Start(ctx))
	require.NoError(t, c.AwaitReady(ctx))
	require.NoError(t, c.AwaitActive(ctx, collection, 2))
	require.NoError(t, l.AwaitWrites(ctx, 100))
	verdict := l.Judge(ctx, peers(c.Servers...))

	verdict.RequireNoLostWrites(t)
	require.NoError(t, verdict.Report.Within(ledger.Budget{WriteGap: 30 * time.Second, ReadGap: 30 * time.Second}))
	assert.Equal(t, 2*shards, verdict.Replicas)
	assert.Positive(t, verdict.Report.Writes.RawFailures, "the kill must have been felt")
}

// TestALostVolumeIsReported is the negative control: with one replica of each
// shard, deleting a server's storage loses writes, and the judge must say so.
func TestALostVolumeIsReported(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	c := cluster(t, ctx, 1)
	l := keep(t, ctx, c)
	l.Stop()

	victim := c.Servers[2]
	victim.Kill()
	require.NoError(t, victim.LoseVolume())
	// It still holds shards as far as the others know, so it may not join again.
	require.ErrorContains(t, victim.Start(ctx), "already used by peer")
	verdict := l.Judge(ctx, peers(c.Servers[:2]...))

	t.Log("ledger:", verdict.Report)
	t.Log("verdict:", verdict)
	require.False(t, verdict.OK())
	assert.NotEmpty(t, verdict.Lost, "a third of the shards is gone")
	assert.Less(t, len(verdict.Lost), verdict.Report.IDs, "the rest is still there")
	assert.NotEmpty(t, verdict.Problems, "the peers cannot answer for the whole collection")
	assert.Empty(t, verdict.Phantoms)
	assert.Empty(t, verdict.Disagreements)
}

// TestAReplicaThatMissedWritesIsReported takes the points of one server back to
// what they were a while ago. It comes back as if nothing had happened, its
// replicas count as Active, and only a reader that asks each replica by itself
// can tell.
func TestAReplicaThatMissedWritesIsReported(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	c := cluster(t, ctx, 2)
	l := keep(t, ctx, c)

	victim := c.Servers[2]
	require.NoError(t, victim.Stop())
	old := t.TempDir()
	require.NoError(t, victim.SaveCollections(old))
	require.NoError(t, victim.Start(ctx))
	require.NoError(t, c.AwaitReady(ctx))
	require.NoError(t, c.AwaitActive(ctx, collection, 2))
	require.NoError(t, l.AwaitWrites(ctx, 300))
	l.Stop()
	victim.Kill()
	require.NoError(t, victim.RestoreCollections(old))
	require.NoError(t, victim.Start(ctx))
	require.NoError(t, c.AwaitReady(ctx))
	require.NoError(t, c.AwaitActive(ctx, collection, 2))
	verdict := l.Judge(ctx, peers(c.Servers...))

	t.Log("ledger:", verdict.Report)
	t.Log("verdict:", verdict)
	require.False(t, verdict.OK())
	assert.Empty(t, verdict.Lost, "the other replicas still have everything")
	assert.NotEmpty(t, verdict.Disagreements)
	assert.Empty(t, verdict.Problems)
}

// TestAPeerThatIsCutOff: Given clients that reach one peer only, which has lost the others; When they write, and later the others go on
// without that peer, and it comes back; Then with a write consistency factor of 1 it has acknowledged writes that are lost, and with 2 of
// 3 copies it has acknowledged nothing.
func TestAPeerThatIsCutOff(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name                string
		copies, consistency uint32
		window              time.Duration // until it acknowledges (16 s when idle), or in which it must not
		loses               bool
	}{
		{"one_acknowledgement_loses", 2, 1, time.Minute, true},
		{"two_of_three_lose_nothing", 3, 2, 40 * time.Second, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
			defer cancel()
			c := clusterOf(t, ctx, test.copies, test.consistency)
			alone, others := c.Servers[0], c.Servers[1:]
			l, err := ledger.Start(ctx, ledger.Config{
				Targets: []string{alone.GRPC()}, APIKey: apiKey, Collection: collection, Writers: 12,
				PerTry: 2 * time.Second, RetryFor: 2 * time.Second, Settle: 3 * time.Second,
			})
			require.NoError(t, err)
			require.NoError(t, l.AwaitWrites(ctx, 300))

			for _, other := range others {
				require.NoError(t, other.Freeze())
			}
			window, stop := context.WithTimeout(ctx, test.window)
			defer stop()
			err = l.AwaitWrites(window, 100)
			l.Stop()
			if test.loses {
				require.NoError(t, err, "it acknowledges alone, once it has given the others up")
			} else {
				require.ErrorIs(t, err, context.DeadlineExceeded, "it can't acknowledge alone")
			}

			require.NoError(t, alone.Freeze())
			for _, other := range others {
				require.NoError(t, other.Thaw())
			}
			writeEverywhere(t, ctx, others[0])
			require.NoError(t, alone.Thaw())
			require.NoError(t, c.AwaitReady(ctx))
			require.NoError(t, c.AwaitActive(ctx, collection, int(test.copies)))
			verdict := l.Judge(ctx, peers(c.Servers...))

			t.Log("ledger:", verdict.Report)
			t.Log("verdict:", verdict)
			assert.Equal(t, test.loses, len(verdict.Lost) > 0)
			assert.Equal(t, !test.loses, verdict.OK())
		})
	}
}

// writeEverywhere writes to every shard until all of it is acknowledged: a replica that does not answer is Dead afterwards.
func writeEverywhere(t *testing.T, ctx context.Context, through *qdrantprocess.Server) {
	t.Helper()
	client := connect(t, through)
	defer func() { _ = client.Close() }()
	var points []*qdrant.PointStruct
	for id := range uint64(20 * shards) {
		points = append(points, &qdrant.PointStruct{Id: qdrant.NewIDNum(id), Vectors: qdrant.NewVectorsDense(make([]float32, 16))})
	}
	for {
		_, err := client.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: collection, Wait: qdrant.PtrOf(true), Points: points})
		if err == nil {
			return
		}
		require.NoError(t, ctx.Err(), "writing through %s; last: %v", through.Name, err)
	}
}

func connect(t *testing.T, to *qdrantprocess.Server) *qdrant.Client {
	t.Helper()
	client, err := qdrant.NewClient(&qdrant.Config{
		Host: "127.0.0.1", Port: to.GRPCPort(), Headers: map[string]string{"api-key": apiKey}, PoolSize: 1, SkipCompatibilityCheck: true,
	})
	require.NoError(t, err)
	return client
}

// TestALostWriteIsReported: Given replicas that are all well; When a single acknowledged write is taken away behind the ledger's back; Then
// the verdict names it. E2E_LOSE_WRITE=1 does the same in the end-to-end suites, to see them fail.
func TestALostWriteIsReported(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	c := cluster(t, ctx, 2)
	l := keep(t, ctx, c)
	require.NoError(t, l.Lose(ctx))
	verdict := l.Judge(ctx, peers(c.Servers...))
	assert.False(t, verdict.OK())
	assert.Len(t, verdict.Lost, 1)
}
