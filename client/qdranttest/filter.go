package qdranttest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// condition says whether something meets a filter, or a part of one.
type condition func(subject) bool

// subject is what a filter looks at: a point's payload, or an object inside of one for which the point is nil.
type subject struct {
	payload object
	point   *point
}

// filters makes conditions of requests' filters.
type filters struct {
	// indexes are by the paths that they are for. With a full-text index texts match by words, else by being contained.
	indexes map[string]*fieldIndex
	// under is the path of the objects that a nested filter looks at.
	under keyPath
}

// compile makes a condition of a filter; no filter is met by everything.
func (f filters) compile(filter *qdrant.Filter) (condition, error) {
	should, err := f.all("should", filter.GetShould())
	if err != nil {
		return nil, err
	}
	must, err := f.all("must", filter.GetMust())
	if err != nil {
		return nil, err
	}
	mustNot, err := f.all("must_not", filter.GetMustNot())
	if err != nil {
		return nil, err
	}
	some, err := f.all("min_should.conditions", filter.GetMinShould().GetConditions())
	if err != nil {
		return nil, err
	}
	least := filter.GetMinShould().GetMinCount()
	return func(s subject) bool {
		meets := func(c condition) bool { return c(s) }
		if len(should) > 0 && !slices.ContainsFunc(should, meets) {
			return false
		}
		if slices.ContainsFunc(mustNot, meets) || slices.ContainsFunc(must, func(c condition) bool { return !c(s) }) {
			return false
		}
		met := uint64(0)
		for _, c := range some {
			if c(s) {
				met++
			}
		}
		return met >= least
	}, nil
}

// all makes the conditions of a list. Those that are not set at all do not count.
func (f filters) all(part string, conditions []*qdrant.Condition) ([]condition, error) {
	compiled := make([]condition, 0, len(conditions))
	for i, c := range conditions {
		if c.GetConditionOneOf() == nil {
			continue
		}
		one, err := f.one(c)
		if err != nil {
			return nil, in(fmt.Sprintf("%s[%d].condition_one_of", part, i), err)
		}
		compiled = append(compiled, one)
	}
	return compiled, nil
}

func (f filters) one(c *qdrant.Condition) (condition, error) {
	switch kind := c.GetConditionOneOf().(type) {
	case *qdrant.Condition_Field:
		return f.field(kind.Field)
	case *qdrant.Condition_IsEmpty:
		p, err := parsePath(kind.IsEmpty.GetKey())
		return func(s subject) bool {
			return !slices.ContainsFunc(p.get(s.payload), func(value any) bool { return !isEmpty(value) })
		}, err
	case *qdrant.Condition_IsNull:
		p, err := parsePath(kind.IsNull.GetKey())
		return func(s subject) bool {
			return slices.ContainsFunc(p.get(s.payload), func(value any) bool { return value == nil })
		}, err
	case *qdrant.Condition_HasId:
		ids, err := parseIDs(kind.HasId.GetHasId())
		wanted := make(map[pointID]bool, len(ids))
		for _, id := range ids {
			wanted[id] = true
		}
		return func(s subject) bool { return s.point != nil && wanted[s.point.id] }, err
	case *qdrant.Condition_HasVector:
		return func(s subject) bool { return s.point != nil && s.point.has(kind.HasVector.GetHasVector()) }, nil
	case *qdrant.Condition_Filter:
		return f.compile(kind.Filter)
	case *qdrant.Condition_Nested:
		return f.nested(kind.Nested)
	default:
		return nil, status.Error(codes.InvalidArgument, "Malformed Condition type")
	}
}

func (f filters) nested(nested *qdrant.NestedCondition) (condition, error) {
	p, err := parsePath(nested.GetKey())
	if err != nil {
		return nil, err
	}
	if nested.GetFilter() == nil {
		return nil, status.Error(codes.InvalidArgument, "Nested condition must have a filter")
	}
	elements := p.ofElements()
	inner, err := filters{indexes: f.indexes, under: f.under.then(elements...)}.compile(nested.GetFilter())
	err = in("filter", err)
	return func(s subject) bool {
		return slices.ContainsFunc(elements.get(s.payload), func(value any) bool {
			fields, isObject := value.(object)
			return isObject && inner(subject{payload: fields})
		})
	}, err
}

func isEmpty(value any) bool {
	list, isList := value.([]any)
	return value == nil || isList && len(list) == 0
}

// field is met by a field that has a value which meets any of the condition's parts. A list's elements are its values, but for the
// parts that look at the list as a whole.
func (f filters) field(c *qdrant.FieldCondition) (condition, error) {
	p, err := parsePath(c.GetKey())
	if err != nil {
		return nil, err
	}
	whole, absent, err := wholeField(c)
	if err != nil {
		return nil, err
	}
	if whole != nil {
		return func(s subject) bool {
			values := p.get(s.payload)
			return len(values) == 0 && absent || slices.ContainsFunc(values, whole)
		}, nil
	}
	single, err := f.value(c, f.tokenizer(f.under.then(p...).String()))
	if err != nil {
		return nil, err
	}
	return func(s subject) bool {
		return slices.ContainsFunc(p.get(s.payload), func(value any) bool {
			if list, isList := value.([]any); isList {
				return slices.ContainsFunc(list, single)
			}
			return single(value)
		})
	}, nil
}

// wholeField are the parts of a condition that look at the whole field, and whether one that is not there meets them.
func wholeField(c *qdrant.FieldCondition) (whole func(any) bool, absent bool, err error) {
	switch {
	case c.GetValuesCount() != nil:
		within := within(c.GetValuesCount().Gt, c.GetValuesCount().Gte, c.GetValuesCount().Lt, c.GetValuesCount().Lte)
		// A field that is not there meets no such condition, not even one that 0 meets.
		return func(value any) bool {
			if list, isList := value.([]any); isList {
				return within(uint64(len(list)))
			}
			if value == nil {
				return within(0)
			}
			return within(1)
		}, false, nil
	case c.IsEmpty != nil:
		return func(value any) bool { return isEmpty(value) == c.GetIsEmpty() }, c.GetIsEmpty(), nil
	case c.IsNull != nil:
		return func(value any) bool {
			list, _ := value.([]any)
			return (value == nil || slices.Contains(list, nil)) == c.GetIsNull()
		}, !c.GetIsNull(), nil
	case c.GetMatch() == nil && c.GetRange() == nil && c.GetDatetimeRange() == nil && c.GetGeoBoundingBox() == nil &&
		c.GetGeoRadius() == nil && c.GetGeoPolygon() == nil:
		return nil, false, invalid("match", "Validation error: At least one field condition must be specified [{}]")
	}
	return nil, false, nil
}

// within says whether a value is within bounds, those that are there.
func within[N cmp.Ordered](gt, gte, lt, lte *N) func(N) bool {
	return func(value N) bool {
		return (gt == nil || value > *gt) && (gte == nil || value >= *gte) && (lt == nil || value < *lt) && (lte == nil || value <= *lte)
	}
}

// value makes the parts of a condition that look at one value.
func (f filters) value(c *qdrant.FieldCondition, words *tokenizer) (func(any) bool, error) {
	var parts []func(any) bool
	if c.GetMatch() != nil {
		match, err := matcher(c.GetMatch(), words)
		if err != nil {
			return nil, err
		}
		parts = append(parts, match)
	}
	if r := c.GetRange(); r != nil {
		inRange := within(r.Gt, r.Gte, r.Lt, r.Lte)
		parts = append(parts, func(value any) bool {
			n, isNumber := number(value)
			return isNumber && inRange(n)
		})
	} else if r := c.GetDatetimeRange(); r != nil {
		parts = append(parts, func(value any) bool {
			t, isTime := parseDatetime(value)
			return isTime && inTimes(r, t)
		})
	}
	at := func(holds func(location) bool) {
		parts = append(parts, func(value any) bool {
			place, isPlace := locate(value)
			return isPlace && holds(place)
		})
	}
	if r := c.GetGeoRadius(); r != nil {
		if r.GetCenter() == nil {
			return nil, status.Error(codes.InvalidArgument, "Malformed GeoRadius type")
		}
		center := locationOf(r.GetCenter())
		at(func(place location) bool { return center.metres(place) < float64(r.GetRadius()) })
	}
	if box := c.GetGeoBoundingBox(); box != nil {
		if box.GetTopLeft() == nil || box.GetBottomRight() == nil {
			return nil, status.Error(codes.InvalidArgument, "Malformed GeoBoundingBox type")
		}
		at(func(place location) bool {
			return place.inBox(locationOf(box.GetTopLeft()), locationOf(box.GetBottomRight()))
		})
	}
	if polygon := c.GetGeoPolygon(); polygon != nil {
		if polygon.GetExterior() == nil {
			return nil, status.Error(codes.InvalidArgument, "Malformed GeoPolygon type")
		}
		at(func(place location) bool { return place.inPolygon(polygon) })
	}
	return func(value any) bool {
		return slices.ContainsFunc(parts, func(holds func(any) bool) bool { return holds(value) })
	}, nil
}

func inTimes(r *qdrant.DatetimeRange, t time.Time) bool {
	return (r.GetGt() == nil || t.After(r.GetGt().AsTime())) && (r.GetGte() == nil || !t.Before(r.GetGte().AsTime())) &&
		(r.GetLt() == nil || t.Before(r.GetLt().AsTime())) && (r.GetLte() == nil || !t.After(r.GetLte().AsTime()))
}

// tokenizer is that of the full-text index at a path; nil without one.
func (f filters) tokenizer(at string) *tokenizer {
	if index := f.indexes[at]; index != nil && index.kind == qdrant.PayloadSchemaType_Text {
		return newTokenizer(index.params.GetTextIndexParams())
	}
	return nil
}

func matcher(match *qdrant.Match, words *tokenizer) (func(any) bool, error) {
	switch kind := match.GetMatchValue().(type) {
	case *qdrant.Match_Keyword:
		return func(value any) bool { return value == any(kind.Keyword) }, nil
	case *qdrant.Match_Integer:
		return func(value any) bool { return value == any(kind.Integer) }, nil
	case *qdrant.Match_Boolean:
		return func(value any) bool { return value == any(kind.Boolean) }, nil
	case *qdrant.Match_Keywords:
		return oneOf(kind.Keywords.GetStrings()), nil
	case *qdrant.Match_Integers:
		return oneOf(kind.Integers.GetIntegers()), nil
	case *qdrant.Match_ExceptKeywords:
		return except(oneOf(kind.ExceptKeywords.GetStrings())), nil
	case *qdrant.Match_ExceptIntegers:
		return except(oneOf(kind.ExceptIntegers.GetIntegers())), nil
	case *qdrant.Match_Text:
		if words != nil {
			return words.all(kind.Text), nil
		}
		return contains(kind.Text), nil
	case *qdrant.Match_Phrase:
		if words != nil {
			return words.phrase(kind.Phrase), nil
		}
		return contains(kind.Phrase), nil
	case *qdrant.Match_TextAny:
		if words != nil {
			return words.any(kind.TextAny), nil
		}
		return func(value any) bool {
			text, isText := value.(string)
			return isText && slices.ContainsFunc(strings.Fields(kind.TextAny), func(word string) bool { return strings.Contains(text, word) })
		}, nil
	default:
		return nil, status.Error(codes.InvalidArgument, "Malformed Match condition")
	}
}

func oneOf[T comparable](list []T) func(any) bool {
	wanted := make(map[T]bool, len(list))
	for _, one := range list {
		wanted[one] = true
	}
	return func(value any) bool {
		typed, is := value.(T)
		return is && wanted[typed]
	}
}

// except is met by every value that is there, but for those listed.
func except(listed func(any) bool) func(any) bool {
	return func(value any) bool { return value != nil && !listed(value) }
}

func contains(part string) func(any) bool {
	return func(value any) bool {
		text, isText := value.(string)
		return isText && strings.Contains(text, part)
	}
}
