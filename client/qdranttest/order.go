package qdranttest

import (
	"cmp"
	"math"
	"slices"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// order makes an order by the values of a field, which needs an index that knows ranges. A point with several values comes once for
// each of them, one without does not come at all.
func (s *store) order(by *qdrant.OrderBy) (func([]hit) []hit, error) {
	field, err := parsePath(by.GetKey())
	if err != nil {
		return nil, err
	}
	index := s.indexes[field.String()]
	if index == nil || !index.ranges() {
		return nil, wrongInput("No range index for `order_by` key: `%s`. Please create one to use `order_by`. "+
			"Check https://qdrant.tech/documentation/concepts/indexing/#payload-index to see which payload schemas support Range conditions", field)
	}
	start, err := startOf(by.GetStartFrom())
	if err != nil {
		return nil, err
	}
	sign := 1
	if by.GetDirection() == qdrant.Direction_Desc {
		sign = -1
	}
	return func(hits []hit) []hit {
		var ordered []hit
		for _, h := range hits {
			for _, value := range index.values(h.point) {
				if start == nil || sign*compareValues(value, start) >= 0 {
					ordered = append(ordered, hit{point: h.point, score: 1, order: value, unranked: true})
				}
			}
		}
		slices.SortStableFunc(ordered, func(a, b hit) int {
			return cmp.Or(sign*compareValues(a.order, b.order), sign*a.id.compare(b.id))
		})
		return ordered
	}, nil
}

// ranges says whether the index knows the order of its values.
func (index *fieldIndex) ranges() bool {
	if params := index.params.GetIntegerIndexParams(); params != nil && params.Range != nil {
		return params.GetRange()
	}
	return slices.Contains([]qdrant.PayloadSchemaType{
		qdrant.PayloadSchemaType_Integer, qdrant.PayloadSchemaType_Float, qdrant.PayloadSchemaType_Datetime,
	}, index.kind)
}

// values are a point's in the index, datetimes as microseconds.
func (index *fieldIndex) values(p *point) []any {
	var values []any
	add := func(value any) {
		if !index.takes(value) {
			return
		}
		switch index.kind {
		case qdrant.PayloadSchemaType_Datetime:
			t, _ := parseDatetime(value)
			values = append(values, t.UnixMicro())
		case qdrant.PayloadSchemaType_Float:
			n, _ := number(value)
			values = append(values, n)
		default:
			values = append(values, value)
		}
	}
	for _, value := range index.path.get(p.payload) {
		if list, isList := value.([]any); isList {
			for _, item := range list {
				add(item)
			}
		} else {
			add(value)
		}
	}
	return values
}

func compareValues(a, b any) int {
	if x, isInt := a.(int64); isInt {
		if y, isInt := b.(int64); isInt {
			return cmp.Compare(x, y)
		}
	}
	x, _ := number(a)
	y, _ := number(b)
	return cmp.Compare(x, y)
}

func startOf(from *qdrant.StartFrom) (any, error) {
	switch value := from.GetValue().(type) {
	case *qdrant.StartFrom_Float:
		if math.IsNaN(value.Float) {
			return nil, nil
		}
		return value.Float, nil
	case *qdrant.StartFrom_Integer:
		return value.Integer, nil
	case *qdrant.StartFrom_Timestamp:
		return value.Timestamp.AsTime().UnixMicro(), nil
	case *qdrant.StartFrom_Datetime:
		t, ok := parseDatetime(value.Datetime)
		if !ok {
			return nil, status.Error(codes.InvalidArgument, "Malformed datetime: input contains invalid characters")
		}
		return t.UnixMicro(), nil
	default:
		return nil, nil
	}
}
