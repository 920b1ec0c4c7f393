package qdranttest

import (
	"context"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The older calls are answered as the queries that they stand for.

func (a pointsAPI) answer(in *qdrant.QueryPoints) ([]*qdrant.ScoredPoint, error) {
	s, err := a.server.newSearch(in)
	if err != nil {
		return nil, err
	}
	return s.query(in)
}

// answerBatch answers one request after the other, each in the batch's collection.
func answerBatch[R any](a pointsAPI, collection string, requests []R, asQuery func(R) (*qdrant.QueryPoints, error)) ([]*qdrant.BatchResult, error) {
	var results []*qdrant.BatchResult
	for _, request := range requests {
		query, err := asQuery(request)
		if err != nil {
			return nil, err
		}
		query.CollectionName = collection
		points, err := a.answer(query)
		if err != nil {
			return nil, err
		}
		results = append(results, &qdrant.BatchResult{Result: points})
	}
	return results, nil
}

func searchQuery(in *qdrant.SearchPoints) (*qdrant.QueryPoints, error) {
	return &qdrant.QueryPoints{
		CollectionName: in.GetCollectionName(), Query: nearest(in.GetVector(), in.GetSparseIndices()), Using: in.VectorName,
		Filter: in.GetFilter(), ScoreThreshold: in.ScoreThreshold, Limit: &in.Limit, Offset: in.Offset, WithPayload: in.GetWithPayload(),
		WithVectors: in.GetWithVectors(), ShardKeySelector: in.GetShardKeySelector(),
		ReadConsistency: in.GetReadConsistency(),
	}, nil
}

func nearest(values []float32, indices *qdrant.SparseIndices) *qdrant.Query {
	if indices != nil {
		return qdrant.NewQuerySparse(indices.GetData(), values)
	}
	return qdrant.NewQueryDense(values)
}

func (a pointsAPI) Search(_ context.Context, in *qdrant.SearchPoints) (*qdrant.SearchResponse, error) {
	query, err := searchQuery(in)
	if err != nil {
		return nil, err
	}
	points, err := a.answer(query)
	return &qdrant.SearchResponse{Result: points, Time: elapsed}, err
}

func (a pointsAPI) SearchBatch(_ context.Context, in *qdrant.SearchBatchPoints) (*qdrant.SearchBatchResponse, error) {
	results, err := answerBatch(a, in.GetCollectionName(), in.GetSearchPoints(), searchQuery)
	if err != nil {
		return nil, err
	}
	return &qdrant.SearchBatchResponse{Result: results, Time: elapsed}, nil
}

func (a pointsAPI) SearchGroups(_ context.Context, in *qdrant.SearchPointGroups) (*qdrant.SearchGroupsResponse, error) {
	limit, size := uint64(in.GetLimit()), uint64(in.GetGroupSize())
	result, err := a.grouped(&qdrant.QueryPointGroups{
		CollectionName: in.GetCollectionName(), Query: nearest(in.GetVector(), in.GetSparseIndices()), Using: in.VectorName,
		Filter: in.GetFilter(), ScoreThreshold: in.ScoreThreshold, WithPayload: in.GetWithPayload(), WithVectors: in.GetWithVectors(),
		Limit: &limit, GroupSize: &size, GroupBy: in.GetGroupBy(), WithLookup: in.GetWithLookup(), ShardKeySelector: in.GetShardKeySelector(),
		ReadConsistency: in.GetReadConsistency(),
	})
	return &qdrant.SearchGroupsResponse{Result: result, Time: elapsed}, err
}

// input is an example of the older calls as one of a query.
func input(v *qdrant.Vector) (*qdrant.VectorInput, error) {
	read, err := vectorOf(v)
	if err != nil {
		return nil, err
	}
	switch {
	case read.sparse != nil:
		return qdrant.NewVectorInputSparse(read.sparse.indices, read.sparse.values), nil
	case read.multi != nil:
		return qdrant.NewVectorInputMulti(read.multi), nil
	default:
		return qdrant.NewVectorInputDense(read.dense), nil
	}
}

func inputs(ids []*qdrant.PointId, vectors []*qdrant.Vector) ([]*qdrant.VectorInput, error) {
	var all []*qdrant.VectorInput
	for _, id := range ids {
		all = append(all, qdrant.NewVectorInputID(id))
	}
	for _, v := range vectors {
		one, err := input(v)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func recommendation(in *qdrant.RecommendPoints) (*qdrant.Query, error) {
	positive, err := inputs(in.GetPositive(), in.GetPositiveVectors())
	if err != nil {
		return nil, err
	}
	negative, err := inputs(in.GetNegative(), in.GetNegativeVectors())
	if err != nil {
		return nil, err
	}
	if len(positive) == 0 && in.GetStrategy() == qdrant.RecommendStrategy_AverageVector {
		return nil, badRequest("At least one positive vector ID required with this strategy")
	}
	return qdrant.NewQueryRecommend(&qdrant.RecommendInput{Positive: positive, Negative: negative, Strategy: in.Strategy}), nil
}

func recommendQuery(in *qdrant.RecommendPoints) (*qdrant.QueryPoints, error) {
	query, err := recommendation(in)
	return &qdrant.QueryPoints{
		CollectionName: in.GetCollectionName(), Query: query, Using: in.Using, Filter: in.GetFilter(), ScoreThreshold: in.ScoreThreshold,
		Limit: &in.Limit, Offset: in.Offset, WithPayload: in.GetWithPayload(), WithVectors: in.GetWithVectors(),
		LookupFrom: in.GetLookupFrom(), ShardKeySelector: in.GetShardKeySelector(),
		ReadConsistency: in.GetReadConsistency(),
	}, err
}

func (a pointsAPI) Recommend(_ context.Context, in *qdrant.RecommendPoints) (*qdrant.RecommendResponse, error) {
	query, err := recommendQuery(in)
	if err != nil {
		return nil, err
	}
	points, err := a.answer(query)
	return &qdrant.RecommendResponse{Result: points, Time: elapsed}, err
}

func (a pointsAPI) RecommendBatch(_ context.Context, in *qdrant.RecommendBatchPoints) (*qdrant.RecommendBatchResponse, error) {
	results, err := answerBatch(a, in.GetCollectionName(), in.GetRecommendPoints(), recommendQuery)
	if err != nil {
		return nil, err
	}
	return &qdrant.RecommendBatchResponse{Result: results, Time: elapsed}, nil
}

func (a pointsAPI) RecommendGroups(_ context.Context, in *qdrant.RecommendPointGroups) (*qdrant.RecommendGroupsResponse, error) {
	query, err := recommendation(&qdrant.RecommendPoints{
		Positive: in.GetPositive(), PositiveVectors: in.GetPositiveVectors(), Negative: in.GetNegative(),
		NegativeVectors: in.GetNegativeVectors(), Strategy: in.Strategy,
	})
	if err != nil {
		return nil, err
	}
	limit, size := uint64(in.GetLimit()), uint64(in.GetGroupSize())
	result, err := a.grouped(&qdrant.QueryPointGroups{
		CollectionName: in.GetCollectionName(), Query: query, Using: in.Using, Filter: in.GetFilter(), ScoreThreshold: in.ScoreThreshold,
		WithPayload: in.GetWithPayload(), WithVectors: in.GetWithVectors(), Limit: &limit, GroupSize: &size, GroupBy: in.GetGroupBy(),
		WithLookup: in.GetWithLookup(), LookupFrom: in.GetLookupFrom(), ShardKeySelector: in.GetShardKeySelector(),
		ReadConsistency: in.GetReadConsistency(),
	})
	return &qdrant.RecommendGroupsResponse{Result: result, Time: elapsed}, err
}

func example(e *qdrant.VectorExample) (*qdrant.VectorInput, error) {
	switch kind := e.GetExample().(type) {
	case *qdrant.VectorExample_Id:
		return qdrant.NewVectorInputID(kind.Id), nil
	case *qdrant.VectorExample_Vector:
		return input(kind.Vector)
	default:
		return nil, status.Error(codes.InvalidArgument, "Vector example must have some example")
	}
}

func discoverQuery(in *qdrant.DiscoverPoints) (*qdrant.QueryPoints, error) {
	if in.GetTarget() == nil && len(in.GetContext()) == 0 {
		return nil, badRequest("target and/or context_pairs must be specified")
	}
	context := &qdrant.ContextInput{}
	for _, p := range in.GetContext() {
		positive, err := example(p.GetPositive())
		if err != nil {
			return nil, err
		}
		negative, err := example(p.GetNegative())
		if err != nil {
			return nil, err
		}
		context.Pairs = append(context.Pairs, &qdrant.ContextInputPair{Positive: positive, Negative: negative})
	}
	query := qdrant.NewQueryContext(context)
	if in.GetTarget() != nil {
		target, err := example(in.GetTarget().GetSingle())
		if err != nil {
			return nil, err
		}
		query = qdrant.NewQueryDiscover(&qdrant.DiscoverInput{Target: target, Context: context})
	}
	return &qdrant.QueryPoints{
		CollectionName: in.GetCollectionName(), Query: query, Using: in.Using, Filter: in.GetFilter(), Limit: &in.Limit, Offset: in.Offset,
		WithPayload: in.GetWithPayload(), WithVectors: in.GetWithVectors(), LookupFrom: in.GetLookupFrom(),
		ShardKeySelector: in.GetShardKeySelector(),
		ReadConsistency:  in.GetReadConsistency(),
	}, nil
}

func (a pointsAPI) Discover(_ context.Context, in *qdrant.DiscoverPoints) (*qdrant.DiscoverResponse, error) {
	query, err := discoverQuery(in)
	if err != nil {
		return nil, err
	}
	points, err := a.answer(query)
	return &qdrant.DiscoverResponse{Result: points, Time: elapsed}, err
}

func (a pointsAPI) DiscoverBatch(_ context.Context, in *qdrant.DiscoverBatchPoints) (*qdrant.DiscoverBatchResponse, error) {
	results, err := answerBatch(a, in.GetCollectionName(), in.GetDiscoverPoints(), discoverQuery)
	if err != nil {
		return nil, err
	}
	return &qdrant.DiscoverBatchResponse{Result: results, Time: elapsed}, nil
}
