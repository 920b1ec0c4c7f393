package qdranttest

import (
	"context"

	"github.com/qdrant/go-client/qdrant"
)

func (a pointsAPI) Query(_ context.Context, in *qdrant.QueryPoints) (*qdrant.QueryResponse, error) {
	s, err := a.server.newSearch(in)
	if err != nil {
		return nil, err
	}
	points, err := s.query(in)
	return &qdrant.QueryResponse{Result: points, Time: elapsed}, err
}

// query answers one query.
func (s search) query(in *qdrant.QueryPoints) ([]*qdrant.ScoredPoint, error) {
	st := newStage(&qdrant.PrefetchQuery{
		Prefetch: in.GetPrefetch(), Query: in.GetQuery(), Using: in.Using, Filter: in.GetFilter(), ScoreThreshold: in.ScoreThreshold,
		Limit: in.Limit, LookupFrom: in.GetLookupFrom(),
	})
	if st.limit < 1 {
		return nil, invalid("limit", "value %d invalid, must be 1 or larger", st.limit)
	}
	if err := s.knows(in.GetWithVectors()); err != nil {
		return nil, err
	}
	offset := bounded(in.GetOffset())
	st.limit += offset
	hits, err := s.run(st, nil)
	if err != nil {
		return nil, err
	}
	return scoredPoints(hits[min(offset, len(hits)):], in.GetWithPayload(), in.GetWithVectors())
}

func (a pointsAPI) QueryBatch(_ context.Context, in *qdrant.QueryBatchPoints) (*qdrant.QueryBatchResponse, error) {
	answer := &qdrant.QueryBatchResponse{Time: elapsed}
	for _, one := range in.GetQueryPoints() {
		s, err := a.server.newSearch(&qdrant.QueryPoints{
			CollectionName: in.GetCollectionName(), ReadConsistency: in.GetReadConsistency(), ShardKeySelector: one.GetShardKeySelector(),
		})
		if err != nil {
			return nil, err
		}
		points, err := s.query(one)
		if err != nil {
			return nil, err
		}
		answer.Result = append(answer.Result, &qdrant.BatchResult{Result: points})
	}
	return answer, nil
}
