package vector_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/qdrant-shepherd/shepherd/client/qdranttest"
	"github.com/qdrant-shepherd/shepherd/client/vector"
)

// connect is a connection to a cluster of its own.
func connect(t *testing.T, servers int) (*vector.DB, *qdranttest.Cluster) {
	t.Helper()
	cluster := qdranttest.Start(t, servers, qdranttest.Options{})
	db, err := vector.Connect(t.Context(), vector.Config{Target: cluster.Target(), Retry: vector.Retry{Backoff: time.Millisecond, MaxBackoff: time.Millisecond}})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	return db, cluster
}

func openShelf(t *testing.T, db *vector.DB) *vector.Collection[Book] {
	t.Helper()
	books, err := vector.Open[Book](t.Context(), db, "books")
	require.NoError(t, err)
	require.NoError(t, books.Upsert(t.Context(), shelf()...))
	return books
}

func titles(books []Book) []string {
	var list []string
	for _, b := range books {
		list = append(list, b.Title)
	}
	return list
}

func TestDocumentsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	db, _ := connect(t, 3)
	books := openShelf(t, db)
	got, err := books.Get(t.Context(), vector.Num(3), vector.Num(77), vector.Num(1))
	require.NoError(t, err)
	require.Equal(t, []string{"Der Zauberberg", "The Sea"}, titles(got), "in the order of the ids, without those that are not there")
	want := shelf()[2]
	assert.InDeltaSlice(t, normalised(want.Text), got[0].Text, 1e-6, "the server normalises vectors for cosine")
	got[0].Text, want.Text = nil, nil
	assert.Equal(t, want, got[0])
	none, err := books.Get(t.Context())
	require.NoError(t, err)
	assert.Empty(t, none)
}

func normalised(v []float32) []float32 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	unit := make([]float32, len(v))
	for i, x := range v {
		unit[i] = float32(float64(x) / math.Sqrt(sum))
	}
	return unit
}

func TestNothingIsSentOfDocumentsThatDoNotFit(t *testing.T) {
	t.Parallel()
	db, cluster := connect(t, 1)
	books := openShelf(t, db)
	good := shelf()[0]
	for name, c := range map[string]struct {
		spoil func(*Book)
		field string
		want  string
	}{
		"another dimension": {func(b *Book) { b.Text = b.Text[:3] }, "text", "3 dimensions instead of 4"},
		"not a number":      {func(b *Book) { b.Text = []float32{1, float32(math.NaN()), 0, 0} }, "text[1]", "NaN"},
		"infinite":          {func(b *Book) { b.Text = []float32{1, 0, float32(math.Inf(1)), 0} }, "text[2]", "Inf"},
		"no vector":         {func(b *Book) { b.Text = nil }, "text", "empty"},
		"sparse twice":      {func(b *Book) { b.Words = vector.Sparse{Indices: []uint32{1, 1}, Values: []float32{1, 2}} }, "words", "twice"},
		"payload":           {func(b *Book) { b.Rating = math.Inf(-1) }, "rating", "Inf"},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(cluster.Calls())
			bad := good
			bad.ID = 12
			c.spoil(&bad)
			err := books.Upsert(t.Context(), good, bad)
			var refused *vector.DocumentError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, 1, refused.Position)
			assert.Equal(t, vector.Num(12), refused.ID)
			assert.Equal(t, c.field, refused.Field)
			assert.Contains(t, refused.Reason, c.want)
			assert.ErrorIs(t, err, vector.ErrInvalid)
			assert.Len(t, cluster.Calls(), before)
		})
	}
}

func TestTheSameIDTwiceIsRefused(t *testing.T) {
	t.Parallel()
	db, _ := connect(t, 1)
	books := openShelf(t, db)
	twice := append(shelf(), shelf()[1])
	for _, err := range []error{books.Upsert(t.Context(), twice...), books.UpdateVectors(t.Context(), twice...)} {
		var refused *vector.DocumentError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, vector.DocumentError{Position: 5, ID: vector.Num(2), Field: "id", Reason: "document 1 has the same"}, *refused)
	}
}

func TestUpdateVectorsLooksAtVectorsOnly(t *testing.T) {
	t.Parallel()
	db, _ := connect(t, 1)
	books := openShelf(t, db)
	ctx := t.Context()
	require.NoError(t, books.UpdateVectors(ctx, Book{ID: 3, Words: vector.Sparse{Indices: []uint32{9}, Values: []float32{9}}, Rating: math.NaN()}))
	book, err := books.One(ctx, vector.Num(3))
	require.NoError(t, err)
	assert.Equal(t, []uint32{9}, book.Words.Indices)
	assert.InDeltaSlice(t, normalised(shelf()[2].Text), book.Text, 1e-6, "the vector that was empty stays")
	assert.Equal(t, "Der Zauberberg", book.Title)
	require.Error(t, books.UpdateVectors(ctx, Book{ID: 3}), "no vector at all")
}

func TestVectorsOfPointsCanBeDeleted(t *testing.T) {
	t.Parallel()
	db, _ := connect(t, 1)
	openShelf(t, db)
	points, err := vector.Open[vector.Point](t.Context(), db, "books", vector.MustExist())
	require.NoError(t, err)
	require.NoError(t, points.DeleteVectors(t.Context(), vector.Points(vector.Num(1)), "words"))
	p, err := points.One(t.Context(), vector.Num(1))
	require.NoError(t, err)
	assert.NotContains(t, p.Vectors, "words")
	assert.Contains(t, p.Vectors, "text")
}

func TestModesOfWriting(t *testing.T) {
	t.Parallel()
	db, _ := connect(t, 1)
	books := openShelf(t, db)
	other := func(id uint64, title string) Book {
		return Book{ID: id, Text: []float32{1, 0, 0, 0}, Title: title, Year: 2000}
	}
	title := func(id uint64) string {
		b, err := books.One(t.Context(), vector.Num(id))
		if errors.Is(err, vector.ErrNotFound) {
			return ""
		}
		require.NoError(t, err)
		return b.Title
	}
	require.NoError(t, books.Insert(t.Context(), other(1, "inserted"), other(11, "inserted")))
	assert.Equal(t, []string{"The Sea", "inserted"}, []string{title(1), title(11)})
	require.NoError(t, books.Replace(t.Context(), other(1, "replaced"), other(12, "replaced")))
	assert.Equal(t, []string{"replaced", ""}, []string{title(1), title(12)})
	require.NoError(t, books.UpsertIf(t.Context(), vector.Where("year").Lt(1900), other(2, "newer"), other(3, "newer"), other(13, "newer")))
	assert.Equal(t, []string{"newer", "Der Zauberberg", "newer"}, []string{title(2), title(3), title(13)})
	require.ErrorContains(t, books.UpsertIf(t.Context(), vector.Where("yearr").Lt(1900), other(2, "x")), `no payload field "yearr"`)
}

func TestPartialFailuresNameTheIDs(t *testing.T) {
	t.Parallel()
	db, cluster := connect(t, 1)
	type wide struct {
		ID uint64    `vector:",id"`
		V  []float32 `vector:",vector,unnamed,size=60000"`
	}
	wides, err := vector.Open[wide](t.Context(), db, "wide")
	require.NoError(t, err)
	var documents []wide // three to a request
	for i := range 9 {
		documents = append(documents, wide{uint64(i), slices.Repeat([]float32{float32(i + 1)}, 60000)})
	}
	upserts := 0
	cluster.Server(0).FailCalls(qdranttest.CallFault{Method: "Upsert", Times: 1, Code: codes.InvalidArgument, Message: "no room"})
	err = wides.Upsert(t.Context(), documents...)
	for _, call := range cluster.Calls() {
		if call.Method == "qdrant.Points/Upsert" {
			upserts++
		}
	}
	require.Equal(t, 3, upserts)
	var partial *vector.PartialError
	require.ErrorAs(t, err, &partial)
	assert.Equal(t, 6, partial.Acknowledged)
	var failed []vector.ID
	for _, p := range partial.Failed {
		failed = append(failed, p.ID)
		assert.ErrorIs(t, p.Err, vector.ErrInvalid)
		assert.ErrorContains(t, p.Err, "writing 3 documents to collection wide: no room")
	}
	assert.Equal(t, []vector.ID{vector.Num(0), vector.Num(1), vector.Num(2)}, failed)
	assert.ErrorIs(t, err, vector.ErrInvalid, "what all failures have in common can be asked of the whole")
	require.NoError(t, wides.Upsert(t.Context(), documents...), "again is safe")

	before := len(cluster.Calls())
	cluster.Server(0).FailCalls(qdranttest.CallFault{Method: "Upsert", Times: 1, Code: codes.PermissionDenied, Message: "read only"})
	err = wides.Upsert(t.Context(), documents...)
	require.ErrorIs(t, err, vector.ErrUnauthorized)
	assert.Len(t, cluster.Calls(), before+1, "the others would be refused as well")
}

func TestWhatSelectsEverythingByMistakeIsRefused(t *testing.T) {
	t.Parallel()
	db, _ := connect(t, 1)
	books := openShelf(t, db)
	ctx := t.Context()
	for name, err := range map[string]error{
		"no condition":     books.DeleteWhere(ctx, vector.Filter{}),
		"no points":        books.DeleteWhere(ctx, vector.Points()),
		"nothing":          books.DeleteWhere(ctx, nil),
		"an unknown field": books.DeleteWhere(ctx, vector.Where("langg").Is("en")),
		"a wrong range":    books.ClearPayload(ctx, vector.Range("year", 3, 2)),
		"unknown payload":  books.SetPayload(ctx, vector.Points(vector.Num(1)), map[string]any{"titel": "x"}),
		"a wrong type":     books.SetPayload(ctx, vector.Points(vector.Num(1)), map[string]any{"year": "x"}),
		"unknown vectors":  books.DeleteVectors(ctx, vector.Points(vector.Num(1)), "picture"),
	} {
		t.Run(name, func(t *testing.T) { require.Error(t, err) })
	}
	n, err := books.Count(ctx, vector.Filter{})
	require.NoError(t, err)
	assert.EqualValues(t, len(shelf()), n)
	require.NoError(t, books.Delete(ctx), "no ids, nothing to do")
	require.NoError(t, books.DeleteWhere(ctx, vector.Everything()), "what is said is meant")
	n, err = books.Count(ctx, vector.Filter{})
	require.NoError(t, err)
	assert.Zero(t, n)
}

func TestPayloadOperations(t *testing.T) {
	t.Parallel()
	db, _ := connect(t, 1)
	books := openShelf(t, db)
	ctx := t.Context()
	one := func(id uint64) Book {
		b, err := books.One(ctx, vector.Num(id))
		require.NoError(t, err)
		return b
	}
	require.NoError(t, books.SetPayload(ctx, vector.Where("lang").Is("de"), map[string]any{"rating": 1.5}))
	assert.InDelta(t, 1.5, one(3).Rating, 0)
	assert.Equal(t, "Der Zauberberg", one(3).Title, "the rest stays")
	require.NoError(t, books.OverwritePayload(ctx, vector.Points(vector.Num(3)), map[string]any{"title": "T"}))
	assert.Equal(t, Book{ID: 3, Title: "T"}, payloadOf(one(3)))
	require.NoError(t, books.DeletePayload(ctx, vector.Points(vector.Num(4)), "author.name", "year"))
	assert.Empty(t, one(4).Author.Name)
	assert.Zero(t, one(4).Year)
	require.NoError(t, books.ClearPayload(ctx, vector.Points(vector.Num(5))))
	assert.Equal(t, Book{ID: 5}, payloadOf(one(5)))
	assert.NotEmpty(t, one(5).Text)
}

func payloadOf(b Book) Book {
	b.Text, b.Words = nil, vector.Sparse{}
	return b
}

func TestScrollEndsEarlyAndSaysWhatWentWrong(t *testing.T) {
	t.Parallel()
	db, cluster := connect(t, 1)
	type number struct {
		ID uint64    `vector:",id"`
		V  []float32 `vector:",vector,unnamed,size=1"`
	}
	numbers, err := vector.Open[number](t.Context(), db, "numbers")
	require.NoError(t, err)
	var all []number
	for i := range 600 {
		all = append(all, number{uint64(i), []float32{1}})
	}
	require.NoError(t, numbers.Upsert(t.Context(), all...))

	seen := 0
	for n, err := range numbers.Scroll(t.Context(), vector.Filter{}) {
		require.NoError(t, err)
		require.EqualValues(t, seen, n.ID)
		seen++
	}
	assert.Equal(t, 600, seen)

	before := len(cluster.Calls())
	for _, err := range numbers.Scroll(t.Context(), vector.Filter{}) {
		require.NoError(t, err)
		break
	}
	assert.Len(t, cluster.Calls(), before+1, "one page is enough for one document")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen = 0
	var last error
	for _, err := range numbers.Scroll(ctx, vector.Filter{}) {
		if seen == 10 {
			cancel()
		}
		if last = err; err == nil {
			seen++
		}
	}
	require.ErrorIs(t, last, context.Canceled)
	assert.Equal(t, 256, seen, "the page that was there, and then the error, once")
}
