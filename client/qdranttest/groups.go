package qdranttest

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"
)

// defaultGroupSize is how many points of a group a request finds that does not say.
const defaultGroupSize = 3

// group is the points that have one value in the field, best first.
type group struct {
	key  any // a string or an int64
	hits []hit
}

func (a pointsAPI) QueryGroups(_ context.Context, in *qdrant.QueryPointGroups) (*qdrant.QueryGroupsResponse, error) {
	result, err := a.grouped(in)
	return &qdrant.QueryGroupsResponse{Result: result, Time: elapsed}, err
}

func (a pointsAPI) grouped(in *qdrant.QueryPointGroups) (*qdrant.GroupsResult, error) {
	s, err := a.server.newSearch(in)
	if err != nil {
		return nil, err
	}
	if in.GetGroupBy() == "" {
		return nil, invalid("group_by", `value "" invalid, must be at least 1 characters`)
	}
	field, err := parsePath(in.GetGroupBy())
	if err != nil {
		return nil, err
	}
	groups, size := defaultLimit, defaultGroupSize
	if in.Limit != nil {
		groups = bounded(in.GetLimit())
	}
	if in.GroupSize != nil {
		size = bounded(in.GetGroupSize())
	}
	switch {
	case groups < 1:
		return nil, invalid("limit", "value %d invalid, must be 1 or larger", groups)
	case size < 1:
		return nil, invalid("group_size", "value %d invalid, must be 1 or larger", size)
	}
	st := newStage(&qdrant.PrefetchQuery{
		Prefetch: larger(in.GetPrefetch(), uint64(size)), Query: in.GetQuery(), Using: in.Using, Filter: in.GetFilter(),
		ScoreThreshold: in.ScoreThreshold, LookupFrom: in.GetLookupFrom(),
	})
	st.limit = len(s.col.store.points)
	hits, err := s.run(st, []condition{func(s subject) bool {
		return slices.ContainsFunc(field.get(s.payload), func(value any) bool { return !isEmpty(value) })
	}})
	if err != nil {
		return nil, err
	}
	result := &qdrant.GroupsResult{}
	for _, g := range first(groupsOf(hits, field), groups) {
		points, err := scoredPoints(first(g.hits, size), in.GetWithPayload(), in.GetWithVectors())
		if err != nil {
			return nil, err
		}
		lookup, err := a.lookup(in.GetWithLookup(), g.key)
		if err != nil {
			return nil, err
		}
		result.Groups = append(result.Groups, &qdrant.PointGroup{Id: groupID(g.key), Hits: points, Lookup: lookup})
	}
	return result, nil
}

// larger lets each part that is fetched before find enough points to fill groups.
func larger(prefetch []*qdrant.PrefetchQuery, size uint64) []*qdrant.PrefetchQuery {
	var all []*qdrant.PrefetchQuery
	for _, p := range prefetch {
		p = proto.CloneOf(p)
		limit := uint64(defaultLimit)
		if p.Limit != nil {
			limit = p.GetLimit()
		}
		p.Limit = proto.Uint64(limit * size)
		p.Prefetch = larger(p.GetPrefetch(), size)
		all = append(all, p)
	}
	return all
}

// groupsOf are the groups in the order of their best points. A point with several values is in several groups, one whose values are
// neither texts nor whole numbers is in none.
func groupsOf(hits []hit, field keyPath) []group {
	at := map[any]int{}
	var groups []group
	for _, h := range hits {
		for _, key := range groupKeys(field.get(h.payload)) {
			if _, exists := at[key]; !exists {
				at[key] = len(groups)
				groups = append(groups, group{key: key})
			}
			groups[at[key]].hits = append(groups[at[key]].hits, h)
		}
	}
	return groups
}

func groupKeys(values []any) []any {
	var keys []any
	for _, value := range values {
		list, isList := value.([]any)
		if !isList {
			list = []any{value}
		}
		for _, key := range list {
			switch key.(type) {
			case string, int64:
				if !slices.Contains(keys, key) {
					keys = append(keys, key)
				}
			default:
				return nil
			}
		}
	}
	return keys
}

func groupID(key any) *qdrant.GroupId {
	switch key := key.(type) {
	case string:
		return &qdrant.GroupId{Kind: &qdrant.GroupId_StringValue{StringValue: key}}
	case int64:
		if key >= 0 {
			return &qdrant.GroupId{Kind: &qdrant.GroupId_UnsignedValue{UnsignedValue: uint64(key)}}
		}
		return &qdrant.GroupId{Kind: &qdrant.GroupId_IntegerValue{IntegerValue: key}}
	default:
		return nil
	}
}

// lookup is the point of another collection whose id is the group's value.
func (a pointsAPI) lookup(with *qdrant.WithLookup, key any) (*qdrant.RetrievedPoint, error) {
	if with == nil {
		return nil, nil
	}
	_, col, err := a.server.find(with.GetCollection())
	if err != nil {
		return nil, err
	}
	var id pointID
	switch key := key.(type) {
	case string:
		parsed, err := uuid.Parse(key)
		if err != nil {
			return nil, nil //nolint:nilerr // a value that is no id leads to no point
		}
		id = pointID{named: true, uuid: parsed}
	case int64:
		id = pointID{number: uint64(key)}
	}
	p, exists := col.store.points[id]
	if !exists {
		return nil, nil
	}
	return hit{point: p}.retrieved(true, with.GetWithPayload(), with.GetWithVectors())
}
