package vector

import (
	"math"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	query := `collection_name: "c" query { nearest { dense { data: 1 } } } `
	all := `with_payload { enable: true } `
	ef := `params { hnsw_ef: 99 } `
	a, b := `must { field { key: "a" match { integer: 1 } } } `, `must { field { key: "b" match { integer: 2 } } } `
	tests := []struct {
		name    string
		options []Option
		want    string
	}{
		{"none", nil, all + ef},
		{"filter", []Option{Where("a").Is(1)}, all + ef + `filter {` + a + `}`},
		{"filters", []Option{Where("a").Is(1), Limit(1), Where("b").Is(2)}, all + ef + `limit: 1 filter {` + a + b + `}`},
		{"zero filter", []Option{Filter{}}, all + ef},
		{"everything", []Option{Everything()}, all + ef + `filter {}`},
		{"limit and offset", []Option{Limit(5), Offset(0)}, all + ef + `limit: 5 offset: 0`},
		{"the later limit", []Option{Limit(5), Limit(6)}, all + ef + `limit: 6`},
		{"ef", []Option{EF(64)}, all + `params { hnsw_ef: 64 }`},
		{"exact", []Option{Exact()}, all + `params { exact: true }`},
		{"indexed only", []Option{IndexedOnly()}, all + `params { hnsw_ef: 99 indexed_only: true }`},
		{"quantization", []Option{Oversampling(2.5), Rescoring(false)}, all + `params { hnsw_ef: 99 quantization { oversampling: 2.5 rescore: false } }`},
		{"no quantization", []Option{IgnoreQuantization()}, all + `params { hnsw_ef: 99 quantization { ignore: true } }`},
		{"acorn", []Option{Acorn(0.25)}, all + `params { hnsw_ef: 99 acorn { enable: true max_selectivity: 0.25 } }`},
		{"threshold", []Option{Threshold(-0.5)}, all + ef + `score_threshold: -0.5`},
		{"using", []Option{Using("text")}, all + ef + `using: "text"`},
		{"payload", []Option{WithPayload()}, all + ef},
		{"payload fields", []Option{WithPayload("a", "b.c")}, ef + `with_payload { include { fields: "a" fields: "b.c" } }`},
		{"no payload", []Option{WithoutPayload()}, ef + `with_payload { enable: false }`},
		{"other payload fields", []Option{WithoutPayload("a")}, ef + `with_payload { exclude { fields: "a" } }`},
		{"vectors", []Option{WithVectors()}, all + ef + `with_vectors { enable: true }`},
		{"vectors by name", []Option{WithVectors("", "text")}, all + ef + `with_vectors { include { names: "" names: "text" } }`},
		{"consistency", []Option{Consistency(ReadMajority)}, all + ef + `read_consistency { type: Majority }`},
		{"shard keys", []Option{ShardKeys("x", 7)}, all + ef + `shard_key_selector { shard_keys { keyword: "x" } shard_keys { number: 7 } }`},
		{"shard keys with a fallback", []Option{ShardFallback("rest"), ShardKeys("x")},
			all + ef + `shard_key_selector { shard_keys { keyword: "x" } fallback { keyword: "rest" } }`},
		{"timeout", []Option{Timeout(1500 * time.Millisecond)}, all + ef + `timeout: 2`},
		{"lookup", []Option{LookupFrom("other", "")}, all + ef + `lookup_from { collection_name: "other" }`},
		{"lookup in shards", []Option{LookupFrom("other", "v", "x")},
			all + ef + `lookup_from { collection_name: "other" vector_name: "v" shard_key_selector { shard_keys { keyword: "x" } } }`},
		{"raw", []Option{Raw(func(r *qdrant.QueryPoints) { r.Limit = new(uint64(3)) }), Limit(5)}, all + ef + `limit: 3`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := buildQuery("c", Nearest([]float32{1}), test.options, defaults{ef: 99})
			require.NoError(t, err)
			requireProto(t, query+test.want, got)
		})
	}
}

func TestOptionsRefuse(t *testing.T) {
	t.Parallel()
	nearest := Nearest([]float32{1})
	raw := func(*qdrant.PrefetchQuery) {}
	tests := []struct {
		name    string
		query   Query
		options []Option
		want    string
	}{
		{"nil", nearest, []Option{Limit(1), nil}, "option 1 is nil"},
		{"limit", nearest, []Option{Limit(0)}, "limit: 0 is less than 1"},
		{"offset", nearest, []Option{Offset(-1)}, "offset: -1 is less than 0"},
		{"ef", nearest, []Option{EF(0)}, "ef: 0 is less than 1"},
		{"oversampling", nearest, []Option{Oversampling(0.5)}, "oversampling: 0.5 is not 1 or more"},
		{"wild oversampling", nearest, []Option{Oversampling(math.NaN())}, "oversampling: NaN is not 1 or more"},
		{"endless oversampling", nearest, []Option{Oversampling(math.Inf(1))}, "oversampling: +Inf is not 1 or more"},
		{"acorn", nearest, []Option{Acorn(1.5)}, "acorn: a selectivity of 1.5 is not within 0 and 1"},
		{"threshold", nearest, []Option{Threshold(float32(math.NaN()))}, "threshold: NaN is no score"},
		{"threshold without scores", OrderBy("a", Ascending, nil), []Option{Threshold(1)}, "search: a threshold without scores"},
		{"threshold without a query", nil, []Option{Threshold(1)}, "search: a threshold without scores"},
		{"payload", nearest, []Option{WithPayload("a", "b c")}, `payload: path "b c": ' ' outside double quotes`},
		{"no payload", nearest, []Option{WithoutPayload("")}, "payload: no name"},
		{"no shard keys", nearest, []Option{ShardKeys()}, "shard keys: none"},
		{"odd shard keys", nearest, []Option{ShardKeys("x", -1, 1.5)}, "shard key 1: -1 is no string and no unsigned number\nshard key 2: 1.5 is no string and no unsigned number"},
		{"fallback alone", nearest, []Option{ShardFallback("x")}, "search: ShardFallback without ShardKeys"},
		{"timeout", nearest, []Option{Timeout(0)}, "timeout: 0s"},
		{"lookup", nearest, []Option{LookupFrom("", "v")}, "lookup: no collection"},
		{"no raw", nearest, []Option{Raw(nil)}, "raw: there is no function"},
		{"no raw groups", nearest, []Option{RawGroups(nil)}, "raw groups: there is no function"},
		{"no raw fetch", Fuse(RRF, Fetch(nearest, RawFetch(nil))), nil, "fetch 0: raw fetch: there is no function"},
		{"consistency", nearest, []Option{Consistency(-7)}, "consistency: -7 is neither a number of replicas nor one of the names"},
		{"lookup of groups", nearest, []Option{WithLookup("x")}, "search: WithLookup and RawGroups belong to searches in groups"},
		{"raw groups", nearest, []Option{RawGroups(func(*qdrant.QueryPointGroups) {})}, "search: WithLookup and RawGroups belong to searches in groups"},
		{"raw fetch", nearest, []Option{RawFetch(raw)}, "search: RawFetch belongs into Fetch"},
		{"using in a fusion", Fuse(RRF, Fetch(Sample())), []Option{Using("x")}, `search: a fusion uses the vectors of its searches, not "x"`},
		{"using in a weighted fusion", Fuse(RRFWith(1), Fetch(Sample())), []Option{Using("x")}, `search: a fusion uses the vectors of its searches, not "x"`},
		{"filter", nearest, []Option{Where("").Is(1), Where("b").Gt(nil)}, "filter on a field without a name: is: no name\nfilter on b: greater than: no bound"},
		{"filter and limit", nearest, []Option{Limit(0), Where("b").Gt(nil)}, "filter on b: greater than: no bound\nlimit: 0 is less than 1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := buildQuery("c", test.query, test.options, defaults{ef: 99})
			require.EqualError(t, err, test.want)
			require.ErrorIs(t, err, ErrInvalid)
			assert.Nil(t, got)
		})
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	known := defaults{
		consistency: qdrant.NewReadConsistencyFactor(2),
		shards:      &qdrant.ShardKeySelector{ShardKeys: []*qdrant.ShardKey{qdrant.NewShardKey("x")}},
	}
	got, err := buildQuery("c", nil, nil, known)
	require.NoError(t, err)
	requireProto(t, allPayload+`read_consistency { factor: 2 } shard_key_selector { shard_keys { keyword: "x" } }`, got)

	got, err = buildQuery("c", Nearest([]float32{1}), []Option{Consistency(3), ShardKeys("y")}, known)
	require.NoError(t, err)
	requireProto(t, allPayload+`query { nearest { dense { data: 1 } } } read_consistency { factor: 3 } shard_key_selector { shard_keys { keyword: "y" } }`, got)
}

func TestRawLeavesOptionsAlone(t *testing.T) {
	t.Parallel()
	filter := Where("a").Is(1)
	before, err := filter.Proto()
	require.NoError(t, err)
	options := []Option{filter, Using("x"), Threshold(1), Oversampling(2), Rescoring(true), Acorn(0.5), LookupFrom("o", "v"), Limit(5)}
	known := defaults{ef: 99}
	first, err := buildQuery("c", Nearest([]float32{1}), options, known)
	require.NoError(t, err)
	spoil := Raw(func(r *qdrant.QueryPoints) {
		r.Filter.Must[0].GetField().Key = "b"
		*r.Using, *r.ScoreThreshold, *r.Limit, *r.LookupFrom.VectorName, *r.Params.HnswEf = "y", 2, 6, "w", 1
		*r.Params.Quantization.Oversampling, *r.Params.Quantization.Rescore, *r.Params.Acorn.MaxSelectivity = 3, false, 1
	})
	_, err = buildQuery("c", Nearest([]float32{1}), append(options, spoil), known)
	require.NoError(t, err)
	again, err := buildQuery("c", Nearest([]float32{1}), options, known)
	require.NoError(t, err)
	assert.True(t, proto.Equal(first, again), "%v\n%v", first, again)
	after, err := filter.Proto()
	require.NoError(t, err)
	assert.True(t, proto.Equal(before, after))
}

func TestGroupRequest(t *testing.T) {
	t.Parallel()
	options := []Option{
		Where("a").Is(1), Limit(4), Using("v"), Threshold(0.5), WithPayload("a"), WithVectors("v"), Consistency(ReadAll), ShardKeys("x"),
		Timeout(time.Second), LookupFrom("other", "w"), WithLookup("docs", "title"),
		Raw(func(r *qdrant.QueryPoints) { r.Params.IndexedOnly = new(true) }),
		RawGroups(func(g *qdrant.QueryPointGroups) { g.WithLookup.WithVectors = nil }),
	}
	query, err := buildQuery("c", Nearest([]float32{1}), options, defaults{ef: 99, groups: true})
	require.NoError(t, err)
	got, err := groupRequest(query, "doc.id", 2, options...)
	require.NoError(t, err)
	requireProto(t, `collection_name: "c" group_by: "doc.id" group_size: 2 limit: 4 using: "v" score_threshold: 0.5 timeout: 1
		query { nearest { dense { data: 1 } } } params { hnsw_ef: 99 indexed_only: true }
		filter { must { field { key: "a" match { integer: 1 } } } }
		with_payload { include { fields: "a" } } with_vectors { include { names: "v" } } read_consistency { type: All }
		shard_key_selector { shard_keys { keyword: "x" } } lookup_from { collection_name: "other" vector_name: "w" }
		with_lookup { collection: "docs" with_payload { include { fields: "title" } } }`, got)

	fused, err := buildQuery("c", Fuse(RRF, Fetch(Sample())), []Option{WithLookup("docs")}, defaults{groups: true})
	require.NoError(t, err)
	got, err = groupRequest(fused, "a", 1, WithLookup("docs"))
	require.NoError(t, err)
	requireProto(t, allPayload+`group_by: "a" group_size: 1 query { fusion: RRF } prefetch { query { sample: Random } }
		with_lookup { collection: "docs" with_payload { enable: true } with_vectors { enable: false } }`, got)

	_, err = buildQuery("c", nil, []Option{Offset(1)}, defaults{groups: true})
	require.EqualError(t, err, "search: groups have no offset")
	_, err = groupRequest(&qdrant.QueryPoints{Offset: new(uint64(1))}, "a", 1)
	require.EqualError(t, err, "groups by a: groups have no offset")
	_, err = groupRequest(query, "", 1)
	require.EqualError(t, err, "groups by a field without a name: no name")
	_, err = groupRequest(query, "a", 0)
	require.EqualError(t, err, "groups by a: of 0")
	_, err = groupRequest(query, "a", 1, WithLookup(""))
	require.EqualError(t, err, "group lookup: no collection")
	_, err = groupRequest(query, "a", 1, WithLookup("x", "b c"))
	require.EqualError(t, err, `group lookup: path "b c": ' ' outside double quotes`)
	require.ErrorIs(t, err, ErrInvalid)
}

func TestRequestFields(t *testing.T) {
	t.Parallel()
	fetch := Fetch(OrderBy("year", Ascending, nil), Where("lang").Is("en"))
	formula := Formula(Add(Score(), Mul(Field("popularity").Or(0), If(Where("hot").Is(true))),
		Div(GeoDistance(Geo{}, "place"), Pow(Sqrt(Abs(Neg(Field("n")))), Exp(Ln(Log10(Field("m")))))),
		GaussDecay(DatetimeField("at"), Decay{Target: Field("g")}), ExpDecay(Field("e"), Decay{}), LinDecay(Field("l"), Decay{})), fetch, Fetch(Fuse(RRF, Fetch(Sample(), Where("deep").Exists()))))
	formula = formula.Defaults(map[string]any{"z": 1, "y": 2, "popularity": 0, "$score[1]": 3, "$score": 4})
	request, err := buildQuery("c", formula, []Option{Where("top").Null(), WithPayload("back", "top")}, defaults{})
	require.NoError(t, err)
	assert.Equal(t, []string{
		"top", "popularity", "hot", "place", "n", "m", "at", "g", "e", "l", "y", "z", "lang", "year", "deep", "back",
	}, requestFields(request))
	request, err = buildQuery("c", nil, []Option{WithoutPayload("not.back")}, defaults{})
	require.NoError(t, err)
	assert.Equal(t, []string{"not.back"}, requestFields(request))
}
