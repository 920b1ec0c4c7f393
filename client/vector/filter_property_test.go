package vector

import (
	"fmt"
	"slices"
	"testing"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/codec"
)

// TestFilterMeansWhatItSays builds random filters out of all connectives, and compares what they say with what the resulting conditions say
// by the server's rules, for random points. No filter that went into another one may have changed.
func TestFilterMeansWhatItSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		points := rapid.SliceOfN(rapid.Custom(drawPoint), 12, 12).Draw(t, "points")
		// A hundred checks of one tree each would miss the connectives that meet seldom.
		for range 50 {
			checkWish(t, drawWish(t, 4, true), points)
		}
	})
}

func checkWish(t *rapid.T, wish wish, points []point) {
	var parts []filterPart
	filter := wish.build(&parts)
	got, err := filter.Proto()
	if err != nil {
		t.Fatalf("%v: %v", wish, err)
	}
	for _, point := range points {
		if want, has := wish.matches(point), serverMatches(got, point); want != has {
			t.Fatalf("%v is %v for %v, its proto says %v:\n%v", wish, want, point, has, got)
		}
	}
	for _, part := range parts {
		if now := part.filter.proto(); !proto.Equal(part.then, now) {
			t.Fatalf("a part of %v has changed from\n%v\nto\n%v", wish, part.then, now)
		}
	}
}

// point is a small point: fields with numbers, and objects of the same kind.
type point struct {
	id      int
	fields  map[string][]int
	objects []point
}

func drawPoint(t *rapid.T) point {
	p := drawFields(t)
	p.id = rapid.IntRange(0, 3).Draw(t, "id")
	for range rapid.IntRange(0, 2).Draw(t, "objects") {
		p.objects = append(p.objects, drawFields(t))
	}
	return p
}

func drawFields(t *rapid.T) point {
	p := point{id: -1, fields: map[string][]int{}}
	for _, key := range []string{"a", "b"} {
		p.fields[key] = rapid.SliceOfN(rapid.IntRange(0, 3), 0, 2).Draw(t, key)
	}
	return p
}

// wish is a filter as the caller thinks of it.
type wish struct {
	what string
	key  string
	n    int
	of   []wish
}

func (w wish) String() string {
	if len(w.of) > 0 {
		return fmt.Sprintf("%s%d%v", w.what, w.n, w.of)
	}
	return fmt.Sprintf("%s %s %d", w.what, w.key, w.n)
}

type filterPart struct {
	filter Filter
	then   *qdrant.Filter
}

func drawWish(t *rapid.T, depth int, point bool) wish {
	kinds := []string{"is", "in", "not in", "from", "empty", "everything", "zero"}
	if point {
		kinds = append(kinds, "id")
	}
	if depth > 0 {
		// Connectives come more often than leaves, or the trees would stay small.
		for range 2 {
			kinds = append(kinds, "and", "or", "not", "at least", "and method", "or method", "raw")
		}
		if point {
			kinds = append(kinds, "nested")
		}
	}
	w := wish{what: rapid.SampledFrom(kinds).Draw(t, "what")}
	switch w.what {
	case "is", "in", "not in", "from", "empty", "id":
		w.key = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key")
		w.n = rapid.IntRange(0, 3).Draw(t, "n")
	case "and", "or", "and method", "or method", "at least", "raw":
		for range rapid.IntRange(0, 3).Draw(t, "children") {
			w.of = append(w.of, drawWish(t, depth-1, point))
		}
		if w.what == "at least" {
			w.n = rapid.IntRange(0, len(w.of)).Draw(t, "least")
		}
	case "not":
		w.of = []wish{drawWish(t, depth-1, point)}
	case "nested":
		w.of = []wish{drawWish(t, depth-1, false)}
	}
	return w
}

func (w wish) build(parts *[]filterPart) Filter {
	of := make([]Filter, len(w.of))
	for i, child := range w.of {
		of[i] = child.build(parts)
	}
	f := w.filter(of)
	then, _ := f.Proto()
	*parts = append(*parts, filterPart{f, then})
	return f
}

func (w wish) filter(of []Filter) Filter {
	switch w.what {
	case "is":
		return Where(w.key).Is(w.n)
	case "in":
		return Where(w.key).In(w.n, 3)
	case "not in":
		return Where(w.key).NotIn(w.n, 3)
	case "from":
		return Range(w.key, w.n, nil)
	case "empty":
		return Where(w.key).Empty()
	case "everything":
		return Everything()
	case "zero":
		return Filter{}
	case "id":
		return IDs(codec.Num(uint64(w.n)))
	case "and":
		return And(of...)
	case "or":
		return Or(of...)
	case "and method":
		if len(of) == 0 {
			return Filter{}
		}
		return of[0].And(of[1:]...)
	case "or method":
		if len(of) == 0 {
			return Or()
		}
		return of[0].Or(of[1:]...)
	case "at least":
		return AtLeast(w.n, of...)
	case "not":
		return Not(of[0])
	case "nested":
		return Nested("objects", of[0])
	default: // raw: a conjunction whose conditions were written by hand
		raw := &qdrant.Filter{}
		for _, f := range of {
			p, _ := f.Proto()
			if p == nil {
				p = &qdrant.Filter{}
			}
			raw.Must = append(raw.Must, qdrant.NewFilterAsCondition(p))
		}
		return RawFilter(raw)
	}
}

func (w wish) matches(p point) bool {
	has := func(value func(int) bool) bool { return slices.ContainsFunc(p.fields[w.key], value) }
	yes := 0
	if w.what != "nested" {
		for _, child := range w.of {
			if child.matches(p) {
				yes++
			}
		}
	}
	switch w.what {
	case "is":
		return has(func(v int) bool { return v == w.n })
	case "in":
		return has(func(v int) bool { return v == w.n || v == 3 })
	case "not in":
		return has(func(v int) bool { return v != w.n && v != 3 })
	case "from":
		return has(func(v int) bool { return v >= w.n })
	case "empty":
		return len(p.fields[w.key]) == 0
	case "everything", "zero":
		return true
	case "id":
		return p.id == w.n
	case "and", "raw":
		return yes == len(w.of)
	case "and method":
		return yes == len(w.of)
	case "or", "or method":
		return yes > 0
	case "at least":
		return yes >= w.n
	case "not":
		return yes == 0
	default:
		return slices.ContainsFunc(p.objects, w.of[0].matches)
	}
}

// serverMatches evaluates a filter as the server does (lib/segment/src/payload_storage/query_checker.rs and condition_checker.rs), where an
// empty list of conditions asks for nothing.
func serverMatches(f *qdrant.Filter, p point) bool {
	holds := func(c *qdrant.Condition) bool { return serverHolds(c, p) }
	fails := func(c *qdrant.Condition) bool { return !serverHolds(c, p) }
	if len(f.GetShould()) > 0 && !slices.ContainsFunc(f.GetShould(), holds) {
		return false
	}
	if least := f.GetMinShould(); least != nil {
		yes := uint64(0)
		for _, c := range least.GetConditions() {
			if holds(c) {
				yes++
			}
		}
		if yes < least.GetMinCount() {
			return false
		}
	}
	return !slices.ContainsFunc(f.GetMust(), fails) && !slices.ContainsFunc(f.GetMustNot(), holds)
}

func serverHolds(c *qdrant.Condition, p point) bool {
	switch c := c.GetConditionOneOf().(type) {
	case *qdrant.Condition_Filter:
		return serverMatches(c.Filter, p)
	case *qdrant.Condition_IsEmpty:
		return len(p.fields[c.IsEmpty.GetKey()]) == 0
	case *qdrant.Condition_HasId:
		return slices.ContainsFunc(c.HasId.GetHasId(), func(id *qdrant.PointId) bool { return p.id >= 0 && id.GetNum() == uint64(p.id) })
	case *qdrant.Condition_Nested:
		return slices.ContainsFunc(p.objects, func(o point) bool { return serverMatches(c.Nested.GetFilter(), o) })
	case *qdrant.Condition_Field:
		return slices.ContainsFunc(p.fields[c.Field.GetKey()], func(v int) bool { return serverAccepts(c.Field, v) })
	default:
		panic(fmt.Sprintf("a condition that no filter here makes: %v", c))
	}
}

func serverAccepts(c *qdrant.FieldCondition, v int) bool {
	if c.GetRange() != nil {
		return float64(v) >= c.GetRange().GetGte()
	}
	switch m := c.GetMatch().GetMatchValue().(type) {
	case *qdrant.Match_Integer:
		return m.Integer == int64(v)
	case *qdrant.Match_Integers:
		return slices.Contains(m.Integers.GetIntegers(), int64(v))
	case *qdrant.Match_ExceptIntegers:
		return !slices.Contains(m.ExceptIntegers.GetIntegers(), int64(v))
	default:
		panic(fmt.Sprintf("a match that no filter here makes: %v", m))
	}
}
