package vector

import (
	"math"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/codec"
)

const allPayload = ` collection_name: "c" with_payload { enable: true } `

func TestQuery(t *testing.T) {
	t.Parallel()
	dense, other := []float32{1, 2}, []float32{3, -4}
	sparse := Sparse{Indices: []uint32{1, 7}, Values: []float32{0.5, 2}}
	when := time.Date(2024, 2, 29, 11, 30, 0, 5, time.UTC)
	id := codec.Num(7)
	tests := []struct {
		name  string
		query Query
		want  string
	}{
		{"none", nil, ``},
		{"dense", Nearest(dense), `query { nearest { dense { data: 1 data: 2 } } } params { hnsw_ef: 99 }`},
		{"sparse", NearestSparse(sparse), `query { nearest { sparse { indices: 1 indices: 7 values: 0.5 values: 2 } } }`},
		{"multi", NearestMulti([][]float32{dense, other}),
			`query { nearest { multi_dense { vectors { data: 1 data: 2 } vectors { data: 3 data: -4 } } } } params { hnsw_ef: 99 }`},
		{"id", NearestID(id), `query { nearest { id { num: 7 } } } params { hnsw_ef: 99 }`},
		{"raw input", NearestTo(ByRaw(qdrant.NewVectorInputDocument(&qdrant.Document{Text: "t", Model: "m"}))),
			`query { nearest { document { text: "t" model: "m" } } } params { hnsw_ef: 99 }`},
		{"recommend", Recommend{Positive: append(ByIDs(id, codec.Num(8)), ByVector(dense)), Negative: []Example{BySparse(sparse)}},
			`query { recommend { positive { id { num: 7 } } positive { id { num: 8 } } positive { dense { data: 1 data: 2 } }
			negative { sparse { indices: 1 indices: 7 values: 0.5 values: 2 } } strategy: AverageVector } } params { hnsw_ef: 99 }`},
		{"recommend against", Recommend{Negative: ByIDs(id), Strategy: BestScore},
			`query { recommend { negative { id { num: 7 } } strategy: BestScore } } params { hnsw_ef: 99 }`},
		{"recommend by sums", Recommend{Positive: []Example{ByMulti([][]float32{other})}, Strategy: SumScores},
			`query { recommend { positive { multi_dense { vectors { data: 3 data: -4 } } } strategy: SumScores } } params { hnsw_ef: 99 }`},
		{"discover", Discover{Target: ByID(id), Context: []Pair{{ByVector(dense), ByVector(other)}}},
			`query { discover { target { id { num: 7 } } context { pairs { positive { dense { data: 1 data: 2 } } negative { dense { data: 3 data: -4 } } } } } } params { hnsw_ef: 99 }`},
		{"discover without pairs", Discover{Target: ByID(id)}, `query { discover { target { id { num: 7 } } context {} } } params { hnsw_ef: 99 }`},
		{"context", Context{{ByID(id), ByVector(other)}},
			`query { context { pairs { positive { id { num: 7 } } negative { dense { data: 3 data: -4 } } } } } params { hnsw_ef: 99 }`},
		{"feedback", Feedback{Target: ByVector(dense), Judged: []Judged{{ByID(id), 0.5}}, A: 1, B: 2, C: 3},
			`query { relevance_feedback { target { dense { data: 1 data: 2 } } feedback { example { id { num: 7 } } score: 0.5 }
			strategy { naive { a: 1 b: 2 c: 3 } } } } params { hnsw_ef: 99 }`},
		{"order", OrderBy("year", Ascending, nil), `query { order_by { key: "year" direction: Asc } }`},
		{"order from an integer", OrderBy("year", Descending, new(2020)), `query { order_by { key: "year" direction: Desc start_from { integer: 2020 } } }`},
		{"order from a float", OrderBy("x", Ascending, 1.5), `query { order_by { key: "x" direction: Asc start_from { float: 1.5 } } }`},
		{"order from a time", OrderBy("at", Ascending, when),
			`query { order_by { key: "at" direction: Asc start_from { timestamp { seconds: 1709206200 nanos: 5 } } } }`},
		{"sample", Sample(), `query { sample: Random }`},
		{"diverse", Diverse(Nearest(dense), 0, 0), `query { nearest_with_mmr { nearest { dense { data: 1 data: 2 } } mmr { diversity: 0 } } } params { hnsw_ef: 99 }`},
		{"diverse by id", Diverse(NearestID(id), 0.25, 100),
			`query { nearest_with_mmr { nearest { id { num: 7 } } mmr { diversity: 0.25 candidates_limit: 100 } } } params { hnsw_ef: 99 }`},
		{"raw", RawQuery(qdrant.NewQueryID(id.Proto())), `query { nearest { id { num: 7 } } } params { hnsw_ef: 99 }`},
		{"rank fusion", Fuse(RRF, Fetch(Nearest(dense), Using("d"), Limit(5)), Fetch(NearestSparse(sparse), Using("s"), Where("a").Is(1))),
			`query { fusion: RRF }
			prefetch { query { nearest { dense { data: 1 data: 2 } } } using: "d" limit: 5 params { hnsw_ef: 99 } }
			prefetch { query { nearest { sparse { indices: 1 indices: 7 values: 0.5 values: 2 } } } using: "s" filter { must { field { key: "a" match { integer: 1 } } } } }`},
		{"score fusion", Fuse(DBSF, Fetch(NearestID(id), EF(5))), `query { fusion: DBSF } prefetch { query { nearest { id { num: 7 } } } params { hnsw_ef: 5 } }`},
		{"weighted fusion", Fuse(RRFWith(60, 1, 0.5), Fetch(Sample()), Fetch(nil)),
			`query { rrf { k: 60 weights: 1 weights: 0.5 } } prefetch { query { sample: Random } } prefetch {}`},
		{"fusion with the server's k", Fuse(RRFWith(0), Fetch(Sample())), `query { rrf {} } prefetch { query { sample: Random } }`},
		{"rescore", Rescore(Nearest(dense), Fetch(NearestID(id), Exact(), Threshold(0.5), LookupFrom("other", "v"))),
			`query { nearest { dense { data: 1 data: 2 } } }
			prefetch { query { nearest { id { num: 7 } } } params { exact: true } score_threshold: 0.5 lookup_from { collection_name: "other" vector_name: "v" } }`},
		{"three stages", Rescore(NearestID(id), Fetch(Fuse(RRF, Fetch(Nearest(dense)), Fetch(Sample())), Limit(20))),
			`query { nearest { id { num: 7 } } } prefetch { query { fusion: RRF } limit: 20
			prefetch { query { nearest { dense { data: 1 data: 2 } } } params { hnsw_ef: 99 } } prefetch { query { sample: Random } } }`},
		{"raw fetch", Fuse(RRF, Fetch(Sample(), RawFetch(func(p *qdrant.PrefetchQuery) { p.Using = new("x") }))),
			`query { fusion: RRF } prefetch { query { sample: Random } using: "x" }`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := buildQuery("c", test.query, nil, defaults{ef: 99})
			require.NoError(t, err)
			requireProto(t, allPayload+test.want, got)
		})
	}
}

func TestQueryRefuses(t *testing.T) {
	t.Parallel()
	id := codec.Num(7)
	nan := float32(math.NaN())
	tests := []struct {
		name  string
		query Query
		want  string
	}{
		{"empty", Nearest(nil), "query: empty vector"},
		{"not a number", Nearest([]float32{1, nan}), "query: NaN at position 1"},
		{"infinite", Nearest([]float32{float32(math.Inf(-1))}), "query: -Inf at position 0"},
		{"empty sparse", NearestSparse(Sparse{}), "query: empty vector"},
		{"lopsided sparse", NearestSparse(Sparse{Indices: []uint32{1}}), "query: 1 indices with 0 values"},
		{"repeated sparse", NearestSparse(Sparse{Indices: []uint32{1, 1}, Values: []float32{1, 1}}), "query: index 1 comes twice"},
		{"infinite sparse", NearestSparse(Sparse{Indices: []uint32{1}, Values: []float32{nan}}), "query: value NaN at index 1"},
		{"empty multi", NearestMulti(nil), "query: empty vector"},
		{"empty within multi", NearestMulti([][]float32{{1}, {}}), "query: vector 1: empty vector"},
		{"ragged multi", NearestMulti([][]float32{{1}, {1, 2}}), "query: vector 1: 2 dimensions after 1"},
		{"no example", NearestTo(Example{}), "query: no vector and no id"},
		{"no raw input", NearestTo(ByRaw(&qdrant.VectorInput{})), "query: nothing in it"},
		{"no raw query", RawQuery(nil), "query: nothing in it"},
		{"no examples", Recommend{Strategy: BestScore}, "recommend: no examples"},
		{"average of none", Recommend{Negative: ByIDs(id)}, "recommend: an average of no positive examples; BestScore and SumScores do with negative ones"},
		{"strategy", Recommend{Positive: ByIDs(id), Strategy: 9}, "recommend: unknown strategy 9"},
		{"positive", Recommend{Positive: []Example{ByID(id), {}}}, "recommend: positive example 1: no vector and no id"},
		{"negative", Recommend{Positive: ByIDs(id), Negative: []Example{ByVector(nil)}}, "recommend: negative example 0: empty vector"},
		{"no target", Discover{}, "discover: target: no vector and no id"},
		{"half a pair", Discover{Target: ByID(id), Context: []Pair{{ByID(id), ByID(id)}, {Positive: ByID(id)}}}, "discover: pair 1: negative: no vector and no id"},
		{"no context", Context{}, "context: no pairs"},
		{"bad context", Context{{ByVector([]float32{nan}), ByID(id)}}, "context: pair 0: positive: NaN at position 0"},
		{"feedback without a target", Feedback{}, "feedback: target: no vector and no id"},
		{"feedback with a wild coefficient", Feedback{Target: ByID(id), A: nan}, "feedback: coefficients NaN, 0, 0"},
		{"feedback with a negative power", Feedback{Target: ByID(id), B: -1}, "feedback: B is -1, less than 0"},
		{"feedback without an example", Feedback{Target: ByID(id), Judged: []Judged{{}}}, "feedback: example 0: no vector and no id"},
		{"feedback without a score", Feedback{Target: ByID(id), Judged: []Judged{{ByID(id), nan}}}, "feedback: example 0: NaN is no score"},
		{"order by nothing", OrderBy("", Ascending, nil), "order by a field without a name: no name"},
		{"order from text", OrderBy("a", Ascending, "x"), "order by a: start: string is no number and no time"},
		{"order from a struct", OrderBy("a", Ascending, struct{}{}), "order by a: start: struct {} is no string, number, bool or time"},
		{"order from afar", OrderBy("a", Ascending, new(new(1))), "order by a: start: **int is a pointer to a pointer"},
		{"diverse nothing", Diverse(nil, 0, 0), "diverse query: no query"},
		{"diverse order", Diverse(Sample(), 0, 0), "diverse query: not one of Nearest and its like"},
		{"diverse stages", Diverse(Rescore(NearestID(id), Fetch(Sample())), 0, 0), "diverse query: not one of Nearest and its like"},
		{"diverse error", Diverse(Nearest(nil), 0, 0), "query: empty vector"},
		{"diversity", Diverse(NearestID(id), 1.1, 0), "diverse query: a diversity of 1.1 is not within 0 and 1"},
		{"no diversity", Diverse(NearestID(id), nan, 0), "diverse query: a diversity of NaN is not within 0 and 1"},
		{"candidates", Diverse(NearestID(id), 1, 16385), "diverse query: 16385 candidates are not within 0 and 16384"},
		{"negative candidates", Diverse(NearestID(id), 1, -1), "diverse query: -1 candidates are not within 0 and 16384"},
		{"no fusion", Fuse(nil, Fetch(Sample())), "fuse: no fusion"},
		{"fusion of none", Fuse(RRF), "fuse: no searches"},
		{"weights", Fuse(RRFWith(1, 1), Fetch(Sample()), Fetch(Sample())), "fuse: 1 weights for 2 searches"},
		{"negative weight", Fuse(RRFWith(1, 1, -1), Fetch(Sample()), Fetch(Sample())), "fuse: weight 1 is -1"},
		{"wild weight", Fuse(RRFWith(1, nan), Fetch(Sample())), "fuse: weight 0 is NaN"},
		{"negative k", Fuse(RRFWith(-1), Fetch(Sample())), "fuse: a k of -1"},
		{"bad fetch", Fuse(RRF, Fetch(Sample()), Fetch(Nearest(nil))), "fetch 1: query: empty vector"},
		{"deep bad fetch", Fuse(RRF, Fetch(Fuse(DBSF, Fetch(Nearest(nil))))), "fetch 0: fetch 0: query: empty vector"},
		{"fetch with a bad filter", Fuse(RRF, Fetch(Sample(), Where("").Null())), "fetch 0: filter on a field without a name: no name"},
		{"fetch with an offset", Fuse(RRF, Fetch(Sample(), Offset(1))), "fetch 0: fetch: an offset belongs to the whole search"},
		{"fetch with payload", Fuse(RRF, Fetch(Sample(), WithoutPayload())), "fetch 0: fetch: what comes back belongs to the whole search"},
		{"fetch with vectors", Fuse(RRF, Fetch(Sample(), WithVectors())), "fetch 0: fetch: what comes back belongs to the whole search"},
		{"fetch with a timeout", Fuse(RRF, Fetch(Sample(), Timeout(1))), "fetch 0: fetch: consistency, timeout and shard keys belong to the whole search"},
		{"fetch with a lookup", Fuse(RRF, Fetch(Sample(), WithLookup("x"))), "fetch 0: fetch: groups belong to the whole search"},
		{"fetch with Raw", Fuse(RRF, Fetch(Sample(), Raw(func(*qdrant.QueryPoints) {}))), "fetch 0: fetch: Raw belongs to the whole search; RawFetch is for this one"},
		{"rescore nothing", Rescore(nil, Fetch(Sample())), "rescore: no query"},
		{"rescore none", Rescore(NearestID(id)), "rescore: no searches"},
		{"rescore a bad query", Rescore(Nearest(nil), Fetch(Sample())), "query: empty vector"},
		{"rescore stages", Rescore(Fuse(RRF, Fetch(Sample())), Fetch(Sample())), "rescore: the query has searches of its own; put it into Fetch"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := buildQuery("c", test.query, nil, defaults{ef: 99})
			require.EqualError(t, err, test.want)
			require.ErrorIs(t, err, ErrInvalid)
			assert.Nil(t, got)
		})
	}
}

func TestQueryInputs(t *testing.T) {
	t.Parallel()
	id := codec.Num(7)
	a := ByVector([]float32{1})
	tests := []struct {
		query Query
		want  []string
	}{
		{Nearest([]float32{1}), []string{"query"}},
		{Diverse(NearestID(id), 0, 0), []string{"query"}},
		{Recommend{Positive: ByIDs(id, id), Negative: []Example{a}}, []string{"positive example 0", "positive example 1", "negative example 0"}},
		{Discover{Target: a, Context: []Pair{{a, a}}}, []string{"target", "positive of pair 0", "negative of pair 0"}},
		{Context{{a, a}}, []string{"positive of pair 0", "negative of pair 0"}},
		{Feedback{Target: a, Judged: []Judged{{a, 1}}}, []string{"target", "example 0"}},
		{Sample(), nil},
	}
	for _, test := range tests {
		q, _, err := test.query.queryParts(defaults{})
		require.NoError(t, err)
		var got []string
		queryInputs(q, func(what string, input *qdrant.VectorInput) {
			assert.NotNil(t, input, what)
			got = append(got, what)
		})
		assert.Equal(t, test.want, got)
	}
}
