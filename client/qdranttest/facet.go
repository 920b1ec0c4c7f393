package qdranttest

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/qdrant/go-client/qdrant"
)

// Facet counts the points that have each value of a field, which needs an index that knows single values.
func (a pointsAPI) Facet(_ context.Context, in *qdrant.FacetCounts) (*qdrant.FacetResponse, error) {
	s, err := a.server.newSearch(in)
	if err != nil {
		return nil, err
	}
	if in.GetKey() == "" {
		return nil, invalid("key", `value "" invalid, must be at least 1 characters`)
	}
	field, err := parsePath(in.GetKey())
	if err != nil {
		return nil, err
	}
	index := s.col.store.indexes[field.String()]
	if index == nil || !index.matches() {
		return nil, wrongInput("No appropriate index for faceting: `%s`. Please create one to facet on this field. "+
			"Check https://qdrant.tech/documentation/concepts/indexing/#payload-index to see which payload schemas support Match conditions", field)
	}
	matching, err := s.col.store.matching(in.GetFilter())
	if err != nil {
		return nil, err
	}
	counts := map[any]uint64{}
	for _, p := range matching {
		seen := map[any]bool{}
		for _, value := range index.values(p) {
			if !seen[value] {
				seen[value] = true
				counts[value]++
			}
		}
	}
	limit := defaultLimit
	if in.Limit != nil {
		limit = bounded(in.GetLimit())
	}
	answer := &qdrant.FacetResponse{Time: elapsed}
	for value, count := range counts {
		answer.Hits = append(answer.Hits, &qdrant.FacetHit{Value: facetValue(value), Count: count})
	}
	slices.SortFunc(answer.Hits, func(a, b *qdrant.FacetHit) int {
		return cmp.Or(cmp.Compare(b.GetCount(), a.GetCount()), compareFacets(a.GetValue(), b.GetValue()))
	})
	answer.Hits = first(answer.Hits, limit)
	return answer, nil
}

// matches says whether the index knows single values.
func (index *fieldIndex) matches() bool {
	if params := index.params.GetIntegerIndexParams(); params != nil && params.Lookup != nil {
		return params.GetLookup()
	}
	return slices.Contains([]qdrant.PayloadSchemaType{
		qdrant.PayloadSchemaType_Keyword, qdrant.PayloadSchemaType_Integer, qdrant.PayloadSchemaType_Bool, qdrant.PayloadSchemaType_Uuid,
	}, index.kind)
}

func facetValue(value any) *qdrant.FacetValue {
	switch value := value.(type) {
	case int64:
		return &qdrant.FacetValue{Variant: &qdrant.FacetValue_IntegerValue{IntegerValue: value}}
	case bool:
		return &qdrant.FacetValue{Variant: &qdrant.FacetValue_BoolValue{BoolValue: value}}
	default:
		text, _ := value.(string)
		return &qdrant.FacetValue{Variant: &qdrant.FacetValue_StringValue{StringValue: text}}
	}
}

func compareFacets(a, b *qdrant.FacetValue) int {
	if a.GetBoolValue() != b.GetBoolValue() {
		if a.GetBoolValue() {
			return 1
		}
		return -1
	}
	return cmp.Or(cmp.Compare(a.GetIntegerValue(), b.GetIntegerValue()), strings.Compare(a.GetStringValue(), b.GetStringValue()))
}
