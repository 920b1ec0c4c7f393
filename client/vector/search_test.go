package vector_test

import (
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/qdranttest"
	"github.com/qdrant-shepherd/shepherd/client/vector"
)

func lastQuery(t *testing.T, c *qdranttest.Cluster) *qdrant.QueryPoints {
	t.Helper()
	calls := c.Calls()
	query, is := calls[len(calls)-1].Request.(*qdrant.QueryPoints)
	require.True(t, is)
	return query
}

func TestSearchNamesTheVectorAndTheEF(t *testing.T) {
	t.Parallel()
	db, cluster := connect(t, 1)
	books := openShelf(t, db)
	ctx := t.Context()
	sparse := vector.NearestSparse(vector.Sparse{Indices: []uint32{3}, Values: []float32{1}})

	hits, err := books.Search(ctx, vector.Nearest([]float32{0, 1, 0, 0}))
	require.NoError(t, err)
	require.Len(t, hits, len(shelf()))
	assert.Equal(t, vector.Num(3), hits[0].ID)
	assert.Nil(t, hits[0].Document.Text, "vectors come only on demand")
	assert.Equal(t, "text", lastQuery(t, cluster).GetUsing())
	assert.EqualValues(t, 512, lastQuery(t, cluster).GetParams().GetHnswEf(), "production's")

	_, err = books.Search(ctx, sparse, vector.EF(64), vector.WithVectors())
	require.NoError(t, err)
	assert.Equal(t, "words", lastQuery(t, cluster).GetUsing())
	assert.EqualValues(t, 64, lastQuery(t, cluster).GetParams().GetHnswEf())

	_, err = books.Search(ctx, vector.Fuse(vector.DBSF, vector.Fetch(vector.Nearest([]float32{0, 1, 0, 0})), vector.Fetch(sparse)))
	require.NoError(t, err)
	query := lastQuery(t, cluster)
	assert.Nil(t, query.Using)
	assert.Equal(t, []string{"text", "words"}, []string{query.GetPrefetch()[0].GetUsing(), query.GetPrefetch()[1].GetUsing()})
	assert.EqualValues(t, 512, query.GetPrefetch()[0].GetParams().GetHnswEf())

	hits, err = books.Search(ctx, vector.Rescore(vector.Nearest([]float32{0, 1, 0, 0}), vector.Fetch(sparse, vector.Limit(2))))
	require.NoError(t, err)
	assert.Equal(t, "text", lastQuery(t, cluster).GetUsing())
	assert.Len(t, hits, 2)

	_, err = books.Search(ctx, vector.OrderBy("year", vector.Ascending, nil))
	require.NoError(t, err)
	assert.Nil(t, lastQuery(t, cluster).Using)
}

func TestSearchChecksBeforeItAsks(t *testing.T) {
	t.Parallel()
	db, cluster := connect(t, 1)
	books := openShelf(t, db)
	ctx := t.Context()
	before := len(cluster.Calls())
	good := vector.Nearest([]float32{0, 1, 0, 0})
	for want, search := range map[string]func() error{
		"query: 3 dimensions instead of 4": func() error { _, err := books.Search(ctx, vector.Nearest([]float32{1, 2, 3})); return err },
		"query: 2 dimensions instead of 4": func() error {
			_, err := books.Search(ctx, vector.Fuse(vector.RRF, vector.Fetch(good), vector.Fetch(vector.Nearest([]float32{1, 2}))))
			return err
		},
		"positive example 0: 1 dimensions instead of 4": func() error {
			_, err := books.Search(ctx, vector.Recommend{Positive: []vector.Example{vector.ByVector([]float32{1})}})
			return err
		},
		`no payload field "langage"`: func() error { _, err := books.Search(ctx, good, vector.Where("langage").Is("en")); return err },
		`no payload field "popularity"`: func() error {
			_, err := books.Search(ctx, vector.Formula(vector.Field("popularity"), vector.Fetch(good)))
			return err
		},
		"search 1: limit: 0": func() error {
			_, err := books.SearchBatch(ctx, vector.Ask(good), vector.Ask(good, vector.Limit(0)))
			return err
		},
		`no payload field "language"`: func() error { _, err := books.SearchGroups(ctx, good, "language", 1); return err },
		"of 0":                        func() error { _, err := books.SearchGroups(ctx, good, "lang", 0); return err },
		`no payload field "titel"`:    func() error { _, err := books.Search(ctx, good, vector.WithPayload("titel")); return err },
		"consistency or timeout of its own": func() error {
			_, err := books.SearchBatch(ctx, vector.Ask(good), vector.Ask(good, vector.Timeout(time.Second)))
			return err
		},
		"a limit of 0": func() error { _, err := books.Facets(ctx, "lang", vector.Filter{}, 0); return err },
	} {
		t.Run(want, func(t *testing.T) {
			err := search()
			require.ErrorContains(t, err, want)
			require.ErrorIs(t, err, vector.ErrInvalid)
		})
	}
	assert.Len(t, cluster.Calls(), before)
	none, err := books.SearchBatch(ctx)
	require.NoError(t, err)
	assert.Empty(t, none)
}

func TestSearchGroupsAndFacetsOfNumbers(t *testing.T) {
	t.Parallel()
	db, _ := connect(t, 1)
	books := openShelf(t, db)
	groups, err := books.SearchGroups(t.Context(), vector.Nearest([]float32{1, 0, 0, 0}), "year", 2, vector.Limit(1))
	require.NoError(t, err)
	require.Len(t, groups, 1)
	assert.Equal(t, int64(2005), groups[0].Value)
	require.Len(t, groups[0].Hits, 1)
	assert.Equal(t, "The Sea", groups[0].Hits[0].Document.Title)
	facets, err := books.Facets(t.Context(), "year", vector.Where("lang").Is("de"), 10)
	require.NoError(t, err)
	assert.ElementsMatch(t, []vector.Facet{{Value: int64(1901), Count: 1}, {Value: int64(1924), Count: 1}}, facets)
}

func TestAPointThatDoesNotFitIsNamed(t *testing.T) {
	t.Parallel()
	db, _ := connect(t, 1)
	books := openShelf(t, db)
	_, err := db.Raw().SetPayload(t.Context(), &qdrant.SetPayloadPoints{
		CollectionName: "books", PointsSelector: qdrant.NewPointsSelector(qdrant.NewIDNum(4)), Payload: qdrant.NewValueMap(map[string]any{"year": "long ago"}),
	})
	require.NoError(t, err)
	_, err = books.Search(t.Context(), vector.Nearest([]float32{0, 1, 0, 0}))
	var misfit *vector.DocumentError
	require.ErrorAs(t, err, &misfit)
	assert.Equal(t, vector.DocumentError{Position: -1, ID: vector.Num(4), Field: "year", Reason: "string instead of integer"}, *misfit)
}

// Ids alone tell no kind of vector; the schema's only one is meant.
func TestSearchByIDsNamesTheOnlyVector(t *testing.T) {
	t.Parallel()
	db, cluster := connect(t, 1)
	type terms struct {
		ID    uint64        `vector:",id"`
		Words vector.Sparse `vector:",vector"`
	}
	c, err := vector.Open[terms](t.Context(), db, "terms")
	require.NoError(t, err)
	require.NoError(t, c.Upsert(t.Context(), terms{1, vector.Sparse{Indices: []uint32{1}, Values: []float32{1}}}, terms{2, vector.Sparse{Indices: []uint32{1}, Values: []float32{2}}}))
	hits, err := c.Search(t.Context(), vector.NearestID(vector.Num(1)))
	require.NoError(t, err)
	assert.Len(t, hits, 1)
	assert.Equal(t, "words", lastQuery(t, cluster).GetUsing())
}

func TestSearchChecksMultiVectors(t *testing.T) {
	t.Parallel()
	db, _ := connect(t, 1)
	type page struct {
		ID     uint64      `vector:",id"`
		Tokens [][]float32 `vector:",vector,size=2"`
	}
	c, err := vector.Open[page](t.Context(), db, "pages")
	require.NoError(t, err)
	require.NoError(t, c.Upsert(t.Context(), page{1, [][]float32{{1, 0}, {0, 1}}}))
	hits, err := c.Search(t.Context(), vector.NearestMulti([][]float32{{1, 0}}))
	require.NoError(t, err)
	assert.Len(t, hits, 1)
	_, err = c.Search(t.Context(), vector.NearestMulti([][]float32{{1, 0, 0}}))
	require.ErrorContains(t, err, "query: 3 dimensions instead of 2")
}

func TestSearchGroupsLooksUp(t *testing.T) {
	t.Parallel()
	db, _ := connect(t, 1)
	books := openShelf(t, db)
	ctx := t.Context()
	years, err := vector.Open[vector.Point](ctx, db, "years", vector.Size("", 1))
	require.NoError(t, err)
	require.NoError(t, years.Upsert(ctx, vector.Point{ID: vector.Num(2005), Vector: []float32{1}, Payload: map[string]any{"prize": "Booker", "n": 1}}))
	groups, err := books.SearchGroups(ctx, vector.Nearest([]float32{1, 0, 0, 0}), "year", 1, vector.Limit(2), vector.WithLookup("years"))
	require.NoError(t, err)
	require.Len(t, groups, 2)
	assert.Equal(t, map[string]any{"prize": "Booker", "n": int64(1)}, groups[0].Lookup)
	assert.Nil(t, groups[1].Lookup)
}

// A Point needs no type of its own.
func TestPoints(t *testing.T) {
	t.Parallel()
	db, _ := connect(t, 1)
	books := openShelf(t, db)
	points, err := vector.Open[vector.Point](t.Context(), db, "books", vector.MustExist())
	require.NoError(t, err)
	p, err := points.One(t.Context(), vector.Num(5))
	require.NoError(t, err)
	assert.Equal(t, "L'Étranger", p.Payload["title"])
	assert.Equal(t, map[string]any{"name": "Camus"}, p.Payload["author"])
	assert.Len(t, p.Vectors["text"], 4)
	p.ID, p.Payload["title"] = vector.NameID("https://example.org/"), "Copy"
	require.NoError(t, points.Upsert(t.Context(), p))
	n, err := books.Count(t.Context(), vector.Where("title").Is("Copy"))
	require.NoError(t, err)
	assert.EqualValues(t, 1, n)
}
