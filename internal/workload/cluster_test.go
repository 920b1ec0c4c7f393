package workload_test

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/qdrantprocess"
	"github.com/qdrant-shepherd/shepherd/internal/wordvectors"
	"github.com/qdrant-shepherd/shepherd/internal/workload"
)

// TestEachStepOnACluster goes through the whole workload against real servers,
// and makes sure that the checks would notice.
func TestEachStepOnACluster(t *testing.T) {
	t.Parallel()
	c := qdrantprocess.Start(t, 3, qdrantprocess.Options{APIKey: "sesame"})
	ctx := t.Context()
	data, err := wordvectors.Frequent(5000)
	require.NoError(t, err)
	queries := data.Queries.Vectors[:50]
	client, err := workload.Connect(c.Servers[1].GRPC(), "sesame")
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	const words = "words"

	require.NoError(t, workload.Create(ctx, client, workload.Words(words, 3, 2)))
	require.NoError(t, workload.CreatePayloadIndexes(ctx, client, words))
	loaded, err := workload.Load(ctx, client, words, data.Base)
	require.NoError(t, err)
	t.Logf("loaded %d points in %s, %.0f a second", loaded.Points, loaded.Duration, loaded.PerSecond())

	unindexed, err := client.GetCollectionInfo(ctx, words)
	require.NoError(t, err)
	assert.Zero(t, unindexed.GetIndexedVectorsCount(), "the graph is built when Index asks for it")
	indexed, err := workload.Index(ctx, client, words)
	require.NoError(t, err)
	t.Logf("indexed: %+v", indexed)
	assert.GreaterOrEqual(t, float64(indexed.Vectors), 0.99*5000)

	for _, search := range []workload.Search{{Exact: true}, {EF: 128}, {EF: 16}} {
		recall, err := workload.MeasureRecall(ctx, client, words, data.Base, queries, search)
		require.NoError(t, err)
		t.Logf("%+v: %s", search, recall)
		assert.Greater(t, recall.Value, 0.9)
		if search.Exact {
			assert.InDelta(t, 1, recall.Value, 0.005)
		}
	}

	filtered, err := workload.CheckFilters(ctx, client, words, data.Base, queries[:10])
	require.NoError(t, err)
	t.Logf("filtered: %+v", filtered)
	assert.Greater(t, filtered.Recall, 0.9)

	changed, err := workload.CheckChanges(ctx, client, words, data.Base)
	require.NoError(t, err)
	t.Logf("changed: %+v", changed)
	compared, err := workload.CheckDistances(ctx, client, "distance")
	require.NoError(t, err)
	assert.Equal(t, 4*10*20, compared)

	for _, server := range c.Servers {
		peer, err := workload.Connect(server.GRPC(), "sesame")
		require.NoError(t, err)
		require.NoError(t, workload.RequireWords(ctx, peer, words, data.Base))
		require.NoError(t, peer.Close())
	}

	t.Run("a missing point is noticed", func(t *testing.T) {
		_, err := client.Delete(ctx, &qdrant.DeletePoints{
			CollectionName: words, Wait: qdrant.PtrOf(true), Points: qdrant.NewPointsSelector(qdrant.NewIDNum(300)),
		})
		require.NoError(t, err)
		require.ErrorContains(t, workload.RequireCount(ctx, client, words, nil, 5000), "the server has 4999, there should be 5000")
		require.ErrorContains(t, workload.RequireWords(ctx, client, words, data.Base), "999 of 1000 are there")
		_, err = workload.CheckFilters(ctx, client, words, data.Base, queries[:1])
		require.Error(t, err)
		_, err = workload.Load(ctx, client, words, data.Base)
		require.NoError(t, err)
	})
	t.Run("a wrong vector is noticed", func(t *testing.T) {
		wrong := data.Base.Head(50)
		wrong.Vectors = slices.Clone(wrong.Vectors)
		wrong.Vectors[20] = slices.Clone(wrong.Vectors[20])
		wrong.Vectors[20][7] = float32(math.Inf(1))
		require.ErrorContains(t, workload.RequireWords(ctx, client, words, wrong), "is not the one that was written")
	})
	t.Run("a collection without a graph is noticed", func(t *testing.T) {
		require.NoError(t, workload.Create(ctx, client, workload.Collection{Name: "small", Dim: wordvectors.Dim}))
		_, err := workload.Load(ctx, client, "small", data.Base.Head(500))
		require.NoError(t, err)
		short, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		_, err = workload.AwaitIndexed(short, client, "small")
		require.ErrorContains(t, err, "it is Green with 0 of 500 vectors indexed")
	})
	t.Run("a poor graph is noticed", func(t *testing.T) {
		poor := workload.Words("poor", 1, 1)
		poor.M, poor.EFConstruct = 4, 4
		require.NoError(t, workload.Create(ctx, client, poor))
		_, err := workload.Load(ctx, client, "poor", data.Base)
		require.NoError(t, err)
		_, err = workload.Index(ctx, client, "poor")
		require.NoError(t, err)
		recall, err := workload.MeasureRecall(ctx, client, "poor", data.Base, queries, workload.Search{EF: 10})
		require.NoError(t, err)
		t.Log(recall)
		assert.Less(t, recall.Value, 0.9)
	})
	t.Run("a wrong key is refused", func(t *testing.T) {
		stranger, err := workload.Connect(c.Servers[0].GRPC(), "wrong")
		require.NoError(t, err)
		defer func() { _ = stranger.Close() }()
		_, err = workload.Load(ctx, stranger, words, data.Base)
		require.ErrorContains(t, err, "writing 256 points to collection words")
	})
	require.NoError(t, workload.Drop(ctx, client, words))
	require.NoError(t, workload.Drop(ctx, client, words), "dropping what is not there is fine")
}
