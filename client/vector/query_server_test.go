package vector

import (
	"slices"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/codec"
)

// TestServerAnswers has a real server answer every kind of filter, query, option and expression.
func TestServerAnswers(t *testing.T) {
	t.Parallel()
	client := servedShops(t)
	t.Run("filters", func(t *testing.T) { serverFilters(t, client) })
	t.Run("values as they are stored", func(t *testing.T) { serverStored(t, client) })
	t.Run("queries", func(t *testing.T) { serverQueries(t, client) })
	t.Run("groups", func(t *testing.T) { serverGroups(t, client) })
	t.Run("formulas", func(t *testing.T) { serverFormulas(t, client) })
	t.Run("null in a formula", func(t *testing.T) { serverNullInFormula(t, client) })
}

// serverQueries has a real server answer each kind of query, option and expression.
func serverQueries(t *testing.T, client *qdrant.Client) {
	t.Helper()
	seven, dense := codec.Num(7), []float32{0, 1}
	near7 := Nearest(shopVector(7))
	sparse := Sparse{Indices: []uint32{3, 33}, Values: []float32{2, 1}}
	stage := Fetch(near7, Using("dense"), Limit(shops))
	lookup := LookupFrom("plain", "dense")
	tests := []struct {
		name    string
		query   Query
		options []Option
		want    []int // the ids, or their head; nil where the order is not known
		count   int
	}{
		{"none", nil, []Option{Limit(3), Offset(2)}, []int{2, 3, 4}, 3},
		{"dense", near7, []Option{Using("dense"), Limit(3)}, []int{7}, 3},
		{"sparse", NearestSparse(sparse), []Option{Using("sparse")}, []int{3, 33}, 2},
		{"multi", NearestMulti([][]float32{shopVector(7), shopVector(8)}), []Option{Using("multi"), Limit(1)}, []int{7}, 1},
		{"id", NearestID(seven), []Option{Using("dense"), Limit(2)}, nil, 2},
		{"filter", near7, []Option{Using("dense"), Where("lang").Is("de"), Limit(1)}, []int{8}, 1},
		{"threshold", near7, []Option{Using("dense"), Threshold(0.9999)}, []int{7}, 1},
		{"search params", near7, []Option{Using("dense"), EF(50), IndexedOnly(), Oversampling(2), Rescoring(true), Acorn(0.4), Limit(1)}, []int{7}, 1},
		{"exact", near7, []Option{Using("dense"), Exact(), IgnoreQuantization(), Limit(1)}, []int{7}, 1},
		{"consistency and timeout", near7, []Option{Using("dense"), Consistency(ReadAll), Timeout(time.Second), Limit(1)}, []int{7}, 1},
		{"lookup", NearestID(seven), []Option{Using("dense"), lookup, Limit(1)}, nil, 1},
		{"recommend", Recommend{Positive: ByIDs(seven, codec.Num(9))}, []Option{Using("dense"), Limit(1)}, []int{8}, 1},
		{"recommend best", Recommend{Positive: ByIDs(seven), Negative: ByIDs(codec.Num(50)), Strategy: BestScore}, []Option{Using("dense"), Limit(4)}, nil, 4},
		{"recommend sum", Recommend{Positive: []Example{ByVector(dense)}, Strategy: SumScores}, []Option{Using("dense"), Limit(1)}, []int{0}, 1},
		{"recommend against sparse", Recommend{Negative: []Example{BySparse(sparse)}, Strategy: BestScore}, []Option{Using("sparse"), Limit(2)}, nil, 2},
		{"discover", Discover{Target: ByID(seven), Context: []Pair{{ByVector(dense), ByID(codec.Num(50))}}}, []Option{Using("dense"), Limit(5)}, nil, 5},
		{"discover without pairs", Discover{Target: ByID(seven)}, []Option{Using("dense"), Limit(5)}, nil, 5},
		{"context", Context{{ByID(seven), ByID(codec.Num(50))}}, []Option{Using("dense"), Limit(5)}, nil, 5},
		{"feedback", Feedback{Target: ByVector(dense), Judged: []Judged{{ByID(seven), 0.9}, {ByID(codec.Num(50)), 0.1}}, A: 1, B: 1, C: 1}, []Option{Using("dense"), Limit(5)}, nil, 5},
		{"feedback without judgements", Feedback{Target: ByVector(dense), A: 1, B: 1, C: 1}, []Option{Using("dense"), Limit(5)}, []int{0}, 5},
		{"order", OrderBy("n", Descending, 20), []Option{Limit(2)}, []int{20, 19}, 2},
		{"order from a float", OrderBy("rating", Ascending, 2.3), []Option{Limit(2)}, []int{10, 11}, 2},
		{"order from a time", OrderBy("at", Ascending, newShop(10).at), []Option{Limit(2)}, []int{10, 11}, 2},
		{"sample", Sample(), []Option{Limit(5)}, nil, 5},
		// With fewer candidates than there are points, the server leaves some out at random.
		{"diverse", Diverse(near7, 1, shops), []Option{Using("dense"), Limit(2)}, []int{7, 59}, 2},
		{"not diverse", Diverse(near7, 0, shops), []Option{Using("dense"), Limit(1)}, []int{7}, 1},
		{"diverse within the limit", Diverse(near7, 0.5, 0), []Option{Using("dense"), Limit(3)}, nil, 3},
		{"raw", RawQuery(qdrant.NewQueryDense(shopVector(7))), []Option{Raw(func(r *qdrant.QueryPoints) { r.Using = new("dense") }), Limit(1)}, []int{7}, 1},
		{"rank fusion", Fuse(RRF, stage, Fetch(NearestSparse(sparse), Using("sparse"))), []Option{Limit(5)}, nil, 5},
		{"score fusion", Fuse(DBSF, stage, Fetch(NearestSparse(sparse), Using("sparse"))), []Option{Limit(5)}, nil, 5},
		{"weighted fusion", Fuse(RRFWith(60, 1, 100), stage, Fetch(NearestSparse(sparse), Using("sparse"))), []Option{Limit(5)}, []int{3, 33}, 5},
		{"fusion with the server's k", Fuse(RRFWith(0), stage), []Option{Limit(1)}, []int{7}, 1},
		{"fusion of one that has no query", Fuse(RRF, Fetch(nil, Limit(2))), nil, nil, 2},
		{"rescore", Rescore(NearestMulti([][]float32{shopVector(7)}), stage), []Option{Using("multi"), Limit(2)}, nil, 2},
		{"rescore with an order", Rescore(OrderBy("n", Descending, nil), stage), []Option{Limit(2)}, []int{59, 58}, 2},
		{"three stages", Rescore(near7, Fetch(Fuse(RRF, stage, Fetch(Sample(), Limit(5))), Limit(30))), []Option{Using("dense"), Limit(1)}, []int{7}, 1},
		{"fetch with options", Rescore(near7, Fetch(NearestID(seven), Using("dense"), lookup, Exact(), Threshold(0.5), Where("open").Is(true), Limit(20))),
			[]Option{Using("dense"), Limit(2)}, nil, 2},
		{"diverse after a search", Rescore(Diverse(near7, 0.5, shops), stage), []Option{Using("dense"), Limit(2)}, []int{7}, 2},
		{"payload", near7, []Option{Using("dense"), WithPayload("lang", `"with space"`), WithVectors("sparse"), Limit(1)}, []int{7}, 1},
		{"no payload", near7, []Option{Using("dense"), WithoutPayload("lang"), WithVectors(), Limit(1)}, []int{7}, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			request, err := buildQuery("indexed", test.query, test.options, defaults{ef: 64})
			require.NoError(t, err)
			points, err := client.Query(t.Context(), request)
			require.NoError(t, err, "%v", request)
			ids := hitIDs(points)
			assert.Len(t, ids, test.count)
			assert.True(t, slices.Equal(test.want, ids[:min(len(test.want), len(ids))]), "%v", ids)
		})
	}
}

func hitIDs(points []*qdrant.ScoredPoint) []int {
	var ids []int
	for _, p := range points {
		ids = append(ids, int(p.GetId().GetNum()))
	}
	return ids
}

// serverGroups has a real server answer a search in groups.
func serverGroups(t *testing.T, client *qdrant.Client) {
	t.Helper()
	options := []Option{Using("dense"), Limit(2), WithLookup("plain", "lang"), RawGroups(func(g *qdrant.QueryPointGroups) { g.GroupSize = new(uint64(2)) })}
	query, err := buildQuery("indexed", Nearest(shopVector(7)), options, defaults{ef: 64, groups: true})
	require.NoError(t, err)
	request, err := groupRequest(query, `"with space"`, 5, options...)
	require.NoError(t, err)
	groups, err := client.QueryGroups(t.Context(), request)
	require.NoError(t, err)
	require.Len(t, groups, 2)
	assert.Equal(t, int64(0), groups[0].GetId().GetIntegerValue())
	assert.Len(t, groups[0].GetHits(), 2)
	assert.Equal(t, "en", groups[0].GetLookup().GetPayload()["lang"].GetStringValue())
}
