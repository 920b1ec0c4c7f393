package qdranttest

import (
	"context"
	"slices"

	"github.com/qdrant/go-client/qdrant"
)

func (h hit) scored(payload *qdrant.WithPayloadSelector, vectors *qdrant.WithVectorsSelector) (*qdrant.ScoredPoint, error) {
	part, err := selected(h.payload, payload, false)
	if err != nil {
		return nil, err
	}
	version := h.version
	if h.unranked {
		version = 0
	}
	return &qdrant.ScoredPoint{
		Id: h.id.proto(), Payload: protoOf(part), Score: h.score, Version: version, Vectors: h.vectorsProto(vectors),
		OrderValue: orderValue(h.order),
	}, nil
}

// retrieved has all payload if all is set and the request does not say what it wants.
func (h hit) retrieved(all bool, payload *qdrant.WithPayloadSelector, vectors *qdrant.WithVectorsSelector) (*qdrant.RetrievedPoint, error) {
	part, err := selected(h.payload, payload, all)
	if err != nil {
		return nil, err
	}
	return &qdrant.RetrievedPoint{
		Id: h.id.proto(), Payload: protoOf(part), Vectors: h.vectorsProto(vectors), OrderValue: orderValue(h.order),
	}, nil
}

func orderValue(value any) *qdrant.OrderValue {
	switch value := value.(type) {
	case int64:
		return &qdrant.OrderValue{Variant: &qdrant.OrderValue_Int{Int: value}}
	case float64:
		return &qdrant.OrderValue{Variant: &qdrant.OrderValue_Float{Float: value}}
	default:
		return nil
	}
}

func scoredPoints(
	hits []hit, payload *qdrant.WithPayloadSelector, vectors *qdrant.WithVectorsSelector,
) ([]*qdrant.ScoredPoint, error) {
	points := make([]*qdrant.ScoredPoint, 0, len(hits))
	for _, h := range hits {
		p, err := h.scored(payload, vectors)
		if err != nil {
			return nil, err
		}
		points = append(points, p)
	}
	return points, nil
}

func retrievedPoints(
	hits []hit, all bool, payload *qdrant.WithPayloadSelector, vectors *qdrant.WithVectorsSelector,
) ([]*qdrant.RetrievedPoint, error) {
	points := make([]*qdrant.RetrievedPoint, 0, len(hits))
	for _, h := range hits {
		p, err := h.retrieved(all, payload, vectors)
		if err != nil {
			return nil, err
		}
		points = append(points, p)
	}
	return points, nil
}

func (a pointsAPI) Get(_ context.Context, in *qdrant.GetPoints) (*qdrant.GetResponse, error) {
	s, err := a.server.newSearch(in)
	if err != nil {
		return nil, err
	}
	ids, err := parseIDs(in.GetIds())
	if err != nil {
		return nil, err
	}
	if err := s.knows(in.GetWithVectors()); err != nil {
		return nil, err
	}
	var found []hit
	seen := map[pointID]bool{}
	for _, id := range ids {
		if p, exists := s.col.store.points[id]; exists && !seen[id] {
			found, seen[id] = append(found, hit{point: p}), true
		}
	}
	points, err := retrievedPoints(found, false, in.GetWithPayload(), in.GetWithVectors())
	return &qdrant.GetResponse{Result: points, Time: elapsed}, err
}

func (a pointsAPI) Count(_ context.Context, in *qdrant.CountPoints) (*qdrant.CountResponse, error) {
	s, err := a.server.newSearch(in)
	if err != nil {
		return nil, err
	}
	matching, err := s.col.store.matching(in.GetFilter())
	return &qdrant.CountResponse{Result: &qdrant.CountResult{Count: uint64(len(matching))}, Time: elapsed}, err
}

// Scroll goes by ids from the offset on, or by the values of a field, where no offset is allowed.
func (a pointsAPI) Scroll(_ context.Context, in *qdrant.ScrollPoints) (*qdrant.ScrollResponse, error) {
	s, err := a.server.newSearch(in)
	if err != nil {
		return nil, err
	}
	limit := defaultLimit
	if in.Limit != nil {
		limit = int(in.GetLimit())
	}
	if limit < 1 {
		return nil, invalid("limit", "value %d invalid, must be 1 or larger", limit)
	}
	meets, err := s.col.store.condition("filter", in.GetFilter())
	if err != nil {
		return nil, err
	}
	if err := s.knows(in.GetWithVectors()); err != nil {
		return nil, err
	}
	if in.GetOrderBy() != nil {
		return scrollByValue(s, in, meets, limit)
	}
	all := s.col.store.all()
	if in.GetOffset() != nil {
		offset, err := parseID(in.GetOffset())
		if err != nil {
			return nil, err
		}
		at, _ := slices.BinarySearchFunc(all, offset, func(p *point, id pointID) int { return p.id.compare(id) })
		all = all[at:]
	}
	answer := &qdrant.ScrollResponse{Time: elapsed}
	var found []hit
	for _, p := range all {
		if !meets(subject{payload: p.payload, point: p}) {
			continue
		}
		if len(found) == limit {
			answer.NextPageOffset = p.id.proto()
			break
		}
		found = append(found, hit{point: p})
	}
	answer.Result, err = retrievedPoints(found, true, in.GetWithPayload(), in.GetWithVectors())
	return answer, err
}

func scrollByValue(s search, in *qdrant.ScrollPoints, meets condition, limit int) (*qdrant.ScrollResponse, error) {
	if in.GetOffset() != nil {
		return nil, wrongInput("Cannot use an `offset` when using `order_by`. The alternative for paging is to use `order_by.start_from` " +
			"and a filter to exclude the IDs that you've already seen for the `order_by.start_from` value")
	}
	order, err := s.col.store.order(in.GetOrderBy())
	if err != nil {
		return nil, err
	}
	points, err := retrievedPoints(first(order(s.candidates([]condition{meets})), limit), true, in.GetWithPayload(), in.GetWithVectors())
	return &qdrant.ScrollResponse{Result: points, Time: elapsed}, err
}
