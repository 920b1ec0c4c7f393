package vector

import (
	"errors"
	"fmt"
	"slices"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"
)

// Filter says which points a search, a count, an update or a deletion is about. The zero value is all points. A Filter never changes: And,
// Or and Not return new ones, and one Filter may be part of many and be used by many goroutines.
//
// What is wrong with a filter, such as a range that ends before it starts, is kept within it and returned by Proto and by every call that
// is given the filter, before anything is sent. Such errors are ErrInvalid.
//
// A Filter is also an Option of a search; several of them must all match.
type Filter struct {
	// A point matches if all of must, none of mustNot, at least one of should (unless it is empty) and atLeast's number match: the server's
	// rules for its own Filter. The conditions are shared between filters and never written to.
	must, mustNot, should []*qdrant.Condition
	atLeast               *qdrant.MinShould
	everything            bool // said in so many words: Proto is an empty filter, not nil
	err                   error
}

// Everything matches all points, as the zero Filter does, but on purpose: what changes or deletes by a filter refuses the zero one.
func Everything() Filter { return Filter{everything: true} }

// And matches what all of the filters match. Without filters it is everything.
func And(filters ...Filter) Filter {
	var all Filter
	for _, f := range filters {
		all = all.and(f)
	}
	return all
}

// And matches what this filter and all of the others match.
func (f Filter) And(others ...Filter) Filter {
	for _, other := range others {
		f = f.and(other)
	}
	return f
}

// and puts both filters' conditions into one filter, which has room for one list of alternatives and one AtLeast: a second one is nested.
func (f Filter) and(g Filter) Filter {
	switch {
	case f.IsZero():
		return g
	case g.IsZero():
		return f
	}
	both := Filter{
		must:    filterConcat(f.must, g.must),
		mustNot: filterConcat(f.mustNot, g.mustNot),
		should:  f.should,
		atLeast: f.atLeast,
		err:     filterJoin(f.err, g.err),
	}
	both.everything = f.everything && g.everything
	switch {
	case len(g.should) == 0:
	case len(f.should) == 0:
		both.should = g.should
	default:
		both.must = filterConcat(both.must, []*qdrant.Condition{Filter{should: g.should}.condition()})
	}
	switch {
	case g.atLeast == nil:
	case f.atLeast == nil:
		both.atLeast = g.atLeast
	default:
		both.must = filterConcat(both.must, []*qdrant.Condition{Filter{atLeast: g.atLeast}.condition()})
	}
	return both
}

// Or matches what at least one of the filters matches. Without filters it is nothing at all, so that a list of wishes that happens to be
// empty deletes nothing.
func Or(filters ...Filter) Filter {
	switch len(filters) {
	case 0:
		return filterNothing()
	case 1:
		return filters[0]
	}
	var any Filter
	everything := false
	for _, f := range filters {
		any.err = filterJoin(any.err, f.err)
		everything = everything || f.isEmpty() && f.err == nil
		if f.onlyShould() {
			any.should = append(any.should, f.should...)
		} else {
			any.should = append(any.should, f.condition())
		}
	}
	if everything {
		return Filter{err: any.err}
	}
	return any
}

// Or matches what this filter or at least one of the others matches.
func (f Filter) Or(others ...Filter) Filter {
	return Or(append([]Filter{f}, others...)...)
}

// Not matches what the filter does not match, including points that lack the field: a point without a year is not from 2020 on.
func Not(f Filter) Filter { return f.Not() }

// Not is the function Not as a method.
func (f Filter) Not() Filter {
	switch {
	case f.err != nil:
		return f
	case f.isEmpty():
		return filterNothing()
	case f.onlyShould():
		return Filter{mustNot: f.should} // none of the alternatives
	case len(f.must)+len(f.should) == 0 && f.atLeast == nil && len(f.mustNot) > 0:
		if len(f.mustNot) == 1 {
			return Filter{must: f.mustNot}
		}
		return Filter{should: f.mustNot} // at least one of what must not be
	case len(f.must) == 1 && len(f.mustNot)+len(f.should) == 0 && f.atLeast == nil:
		return Filter{mustNot: f.must}
	default:
		return Filter{mustNot: []*qdrant.Condition{f.condition()}}
	}
}

// AtLeast matches what n or more of the filters match. 0 is everything; more than there are filters, or less than 0, is an error.
func AtLeast(n int, filters ...Filter) Filter {
	if n < 0 || n > len(filters) {
		return filterInvalid("filter: at least %d of %d can never be", n, len(filters))
	}
	var all Filter
	conditions := make([]*qdrant.Condition, 0, len(filters))
	for _, f := range filters {
		all.err = filterJoin(all.err, f.err)
		conditions = append(conditions, f.condition())
	}
	if n > 0 {
		all.atLeast = &qdrant.MinShould{Conditions: conditions, MinCount: uint64(n)}
	}
	return all
}

// Nested matches points where one and the same object of an array of objects matches the whole filter, whose names are relative to the
// object: Nested("diet", And(Where("food").Is("meat"), Where("likes").Is(true))). Without it, one object might fit the first condition and
// another one the second. IDs and HasVector mean nothing inside and are refused.
func Nested(array string, f Filter) Filter {
	if err := checkKey(array); err != nil {
		return filterInvalid("filter on objects of %q: %w", array, err)
	}
	if f.err != nil {
		return Filter{err: fmt.Errorf("filter on objects of %s: %w", array, f.err)}
	}
	inner := f.proto()
	if filterHasPoints(inner) {
		return filterInvalid("filter on objects of %s: ids and vectors belong to points, not to objects within them", array)
	}
	if inner == nil {
		inner = &qdrant.Filter{} // any object will do
	}
	return filterOne(qdrant.NewNestedFilter(array, inner))
}

// IDs matches points by their ids. Without ids it is nothing at all.
func IDs(ids ...ID) Filter {
	return filterOne(qdrant.NewHasID(protoIDs(ids)...))
}

// HasVector matches points that have the named vector. The default vector's name is empty.
func HasVector(name string) Filter { return filterOne(qdrant.NewHasVector(name)) }

// RawFilter is a filter of the raw API, which is copied and not checked. nil is the zero Filter, an empty one is Everything. Its
// conditions without content, which the server ignores, are left out, so that Not and Or of the filter mean what they say.
func RawFilter(raw *qdrant.Filter) Filter {
	raw = proto.CloneOf(raw)
	hollow := func(c *qdrant.Condition) bool { return c.GetConditionOneOf() == nil }
	f := Filter{
		must:    slices.DeleteFunc(raw.GetMust(), hollow),
		mustNot: slices.DeleteFunc(raw.GetMustNot(), hollow),
		should:  slices.DeleteFunc(raw.GetShould(), hollow),
		atLeast: raw.GetMinShould(),
	}
	f.everything = raw != nil && f.isEmpty()
	if f.atLeast != nil {
		f.atLeast.Conditions = slices.DeleteFunc(f.atLeast.Conditions, hollow)
	}
	return f
}

// RawCondition is a condition of the raw API, which is copied and not checked except for having something in it: the server ignores
// conditions that are empty, and would match everything.
func RawCondition(c *qdrant.Condition) Filter {
	if c.GetConditionOneOf() == nil {
		return filterInvalid("filter: empty condition")
	}
	return filterOne(proto.CloneOf(c))
}

// IsZero says whether the filter is the zero one, or was put together from such. Everything and a filter with an error are not.
func (f Filter) IsZero() bool { return f.isEmpty() && !f.everything && f.err == nil }

// Err is what is wrong with the filter, nil if nothing is.
func (f Filter) Err() error { return f.err }

// Proto is the filter for the raw API, a copy that the caller may change; nil for the zero Filter.
func (f Filter) Proto() (*qdrant.Filter, error) {
	if f.err != nil {
		return nil, f.err
	}
	return proto.CloneOf(f.proto()), nil
}

func (f Filter) applyOption(o *queryOptions) { o.filter = o.filter.and(f) }

// proto shares the filter's conditions: nobody may write to them.
func (f Filter) proto() *qdrant.Filter {
	if f.isEmpty() && !f.everything {
		return nil
	}
	return &qdrant.Filter{Must: f.must, MustNot: f.mustNot, Should: f.should, MinShould: f.atLeast}
}

// condition is the filter as one condition of another filter.
func (f Filter) condition() *qdrant.Condition {
	if len(f.must) == 1 && len(f.mustNot)+len(f.should) == 0 && f.atLeast == nil {
		return f.must[0]
	}
	return &qdrant.Condition{ConditionOneOf: &qdrant.Condition_Filter{
		Filter: &qdrant.Filter{Must: f.must, MustNot: f.mustNot, Should: f.should, MinShould: f.atLeast},
	}}
}

// isEmpty says that the filter has no condition. If it has no error either, it matches everything.
func (f Filter) isEmpty() bool {
	return len(f.must)+len(f.mustNot)+len(f.should) == 0 && f.atLeast == nil
}

func (f Filter) onlyShould() bool {
	return len(f.should) > 0 && len(f.must)+len(f.mustNot) == 0 && f.atLeast == nil
}

func filterOne(c *qdrant.Condition) Filter { return Filter{must: []*qdrant.Condition{c}} }

// filterNothing has an empty list of ids, which the server answers from its ids without looking at any point.
func filterNothing() Filter { return filterOne(qdrant.NewHasID()) }

// filterConcat never writes behind the end of a list that other filters may share.
func filterConcat(a, b []*qdrant.Condition) []*qdrant.Condition {
	switch {
	case len(b) == 0:
		return a
	case len(a) == 0:
		return b
	default:
		return slices.Concat(a, b)
	}
}

func filterJoin(a, b error) error {
	if a == nil || b == nil {
		if a == nil {
			return b
		}
		return a
	}
	return errors.Join(a, b)
}

func filterInvalid(format string, args ...any) Filter { return Filter{err: invalidf(format, args...)} }
