package vector

import (
	"fmt"
	"math"
	"slices"

	"github.com/qdrant/go-client/qdrant"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/codec"
)

// Prefetch is a search whose hits another query goes on with; see Fetch.
type Prefetch struct {
	query   Query
	options []Option
}

// Fetch is a search that comes first: its hits are what Fuse, Rescore or Formula work with, so Limit should be a multiple of the final
// one. The query may itself go on with other searches. Options about the result of the whole search, such as Offset or WithPayload, have
// no place here.
func Fetch(query Query, options ...Option) Prefetch { return Prefetch{query, options} }

// proto is the search for the raw API.
func (p Prefetch) proto(d defaults) (*qdrant.PrefetchQuery, error) {
	o, err := collectOptions(p.options)
	if err == nil {
		err = o.onlyForFetch()
	}
	if err != nil {
		return nil, err
	}
	request, err := o.request(p.query, d)
	if err != nil {
		return nil, err
	}
	fetch := &qdrant.PrefetchQuery{
		Prefetch: request.Prefetch, Query: request.Query, Using: request.Using, Filter: request.Filter, Params: request.Params,
		ScoreThreshold: request.ScoreThreshold, Limit: request.Limit, LookupFrom: request.LookupFrom,
	}
	for _, change := range o.rawFetch {
		change(fetch)
	}
	return fetch, nil
}

func (o *queryOptions) onlyForFetch() error {
	switch {
	case o.offset != nil:
		return invalidf("fetch: an offset belongs to the whole search")
	case o.payload != nil, o.vectors != nil:
		return invalidf("fetch: what comes back belongs to the whole search")
	case o.consistency != nil, o.timeout != nil, o.shards != nil:
		return invalidf("fetch: consistency, timeout and shard keys belong to the whole search")
	case o.withLookup != nil, len(o.rawGroups) > 0:
		return invalidf("fetch: groups belong to the whole search")
	case len(o.raw) > 0:
		return invalidf("fetch: Raw belongs to the whole search; RawFetch is for this one")
	default:
		return nil
	}
}

func prefetches(list []Prefetch, d defaults) ([]*qdrant.PrefetchQuery, error) {
	protos := make([]*qdrant.PrefetchQuery, len(list))
	for i, p := range list {
		var err error
		if protos[i], err = p.proto(d); err != nil {
			return nil, fmt.Errorf("fetch %d: %w", i, err)
		}
	}
	return protos, nil
}

// Fusion is how Fuse makes one ranking of several: RRF, DBSF or RRFWith.
type Fusion interface {
	fusion(sources int) (*qdrant.Query, error)
}

type plainFusion int32

const (
	// RRF is reciprocal rank fusion: a hit's score is the sum of 1/(k+rank) over the rankings, with the server's k of 2.
	RRF = plainFusion(qdrant.Fusion_RRF)
	// DBSF is distribution-based score fusion: scores are brought to one scale by their mean and deviation, and added.
	DBSF = plainFusion(qdrant.Fusion_DBSF)
)

func (f plainFusion) fusion(int) (*qdrant.Query, error) {
	return qdrant.NewQueryFusion(qdrant.Fusion(f)), nil
}

type weightedRRF struct {
	k       int
	weights []float32
}

// RRFWith is RRF with another k and a weight for each of the searches, which may be left out. A larger k makes less of the first ranks; 0
// is the server's.
func RRFWith(k int, weights ...float32) Fusion { return weightedRRF{k, slices.Clone(weights)} }

func (f weightedRRF) fusion(sources int) (*qdrant.Query, error) {
	switch {
	case f.k < 0 || f.k > math.MaxInt32:
		return nil, invalidf("fuse: a k of %d", f.k)
	case len(f.weights) > 0 && len(f.weights) != sources:
		return nil, invalidf("fuse: %d weights for %d searches", len(f.weights), sources)
	}
	for i, w := range f.weights {
		if !codec.Finite(w) || w < 0 {
			return nil, invalidf("fuse: weight %d is %v", i, w)
		}
	}
	rrf := &qdrant.Rrf{Weights: f.weights}
	if f.k > 0 {
		rrf.K = new(uint32(f.k))
	}
	return qdrant.NewQueryRRF(rrf), nil
}

type fuse struct {
	fusion   Fusion
	prefetch []Prefetch
}

// Fuse makes one ranking of the hits of several searches, as for dense and sparse vectors together.
func Fuse(fusion Fusion, prefetch ...Prefetch) Query { return fuse{fusion, prefetch} }

func (q fuse) queryParts(d defaults) (*qdrant.Query, []*qdrant.PrefetchQuery, error) {
	switch {
	case q.fusion == nil:
		return nil, nil, invalidf("fuse: no fusion")
	case len(q.prefetch) == 0:
		return nil, nil, invalidf("fuse: no searches")
	}
	query, err := q.fusion.fusion(len(q.prefetch))
	if err != nil {
		return nil, nil, err
	}
	prefetch, err := prefetches(q.prefetch, d)
	return query, prefetch, err
}

type rescore struct {
	query    Query
	prefetch []Prefetch
}

// Rescore puts the hits of other searches in the order of a query: a search by small vectors first, then by large ones among what was
// found. Where the small vectors are quantized ones that the server made of the large ones, Rescoring is the option for it.
func Rescore(query Query, prefetch ...Prefetch) Query { return rescore{query, prefetch} }

func (q rescore) queryParts(d defaults) (*qdrant.Query, []*qdrant.PrefetchQuery, error) {
	switch {
	case q.query == nil:
		return nil, nil, invalidf("rescore: no query")
	case len(q.prefetch) == 0:
		return nil, nil, invalidf("rescore: no searches")
	}
	query, inner, err := q.query.queryParts(d)
	switch {
	case err != nil:
		return nil, nil, err
	case len(inner) > 0:
		return nil, nil, invalidf("rescore: the query has searches of its own; put it into Fetch")
	}
	prefetch, err := prefetches(q.prefetch, d)
	return query, prefetch, err
}
