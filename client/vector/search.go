package vector

import (
	"context"
	"fmt"
	"slices"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/codec"
)

// Hit is a document that a search has found.
type Hit[T any] struct {
	// Document has its payload; its vectors only if WithVectors asked for them.
	Document T
	ID       ID
	// Score is the similarity for Cosine and Dot, the distance for Euclid and Manhattan, or what a fusion or a formula makes of them.
	Score float32
	// Version counts the changes to the point's shard until the point was written last.
	Version uint64
}

// Search finds the documents nearest to a query, best first; 10 unless Limit says otherwise. The query may be a vector, an id, examples,
// several searches fused, or a formula. Where the schema has one vector of the query's kind, Using need not name it.
//
//	hits, err := docs.Search(ctx, vector.Nearest(v), vector.Where("lang").Is("en"), vector.Limit(5))
func (c *Collection[T]) Search(ctx context.Context, query Query, options ...Option) ([]Hit[T], error) {
	act := "searching collection " + c.name
	request, err := c.search(query, options, false)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", act, err)
	}
	points, err := c.db.Raw().Query(ctx, request)
	if err != nil {
		return nil, wrap(act, err)
	}
	return c.hits(act, points)
}

// Request is a search that is part of a SearchBatch.
type Request struct {
	query   Query
	options []Option
}

// Ask is a search for SearchBatch, with the arguments of Search.
func Ask(query Query, options ...Option) Request { return Request{query, options} }

// SearchBatch does several searches in one call, and returns what each has found. It saves round trips. Consistency and Timeout hold for the
// call: all of its searches must name the same.
func (c *Collection[T]) SearchBatch(ctx context.Context, requests ...Request) ([][]Hit[T], error) {
	act := fmt.Sprintf("searching collection %s %d times", c.name, len(requests))
	if len(requests) == 0 {
		return nil, nil
	}
	batch := &qdrant.QueryBatchPoints{CollectionName: c.name, QueryPoints: make([]*qdrant.QueryPoints, len(requests))}
	for i, r := range requests {
		request, err := c.search(r.query, r.options, false)
		if err != nil {
			return nil, fmt.Errorf("%s: search %d: %w", act, i, err)
		}
		if i == 0 {
			batch.ReadConsistency, batch.Timeout = request.ReadConsistency, request.Timeout
		}
		if !proto.Equal(request.GetReadConsistency(), batch.GetReadConsistency()) || request.GetTimeout() != batch.GetTimeout() {
			return nil, fmt.Errorf("%s: search %d: %w", act, i, invalidf("a consistency or timeout of its own; those of the first count for all"))
		}
		batch.QueryPoints[i] = request
	}
	results, err := c.db.Raw().QueryBatch(ctx, batch)
	if err != nil {
		return nil, wrap(act, err)
	}
	if len(results) != len(requests) {
		return nil, fmt.Errorf("%s: the server answered %d of them", act, len(results))
	}
	found := make([][]Hit[T], len(results))
	for i, result := range results {
		if found[i], err = c.hits(act, result.GetResult()); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// Group is documents that have the same value in a payload field.
type Group[T any] struct {
	// Value is a string or an int64.
	Value any
	Hits  []Hit[T]
	// Lookup is the payload of the point whose id is Value in the collection that WithLookup named; nil without it, or if there is none.
	Lookup map[string]any
}

// SearchGroups finds the best groups of documents by the value of a payload field, which must be keywords or integers, such as the one
// document that a chunk of text belongs to. Limit is the number of groups, 10 unless it says otherwise, and size that of documents in each.
func (c *Collection[T]) SearchGroups(ctx context.Context, query Query, field string, size int, options ...Option) ([]Group[T], error) {
	act := fmt.Sprintf("searching collection %s by %s", c.name, field)
	if err := c.known([]string{field}); err != nil {
		return nil, fmt.Errorf("%s: %w", act, err)
	}
	search, err := c.search(query, options, true)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", act, err)
	}
	request, err := groupRequest(search, field, size, options...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", act, err)
	}
	groups, err := c.db.Raw().QueryGroups(ctx, request)
	if err != nil {
		return nil, wrap(act, err)
	}
	found := make([]Group[T], len(groups))
	for i, g := range groups {
		switch id := g.GetId().GetKind().(type) {
		case *qdrant.GroupId_StringValue:
			found[i].Value = id.StringValue
		case *qdrant.GroupId_IntegerValue:
			found[i].Value = id.IntegerValue
		case *qdrant.GroupId_UnsignedValue:
			found[i].Value = int64(id.UnsignedValue)
		}
		if found[i].Hits, err = c.hits(act, g.GetHits()); err != nil {
			return nil, err
		}
		if lookup := g.GetLookup(); lookup != nil {
			found[i].Lookup = make(map[string]any, len(lookup.GetPayload()))
			for field, value := range lookup.GetPayload() {
				found[i].Lookup[field] = codec.Any(value)
			}
		}
	}
	return found, nil
}

// Facet is a value of a payload field and how many documents have it.
type Facet struct {
	// Value is a string, an int64 or a bool.
	Value any
	Count uint64
}

// Facets counts the values of an indexed payload field among the documents that match a filter, the most frequent first, at most limit.
// The counts are exact.
func (c *Collection[T]) Facets(ctx context.Context, field string, filter Filter, limit int) ([]Facet, error) {
	act := fmt.Sprintf("counting values of %s in collection %s", field, c.name)
	condition, err := c.filter(filter)
	if err == nil {
		err = c.known([]string{field})
	}
	if err == nil && limit < 1 {
		err = invalidf("a limit of %d", limit)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", act, err)
	}
	hits, err := c.db.Raw().Facet(ctx, &qdrant.FacetCounts{
		CollectionName: c.name, Key: field, Filter: condition, Limit: qdrant.PtrOf(uint64(limit)), Exact: qdrant.PtrOf(true),
		ReadConsistency: c.reads, ShardKeySelector: c.shards,
	})
	if err != nil {
		return nil, wrap(act, err)
	}
	facets := make([]Facet, len(hits))
	for i, hit := range hits {
		facets[i].Count = hit.GetCount()
		switch value := hit.GetValue().GetVariant().(type) {
		case *qdrant.FacetValue_StringValue:
			facets[i].Value = value.StringValue
		case *qdrant.FacetValue_IntegerValue:
			facets[i].Value = value.IntegerValue
		case *qdrant.FacetValue_BoolValue:
			facets[i].Value = value.BoolValue
		}
	}
	return facets, nil
}

// search is the request of a search, checked against the schema and completed with what the collection and the connection know.
func (c *Collection[T]) search(query Query, options []Option, groups bool) (*qdrant.QueryPoints, error) {
	if c.misuse != nil {
		return nil, c.misuse
	}
	request, err := buildQuery(c.name, query, options, defaults{
		ef: c.db.config.Profile.EF, consistency: c.reads, shards: c.shards, groups: groups,
	})
	if err == nil {
		err = c.known(requestFields(request))
	}
	if err != nil {
		return nil, err
	}
	if err := c.complete(request.GetQuery(), len(request.GetPrefetch()) > 0, &request.Using); err != nil {
		return nil, err
	}
	return request, c.completePrefetch(request.GetPrefetch())
}

func (c *Collection[T]) completePrefetch(prefetch []*qdrant.PrefetchQuery) error {
	for _, p := range prefetch {
		if err := c.complete(p.GetQuery(), len(p.GetPrefetch()) > 0, &p.Using); err != nil {
			return err
		}
		if err := c.completePrefetch(p.GetPrefetch()); err != nil {
			return err
		}
	}
	return nil
}

// complete names the vector that a query means, where only one can be meant, and checks the query's own vectors by it.
func (c *Collection[T]) complete(query *qdrant.Query, rescores bool, using **string) error {
	if *using == nil && (!rescores || hasVectors(query)) {
		*using = c.using(query)
	}
	var wrong error
	queryInputs(query, func(what string, input *qdrant.VectorInput) {
		var name string
		if *using != nil {
			name = **using
		}
		dense := input.GetDense()
		if several := input.GetMultiDense().GetVectors(); len(several) > 0 {
			dense = several[0] // the others are as long, or the query would have been refused
		}
		if size, known := c.sizes[name]; dense != nil && known && len(dense.GetData()) != size && wrong == nil {
			wrong = invalidf("%s: %d dimensions instead of %d", what, len(dense.GetData()), size)
		}
	})
	return wrong
}

func hasVectors(query *qdrant.Query) bool {
	has := false
	queryInputs(query, func(string, *qdrant.VectorInput) { has = true })
	return has
}

// using is the name of the schema's only vector of the query's kind, or its only vector at all where the query has just ids; nil where the
// default vector is meant, or where it is not clear.
func (c *Collection[T]) using(query *qdrant.Query) *string {
	kinds := map[codec.VectorKind]bool{}
	queryInputs(query, func(_ string, input *qdrant.VectorInput) {
		switch {
		case input.GetSparse() != nil:
			kinds[codec.SparseVector] = true
		case input.GetMultiDense() != nil:
			kinds[codec.Multi] = true
		case input.GetDense() != nil:
			kinds[codec.Dense] = true
		}
	})
	candidates := slices.DeleteFunc(slices.Clone(c.schema.Vectors), func(v codec.VectorField) bool { return len(kinds) > 0 && !kinds[v.Kind] })
	if len(kinds) == 0 && len(candidates) > 1 { // by ids: the dense one, as ever
		candidates = slices.DeleteFunc(candidates, func(v codec.VectorField) bool { return v.Kind != codec.Dense })
	}
	if len(candidates) != 1 || candidates[0].Name == "" || !hasVectors(query) {
		return nil
	}
	return &candidates[0].Name
}

func (c *Collection[T]) hits(act string, points []*qdrant.ScoredPoint) ([]Hit[T], error) {
	hits := make([]Hit[T], len(points))
	for i, p := range points {
		id, err := codec.IDFromProto(p.GetId())
		if err == nil {
			err = c.codec.Decode(p.GetId(), p.GetPayload(), p.GetVectors(), &hits[i].Document)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", act, documentAt(-1, err))
		}
		hits[i].ID, hits[i].Score, hits[i].Version = id, p.GetScore(), p.GetVersion()
	}
	return hits, nil
}
