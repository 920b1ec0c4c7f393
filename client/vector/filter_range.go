package vector

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Bounds are the ends of a range, all of which must hold for one and the same value. Each is a number or a time.Time, a pointer to one, or
// nil (a nil pointer too) for none, so that a struct's optional fields can be given as they are.
//
// The server compares numbers as float64: an integer beyond 2^53 that has no exact float64 is refused, and may be given as the float64 that
// is meant.
type Bounds struct{ Gt, Gte, Lt, Lte any }

// Range matches a value of the field from from to to, both included: Where(key).Between(from, to).
func Range(key string, from, to any) Filter { return Where(key).Between(from, to) }

// Between matches a value from from to to, both included. Without both it is everything.
func (w FilterField) Between(from, to any) Filter { return w.Within(Bounds{Gte: from, Lte: to}) }

// Gt matches a value greater than the bound, a number or a time.Time.
func (w FilterField) Gt(bound any) Filter { return w.bound("greater than", bound, Bounds{Gt: bound}) }

// Gte matches a value greater than the bound or equal to it.
func (w FilterField) Gte(bound any) Filter { return w.bound("at least", bound, Bounds{Gte: bound}) }

// Lt matches a value less than the bound.
func (w FilterField) Lt(bound any) Filter { return w.bound("less than", bound, Bounds{Lt: bound}) }

// Lte matches a value less than the bound or equal to it.
func (w FilterField) Lte(bound any) Filter { return w.bound("at most", bound, Bounds{Lte: bound}) }

// bound refuses nil, which as a single bound is more likely a mistake than a wish for everything.
func (w FilterField) bound(what string, bound any, bounds Bounds) Filter {
	v, err := filterBoundOf(bound)
	if err == nil && v == nil {
		err = errors.New("no bound")
	}
	if err != nil {
		return w.invalid("%s: %w", what, err)
	}
	return w.Within(bounds)
}

// Area is what Within takes: Bounds, GeoRadius, GeoBox and GeoPolygon.
type Area interface{ within(w FilterField) Filter }

// Within matches a value within bounds, or a place within an area.
func (w FilterField) Within(area Area) Filter {
	if area == nil {
		return w.invalid("within: no area")
	}
	return area.within(w)
}

func (b Bounds) within(w FilterField) Filter {
	ends, kind, err := b.ends()
	switch {
	case err != nil:
		return w.invalid("range: %w", err)
	case kind == 0:
		return w.everything("range")
	case kind == filterTime:
		at := func(end filterValue) *timestamppb.Timestamp {
			if end.kind == 0 {
				return nil
			}
			return timestamppb.New(end.time)
		}
		return w.field(&filterLeaf{field: qdrant.FieldCondition{
			DatetimeRange: &qdrant.DatetimeRange{Gt: at(ends.gt), Gte: at(ends.gte), Lt: at(ends.lt), Lte: at(ends.lte)},
		}})
	default:
		leaf := &filterRangeLeaf{}
		number := func(i int, end filterValue) *float64 {
			if end.kind == 0 {
				return nil
			}
			leaf.floats[i] = end.float
			return &leaf.floats[i]
		}
		leaf.numbers.Gt, leaf.numbers.Gte = number(0, ends.gt), number(1, ends.gte)
		leaf.numbers.Lt, leaf.numbers.Lte = number(2, ends.lt), number(3, ends.lte)
		leaf.field.Range = &leaf.numbers
		return w.field(&leaf.filterLeaf)
	}
}

// filterRangeLeaf is a condition with its range in one piece.
type filterRangeLeaf struct {
	filterLeaf
	numbers qdrant.Range
	floats  [4]float64
}

// filterEnds are a range's ends; one of kind 0 is not there. Integers have become floats.
type filterEnds struct{ gt, gte, lt, lte filterValue }

// ends returns the kind that the bounds have in common, 0 if there are none.
func (b Bounds) ends() (ends filterEnds, kind filterKind, err error) {
	for _, end := range [...]struct {
		name  string
		bound any
		value *filterValue
	}{{"gt", b.Gt, &ends.gt}, {"gte", b.Gte, &ends.gte}, {"lt", b.Lt, &ends.lt}, {"lte", b.Lte, &ends.lte}} {
		if *end.value, err = filterEndOf(end.bound); err != nil {
			return ends, 0, fmt.Errorf("%s: %w", end.name, err)
		}
		switch {
		case end.value.kind == 0:
		case kind == 0:
			kind = end.value.kind
		case kind != end.value.kind:
			return ends, 0, fmt.Errorf("%s: %s after %s", end.name, end.value.kind, kind)
		}
	}
	for i, low := range [...]filterValue{ends.gte, ends.gt} {
		for j, high := range [...]filterValue{ends.lte, ends.lt} {
			if low.kind == 0 || high.kind == 0 {
				continue
			}
			// Of the four pairs, only gte and lte leave something if they are equal.
			if c := low.compare(high); c > 0 || c == 0 && i+j > 0 {
				return ends, 0, fmt.Errorf("nothing is from %s to %s", low, high)
			}
		}
	}
	return ends, kind, nil
}

// filterEndOf is a bound as a float or a time, or of kind 0 if there is none.
func filterEndOf(bound any) (filterValue, error) {
	bound, err := filterBoundOf(bound)
	if err != nil || bound == nil {
		return filterValue{}, err
	}
	v, err := filterValueOf(bound)
	switch {
	case err != nil:
		return v, err
	case v.kind == filterInteger:
		float := float64(v.integer)
		// 2^63 as a float is one more than the largest integer, and does not convert back.
		if float >= 1<<63 || int64(float) != v.integer {
			return v, fmt.Errorf("%d has no exact float64, as which the server compares; give the float64 that is meant", v.integer)
		}
		return filterValue{kind: filterFloat, float: float}, nil
	case v.kind == filterFloat, v.kind == filterTime:
		return v, nil
	default:
		return v, fmt.Errorf("%s is no number and no time", v.kind)
	}
}

func (v filterValue) compare(w filterValue) int {
	if v.kind == filterTime {
		return v.time.Compare(w.time)
	}
	return cmp.Compare(v.float, w.float)
}

// String is for messages about ranges.
func (v filterValue) String() string {
	if v.kind == filterTime {
		return v.time.Format(time.RFC3339Nano)
	}
	return strconv.FormatFloat(v.float, 'f', -1, 64)
}
