package vector_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/qdrant-shepherd/shepherd/client/qdranttest"
	"github.com/qdrant-shepherd/shepherd/client/vector"
)

func TestOpenCreatesWhatTheTagsAndSettingsSay(t *testing.T) {
	t.Parallel()
	db, _ := connect(t, 3)
	type rich struct {
		ID     string        `vector:",id"`
		Text   []float32     `vector:",vector,distance=dot"`
		Tokens [][]float32   `vector:",vector,size=8,distance=euclid,omitempty"`
		Words  vector.Sparse `vector:",vector,idf,omitempty"`
		Tags   []string      `vector:",index"`
		Body   string        `vector:",index=text"`
		When   time.Time     `vector:",index"`
	}
	_, err := vector.Open[rich](t.Context(), db, "rich")
	require.ErrorContains(t, err, `vector "text" has no size`)
	c, err := vector.Open[rich](t.Context(), db, "rich", vector.Size("text", 16), vector.Shards(4), vector.ReplicationFactor(2), vector.WriteConsistencyFactor(2),
		vector.Graph(32, 200), vector.IndexFrom(1000), vector.Segments(2), vector.PayloadOnDisk(true), vector.Quantized(vector.Int8(0.99, true)),
		vector.Metadata(map[string]any{"owner": "search"}),
		vector.RawSetting(func(r *qdrant.CreateCollection) { r.OptimizersConfig.DeletedThreshold = qdrant.PtrOf(0.3) }))
	require.NoError(t, err)
	info, err := c.Info(t.Context())
	require.NoError(t, err)
	config := info.Raw.GetConfig()
	dense := config.GetParams().GetVectorsConfig().GetParamsMap().GetMap()
	assert.EqualValues(t, 16, dense["text"].GetSize())
	assert.Equal(t, qdrant.Distance_Dot, dense["text"].GetDistance())
	assert.EqualValues(t, 8, dense["tokens"].GetSize())
	assert.Equal(t, qdrant.MultiVectorComparator_MaxSim, dense["tokens"].GetMultivectorConfig().GetComparator())
	assert.NotNil(t, dense["tokens"].GetMultivectorConfig())
	assert.Equal(t, qdrant.Modifier_Idf, config.GetParams().GetSparseVectorsConfig().GetMap()["words"].GetModifier())
	assert.EqualValues(t, 4, config.GetParams().GetShardNumber())
	assert.EqualValues(t, 2, config.GetParams().GetReplicationFactor())
	assert.EqualValues(t, 2, config.GetParams().GetWriteConsistencyFactor())
	assert.True(t, config.GetParams().GetOnDiskPayload())
	assert.EqualValues(t, 32, config.GetHnswConfig().GetM())
	assert.EqualValues(t, 200, config.GetHnswConfig().GetEfConstruct())
	assert.EqualValues(t, 1000, config.GetHnswConfig().GetFullScanThreshold())
	assert.EqualValues(t, 1000, config.GetOptimizerConfig().GetIndexingThreshold())
	assert.EqualValues(t, 2, config.GetOptimizerConfig().GetDefaultSegmentNumber())
	assert.InDelta(t, 0.3, config.GetOptimizerConfig().GetDeletedThreshold(), 1e-9)
	assert.InDelta(t, 0.99, config.GetQuantizationConfig().GetScalar().GetQuantile(), 1e-6)
	assert.Equal(t, "search", config.GetMetadata()["owner"].GetStringValue())
	schema := info.Raw.GetPayloadSchema()
	assert.Equal(t, qdrant.PayloadSchemaType_Keyword, schema["tags"].GetDataType())
	assert.Equal(t, qdrant.PayloadSchemaType_Text, schema["body"].GetDataType())
	assert.Equal(t, qdrant.PayloadSchemaType_Datetime, schema["when"].GetDataType())

	again, err := vector.Open[rich](t.Context(), db, "rich")
	require.NoError(t, err, "a size that the tags leave open is the collection's")
	err = again.Upsert(t.Context(), rich{ID: "1", Text: make([]float32, 15)})
	require.ErrorContains(t, err, "15 dimensions instead of 16")
	_, err = vector.Open[rich](t.Context(), db, "rich", vector.Size("text", 17))
	require.ErrorContains(t, err, "vector text: 16 dimensions instead of 17")
}

func TestOpenRefusesAnotherSchema(t *testing.T) {
	t.Parallel()
	db, _ := connect(t, 1)
	openShelf(t, db)
	type other struct {
		ID      vector.ID     `vector:",id"`
		Text    []float32     `vector:",vector,size=5,distance=dot"`
		Words   []float32     `vector:",vector,size=3"`
		Picture []float32     `vector:",vector,size=3"`
		Year    string        `vector:",index"`
		Sparse  vector.Sparse `vector:"text2,vector"`
	}
	_, err := vector.Open[other](t.Context(), db, "books")
	var schema *vector.SchemaError
	require.ErrorAs(t, err, &schema)
	assert.ErrorIs(t, err, vector.ErrInvalid)
	assert.Equal(t, []string{
		"vector text: 4 dimensions instead of 5",
		"vector text: distance Cosine instead of Dot",
		"vector words: sparse instead of dense",
		`vector picture: not there, only ["text" "words"]`,
		`vector text2: not there, only ["text" "words"]`,
		"payload field year: indexed as Integer instead of Keyword",
	}, schema.Differences)

	type part struct {
		ID   vector.ID `vector:",id"`
		Text []float32 `vector:",vector"`
		Lang string
		Note string `vector:",index"`
	}
	c, err := vector.Open[part](t.Context(), db, "books", vector.MustExist())
	require.NoError(t, err, "a part of what is there fits")
	info, err := c.Info(t.Context())
	require.NoError(t, err)
	assert.Contains(t, info.Raw.GetPayloadSchema(), "note", "an index that was missing is made")
}

func TestOpenReadOnlyChangesNothing(t *testing.T) {
	t.Parallel()
	db, cluster := connect(t, 1)
	openShelf(t, db)
	require.NoError(t, db.Raw().UpdateCollection(t.Context(), &qdrant.UpdateCollection{
		CollectionName: "books", Metadata: qdrant.NewValueMap(map[string]any{
			"indexing_deferred": map[string]any{"max_optimization_threads": "auto", "since": "2026-11-23T10:00:00Z"},
		}),
	}))
	type indexed struct {
		ID    vector.ID `vector:",id"`
		Text  []float32 `vector:",vector,size=4"`
		Title string    `vector:",index"`
	}
	before := len(cluster.Calls())
	books, err := vector.Open[indexed](t.Context(), db, "books", vector.ReadOnly())
	require.NoError(t, err)
	calls := cluster.Calls()[before:]
	require.NotEmpty(t, calls)
	for _, call := range calls {
		assert.Equal(t, "qdrant.Collections/Get", call.Method)
	}
	info, err := books.Info(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 2026, vector.DeferredSince(info.Raw).Year())
	_, err = vector.Open[indexed](t.Context(), db, "nowhere", vector.ReadOnly())
	require.ErrorIs(t, err, vector.ErrNotFound)

	books, err = vector.Open[indexed](t.Context(), db, "books")
	require.NoError(t, err)
	info, err = books.Info(t.Context())
	require.NoError(t, err)
	assert.Zero(t, vector.DeferredSince(info.Raw))
	assert.Contains(t, info.Raw.GetPayloadSchema(), "title")
}

func TestOpenMustExist(t *testing.T) {
	t.Parallel()
	db, _ := connect(t, 1)
	_, err := vector.Open[Book](t.Context(), db, "nowhere", vector.MustExist())
	require.ErrorIs(t, err, vector.ErrNotFound)
	names, err := db.Collections(t.Context())
	require.NoError(t, err)
	assert.Empty(t, names)
}

func TestOpenFromManyAtOnce(t *testing.T) {
	t.Parallel()
	db, _ := connect(t, 3)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := vector.Open[Book](t.Context(), db, "books")
			assert.NoError(t, err)
		})
	}
	all.Wait()
	names, err := db.Collections(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"books"}, names)
}

func TestSettingsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	db, cluster := connect(t, 1)
	before := len(cluster.Calls())
	for want, setting := range map[string]vector.Setting{
		"shards: 0":                   vector.Shards(0),
		"replication factor: -1":      vector.ReplicationFactor(-1),
		"write consistency factor: 0": vector.WriteConsistencyFactor(0),
		"a size of 0":                 vector.Size("text", 0),
		"a size of 65537":             vector.Size("text", 65537),
		"graph: m -1":                 vector.Graph(-1, 100),
		"graph: m 16":                 vector.Graph(16, 3),
		"index from: 0 KiB":           vector.IndexFrom(0),
		"segments: 0":                 vector.Segments(0),
		"quantization: none is named": vector.Quantized(vector.Quantization{}),
		"raw setting":                 vector.RawSetting(nil),
		"metadata":                    vector.Metadata(map[string]any{"a": make(chan int)}),
	} {
		_, err := vector.Open[Book](t.Context(), db, "books", setting)
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, vector.ErrInvalid)
	}
	assert.Len(t, cluster.Calls(), before, "nothing is asked of the server")
}

func TestAlter(t *testing.T) {
	t.Parallel()
	db, _ := connect(t, 1)
	books := openShelf(t, db)
	ctx := t.Context()
	require.NoError(t, books.Alter(ctx, vector.Graph(24, 150), vector.ReplicationFactor(2), vector.PayloadOnDisk(false), vector.Segments(3),
		vector.Quantized(vector.Int8(0.9, false)), vector.Metadata(map[string]any{"a": 1})))
	info, err := books.Info(ctx)
	require.NoError(t, err)
	config := info.Raw.GetConfig()
	assert.EqualValues(t, 24, config.GetHnswConfig().GetM())
	assert.EqualValues(t, 2, config.GetParams().GetReplicationFactor())
	assert.EqualValues(t, 3, config.GetOptimizerConfig().GetDefaultSegmentNumber())
	assert.NotNil(t, config.GetQuantizationConfig().GetScalar())
	require.NoError(t, books.Alter(ctx, vector.Quantized(vector.NoQuantization())))
	info, err = books.Info(ctx)
	require.NoError(t, err)
	assert.Nil(t, info.Raw.GetConfig().GetQuantizationConfig().GetScalar())

	require.ErrorContains(t, books.Alter(ctx), "no setting is named")
	require.ErrorContains(t, books.Alter(ctx, vector.ReadOnly()), "are for Open")
	require.ErrorContains(t, books.Alter(ctx, nil), "a setting is nil")
	require.ErrorContains(t, books.Alter(ctx, vector.CustomSharding(), vector.Size("text", 3), vector.RawSetting(func(*qdrant.CreateCollection) {})),
		`the sharding method and the size of vectors ["text"] and a raw setting can only be chosen when the collection is created`)
}

func TestAliases(t *testing.T) {
	t.Parallel()
	db, _ := connect(t, 1)
	openShelf(t, db)
	ctx := t.Context()
	_, err := vector.Open[Book](ctx, db, "newer")
	require.NoError(t, err)
	require.NoError(t, db.Alias(ctx, "current", "books"))
	require.NoError(t, db.Alias(ctx, "current", "newer"))
	aliases, err := db.Aliases(ctx)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"current": "newer"}, aliases)
	byAlias, err := vector.Open[Book](ctx, db, "current", vector.MustExist())
	require.NoError(t, err)
	require.NoError(t, byAlias.Drop(ctx))
	names, err := db.Collections(ctx)
	require.NoError(t, err)
	assert.Equal(t, []string{"books"}, names, "what the alias led to is gone")
	there, err := db.HasCollection(ctx, "nothing")
	require.NoError(t, err)
	assert.False(t, there)
	require.NoError(t, db.Alias(ctx, "current", "books"))
	require.NoError(t, db.Unalias(ctx, "current"))
	require.ErrorIs(t, db.Alias(ctx, "current", "nothing"), vector.ErrNotFound)
	require.NoError(t, db.DropCollection(ctx, "nothing"), "gone is gone")
}

func TestShardKeysAndOrderingGoAlong(t *testing.T) {
	t.Parallel()
	db, cluster := connect(t, 1)
	books := openShelf(t, db)
	// This server has no shard keys and refuses; what it was asked counts.
	require.Error(t, books.WithShardKeys("a", 7).WithOrdering(vector.WriteStrong).Upsert(t.Context(), shelf()[0]))
	calls := cluster.Calls()
	request, is := calls[len(calls)-1].Request.(*qdrant.UpsertPoints)
	require.True(t, is)
	require.Len(t, request.GetShardKeySelector().GetShardKeys(), 2)
	assert.Equal(t, "a", request.GetShardKeySelector().GetShardKeys()[0].GetKeyword())
	assert.EqualValues(t, 7, request.GetShardKeySelector().GetShardKeys()[1].GetNumber())
	assert.Equal(t, qdrant.WriteOrderingType_Strong, request.GetOrdering().GetType())
	require.NoError(t, books.Upsert(t.Context(), shelf()[0]), "the collection itself is as it was")

	_, err := books.WithConsistency(vector.ReadAll).Get(t.Context(), vector.Num(1))
	require.NoError(t, err)
	calls = cluster.Calls()
	get, is := calls[len(calls)-1].Request.(*qdrant.GetPoints)
	require.True(t, is)
	assert.Equal(t, qdrant.ReadConsistencyType_All, get.GetReadConsistency().GetType())
}

func TestWhatIsMisusedSaysSoAtEveryCall(t *testing.T) {
	t.Parallel()
	db, cluster := connect(t, 1)
	books := openShelf(t, db)
	ctx := t.Context()
	before := len(cluster.Calls())
	for name, misused := range map[string]*vector.Collection[Book]{
		"shard key":   books.WithShardKeys(1.5),
		"ordering":    books.WithOrdering(99),
		"consistency": books.WithConsistency(-99),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := misused.Get(ctx, vector.Num(1))
			require.Error(t, err)
			_, err = misused.Count(ctx, vector.Filter{})
			require.Error(t, err)
			_, err = misused.Search(ctx, vector.Sample())
			require.Error(t, err)
			require.Error(t, misused.Upsert(ctx, shelf()[0]))
			require.Error(t, misused.Delete(ctx, vector.Num(1)))
		})
	}
	assert.Len(t, cluster.Calls(), before)
}

func TestAwaitIndexed(t *testing.T) {
	t.Parallel()
	db, cluster := connect(t, 1)
	books := openShelf(t, db)
	info, err := books.AwaitIndexed(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, len(shelf()), info.Points)
	cluster.Server(0).FailCalls(qdranttest.CallFault{Method: "Collections/Get", Code: codes.PermissionDenied, Message: "no"})
	_, err = books.AwaitIndexed(t.Context())
	require.ErrorIs(t, err, vector.ErrUnauthorized)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = books.AwaitIndexed(ctx)
	require.ErrorIs(t, err, context.Canceled)
}
