package qdranttest

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/qdrant/go-client/qdrant"
)

// search looks for points of one collection on behalf of one request. It looks at every point: there is no graph.
type search struct {
	server *Server
	col    *collection
	fields map[string]vectorField
}

// hit is a point that was found.
type hit struct {
	*point
	score float32
	order any // the value that it was ordered by, an int64 or a float64; nil if it was not ordered by one
	// unranked says that nothing compared it: the server shows a score of 1 then, and no version.
	unranked bool
}

// stage is a query, or a part of one that is fetched before.
type stage struct {
	prefetch  []*qdrant.PrefetchQuery
	query     *qdrant.Query
	using     string
	filter    *qdrant.Filter
	threshold *float32
	limit     int
	lookup    *qdrant.LookupLocation
}

// defaultLimit is how many points a query finds that does not say.
const defaultLimit = 10

// bounded is a number of points, at most more than any test has.
func bounded(n uint64) int { return int(min(n, math.MaxInt32)) }

func newStage(p *qdrant.PrefetchQuery) stage {
	st := stage{
		prefetch: p.GetPrefetch(), query: p.GetQuery(), using: p.GetUsing(), filter: p.GetFilter(), threshold: p.ScoreThreshold,
		limit: defaultLimit, lookup: p.GetLookupFrom(),
	}
	if p.Limit != nil {
		st.limit = bounded(p.GetLimit())
	}
	return st
}

// knows refuses names of vectors that there are none of.
func (s search) knows(selector *qdrant.WithVectorsSelector) error {
	for _, name := range selector.GetInclude().GetNames() {
		if _, exists := s.fields[name]; !exists {
			return wrongInput("Not existing vector name error: %s", name)
		}
	}
	return nil
}

// reading is what all requests have that read points.
type reading interface {
	GetCollectionName() string
	GetShardKeySelector() *qdrant.ShardKeySelector
	GetReadConsistency() *qdrant.ReadConsistency
}

// newSearch finds the collection to search in, if all of its shards can be asked.
func (s *Server) newSearch(of reading) (search, error) {
	_, col, err := s.find(of.GetCollectionName())
	if err != nil {
		return search{}, err
	}
	if err := unsharded(of.GetShardKeySelector()); err != nil {
		return search{}, err
	}
	if err := s.readable(col, of.GetReadConsistency()); err != nil {
		return search{}, err
	}
	return search{server: s, col: col, fields: vectorFields(col.config.GetParams())}, nil
}

// run finds the points of a stage that meet all conditions. A stage's filter counts for all that it fetches before, too.
func (s search) run(st stage, conditions []condition) ([]hit, error) {
	own, err := s.col.store.condition("filter", st.filter)
	if err != nil {
		return nil, err
	}
	rank, err := s.ranking(st)
	if err != nil {
		return nil, err
	}
	conditions = append(slices.Clone(conditions), own)
	if len(rank.examples) > 0 {
		conditions = append(conditions, func(s subject) bool { return !slices.Contains(rank.examples, s.point.id) })
	}
	if len(st.prefetch) == 0 {
		if rank.needsPrefetch != "" {
			return nil, wrongInput("Validation failed: cannot apply %s without prefetches", rank.needsPrefetch)
		}
		return rank.of([][]hit{s.candidates(conditions)})
	}
	if st.query.GetVariant() == nil {
		return nil, badRequest("A query is needed to merge the prefetches. Can't have prefetches without defining a query.")
	}
	var sources [][]hit
	for i, p := range st.prefetch {
		part := fmt.Sprintf("prefetch[%d]", i)
		if p.Limit != nil && p.GetLimit() == 0 {
			return nil, in(part, invalid("limit", "value 0 invalid, must be 1 or larger"))
		}
		fetched, err := s.run(newStage(p), conditions)
		if err != nil {
			return nil, in(part, err)
		}
		sources = append(sources, fetched)
	}
	return rank.of(sources)
}

func (s search) candidates(conditions []condition) []hit {
	var found []hit
	for _, p := range s.col.store.all() {
		subject := subject{payload: p.payload, point: p}
		if !slices.ContainsFunc(conditions, func(c condition) bool { return !c(subject) }) {
			found = append(found, hit{point: p, score: 1, unranked: true})
		}
	}
	return found
}

// ranking puts points in order, and cuts off those that come last.
type ranking struct {
	of func(sources [][]hit) ([]hit, error)
	// examples are the points that stand for their vectors. They are not found themselves.
	examples []pointID
	// needsPrefetch names a query that makes no sense without.
	needsPrefetch string
}

func (s search) ranking(st stage) (ranking, error) {
	switch q := st.query.GetVariant().(type) {
	case nil:
		return ranking{of: func(sources [][]hit) ([]hit, error) { return first(union(sources), st.limit), nil }}, nil
	case *qdrant.Query_OrderBy:
		order, err := s.col.store.order(q.OrderBy)
		return ranking{of: func(sources [][]hit) ([]hit, error) { return first(order(union(sources)), st.limit), nil }}, err
	case *qdrant.Query_Sample:
		return ranking{of: func(sources [][]hit) ([]hit, error) {
			all := union(sources)
			rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			return first(all, st.limit), nil
		}}, nil
	case *qdrant.Query_Fusion, *qdrant.Query_Rrf:
		fuse, err := fusion(st)
		return ranking{of: func(sources [][]hit) ([]hit, error) {
			fused, err := fuse(sources)
			return best(fused, false, st), err
		}, needsPrefetch: "Fusion"}, err
	case *qdrant.Query_Formula:
		score, err := s.formula(q.Formula)
		return ranking{of: func(sources [][]hit) ([]hit, error) {
			scored, err := score(sources)
			return best(scored, false, st), err
		}, needsPrefetch: "Formula"}, err
	default:
		return s.vectorRanking(st)
	}
}

// union is all hits of several sources, each point once.
func union(sources [][]hit) []hit {
	if len(sources) == 1 {
		return sources[0]
	}
	var all []hit
	seen := map[pointID]bool{}
	for _, source := range sources {
		for _, h := range source {
			if !seen[h.id] {
				seen[h.id] = true
				all = append(all, h)
			}
		}
	}
	return all
}

func first[T any](list []T, limit int) []T { return list[:min(limit, len(list))] }

// best are the hits with the best scores, best first; equal ones in order of their ids.
func best(hits []hit, smallerIsBetter bool, st stage) []hit {
	if smallerIsBetter {
		hits = slices.DeleteFunc(hits, func(h hit) bool { return st.threshold != nil && h.score > *st.threshold })
		slices.SortFunc(hits, func(a, b hit) int { return cmp.Or(cmp.Compare(a.score, b.score), a.id.compare(b.id)) })
	} else {
		hits = slices.DeleteFunc(hits, func(h hit) bool { return st.threshold != nil && h.score < *st.threshold })
		slices.SortFunc(hits, func(a, b hit) int { return cmp.Or(cmp.Compare(b.score, a.score), a.id.compare(b.id)) })
	}
	return first(hits, st.limit)
}
