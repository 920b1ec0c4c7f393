package vector

import (
	"github.com/qdrant/go-client/qdrant"
)

// Query says what a search looks for: Nearest and its like, Recommend, Discover, Context, Feedback, OrderBy, Sample, Diverse, and those
// that go on with what other searches have found, Fuse, Rescore and Formula. nil is no query: points in the order of their ids.
//
// A query is checked when it is sent, before anything is: vectors must not be empty or hold NaN or infinities. Vectors are not copied, and
// must stay as they are until the search is over.
type Query interface {
	// queryParts is the query and the searches that come first, with the connection's defaults for these.
	queryParts(d defaults) (*qdrant.Query, []*qdrant.PrefetchQuery, error)
}

// defaults are the choices of the connection and the collection for what a search does not say.
type defaults struct {
	ef          uint64 // 0 leaves it to the server
	consistency *qdrant.ReadConsistency
	shards      *qdrant.ShardKeySelector
	groups      bool // the options may be those of a search in groups
}

// queryFunc is a query that looks into nothing else.
type queryFunc func() (*qdrant.Query, error)

func (q queryFunc) queryParts(defaults) (*qdrant.Query, []*qdrant.PrefetchQuery, error) {
	proto, err := q()
	return proto, nil, err
}

// Nearest finds the vectors nearest to one.
func Nearest(vector []float32) Query { return NearestTo(ByVector(vector)) }

// NearestSparse finds the sparse vectors nearest to one, by their dot product.
func NearestSparse(vector Sparse) Query { return NearestTo(BySparse(vector)) }

// NearestMulti finds the multi-vectors nearest to one: for each of its vectors the best of the other's counts. All have the same size.
func NearestMulti(vectors [][]float32) Query { return NearestTo(ByMulti(vectors)) }

// NearestID finds the vectors nearest to that of a point, which itself is left out.
func NearestID(id ID) Query { return NearestTo(ByID(id)) }

// NearestTo finds the vectors nearest to an example.
func NearestTo(example Example) Query {
	return queryFunc(func() (*qdrant.Query, error) {
		input, err := example.input("query")
		return &qdrant.Query{Variant: &qdrant.Query_Nearest{Nearest: input}}, err
	})
}

// Direction is the order of OrderBy.
type Direction bool

// The directions.
const (
	Ascending  Direction = false
	Descending Direction = true
)

// OrderBy returns points by the values of a payload field, which needs an index that knows ranges: integer, float or datetime. startFrom is
// the first value to return, a number or a time.Time, or nil for all. A point with several values comes once for each.
func OrderBy(field string, direction Direction, startFrom any) Query {
	return queryFunc(func() (*qdrant.Query, error) {
		order, err := orderBy(field, direction, startFrom)
		return &qdrant.Query{Variant: &qdrant.Query_OrderBy{OrderBy: order}}, err
	})
}

func orderBy(field string, direction Direction, startFrom any) (*qdrant.OrderBy, error) {
	if err := checkKey(field); err != nil {
		return nil, invalidf("order by %s: %w", quotedKey(field), err)
	}
	order := &qdrant.OrderBy{Key: field, Direction: qdrant.Direction_Asc.Enum()}
	if direction == Descending {
		order.Direction = qdrant.Direction_Desc.Enum()
	}
	start, err := filterBoundOf(startFrom)
	if err == nil && start == nil {
		return order, nil
	}
	var v filterValue
	if err == nil {
		v, err = filterValueOf(start)
	}
	if err != nil {
		return nil, invalidf("order by %s: start: %w", field, err)
	}
	switch v.kind {
	case filterInteger:
		order.StartFrom = qdrant.NewStartFromInt(v.integer)
	case filterFloat:
		order.StartFrom = qdrant.NewStartFromFloat(v.float)
	case filterTime:
		order.StartFrom = qdrant.NewStartFromTimestamp(v.time.Unix(), int32(v.time.Nanosecond()))
	default:
		return nil, invalidf("order by %s: start: %s is no number and no time", field, v.kind)
	}
	return order, nil
}

// Sample returns points at random.
func Sample() Query {
	return queryFunc(func() (*qdrant.Query, error) {
		return &qdrant.Query{Variant: &qdrant.Query_Sample{Sample: qdrant.Sample_Random}}, nil
	})
}

// Diverse picks, of the candidates nearest to a query, hits that are near to it and unlike each other (maximal marginal relevance). A
// diversity of 0 looks at nearness alone, 1 at difference alone. candidates is at most 16384, and 0 stands for the limit. The query is
// one of Nearest and its like.
//
// Each shard finds that many candidates; of all these the server (1.18) keeps as many by a throw of dice, not the nearest, since it has
// no order for them (lib/collection/src/collection/query.rs, merge of shards). With several shards even the nearest hit may be missing,
// the less often the more candidates there are.
func Diverse(query Query, diversity float32, candidates int) Query {
	return queryFunc(func() (*qdrant.Query, error) {
		if query == nil {
			return nil, invalidf("diverse query: no query")
		}
		inner, prefetch, err := query.queryParts(defaults{})
		nearest := inner.GetNearest()
		switch {
		case err != nil:
			return nil, err
		case nearest == nil || len(prefetch) > 0:
			return nil, invalidf("diverse query: not one of Nearest and its like")
		case !(diversity >= 0 && diversity <= 1):
			return nil, invalidf("diverse query: a diversity of %v is not within 0 and 1", diversity)
		case candidates < 0 || candidates > maxCandidates:
			return nil, invalidf("diverse query: %d candidates are not within 0 and %d", candidates, maxCandidates)
		}
		mmr := &qdrant.Mmr{Diversity: &diversity}
		if candidates > 0 {
			mmr.CandidatesLimit = new(uint32(candidates))
		}
		return qdrant.NewQueryMMR(nearest, mmr), nil
	})
}

// maxCandidates is the server's limit (lib/api/build.rs: Mmr.candidates_limit).
const maxCandidates = 16384

// RawQuery is a query of the raw API, which is not checked.
func RawQuery(query *qdrant.Query) Query {
	return queryFunc(func() (*qdrant.Query, error) {
		if query.GetVariant() == nil {
			return nil, invalidf("query: nothing in it")
		}
		return query, nil
	})
}

// vectorQuery says whether a query searches a graph, so that it has use for an ef.
func vectorQuery(q *qdrant.Query) bool {
	switch v := q.GetVariant().(type) {
	case *qdrant.Query_Nearest:
		return v.Nearest.GetSparse() == nil
	case *qdrant.Query_Recommend, *qdrant.Query_Discover, *qdrant.Query_Context,
		*qdrant.Query_NearestWithMmr, *qdrant.Query_RelevanceFeedback:
		return true
	default:
		return false
	}
}
