package vector

import (
	"fmt"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// FilterField is a field of the payload about which a filter is to be made; see Where.
//
// A field that is an array matches if one of its values does; a point that lacks the field matches nothing but Empty, and the Not of
// everything else.
type FilterField struct{ key string }

// Where starts a filter on a field of the payload: a name, or a path such as "address.city", "tags[]" or "\"with space\".x".
func Where(key string) FilterField { return FilterField{key} }

// Is matches a value that equals the given one: a string or anything that marshals itself as text such as a uuid.UUID, an integer, a
// bool, a float or a time.Time, and types that have one of these underneath. An ID or a json.Number is what it is stored as. For null
// there is Null.
func (w FilterField) Is(value any) Filter {
	v, err := filterValueOf(value)
	if err == nil {
		err = checkKey(w.key)
	}
	if err != nil {
		return w.invalid("is: %w", err)
	}
	return w.is(v)
}

// In matches a value that equals one of the given ones, which are as for Is and all of one kind. A single slice stands for its elements.
// In of no values is nothing at all.
func (w FilterField) In(values ...any) Filter {
	list, err := filterListOf(values)
	switch {
	case err != nil:
		return w.invalid("in: %w", err)
	case list.len() == 0:
		if err := checkKey(w.key); err != nil {
			return w.invalid("in: %w", err)
		}
		return filterNothing()
	case list.strings != nil:
		value := &qdrant.Match_Keywords{Keywords: &qdrant.RepeatedStrings{Strings: list.strings}}
		return w.match(&filterLeaf{match: qdrant.Match{MatchValue: value}})
	case list.integers != nil:
		value := &qdrant.Match_Integers{Integers: &qdrant.RepeatedIntegers{Integers: list.integers}}
		return w.match(&filterLeaf{match: qdrant.Match{MatchValue: value}})
	default:
		filters := make([]Filter, len(list.others))
		for i, v := range list.others {
			filters[i] = w.is(v)
		}
		return Or(filters...)
	}
}

// NotIn matches a value that equals none of the given ones, which are strings or integers: an array matches if one of its values is another
// one, and a point that lacks the field does not match. Not(In(…)) is the opposite of In.
func (w FilterField) NotIn(values ...any) Filter {
	list, err := filterListOf(values)
	switch {
	case err != nil:
		return w.invalid("not in: %w", err)
	case list.strings != nil:
		value := &qdrant.Match_ExceptKeywords{ExceptKeywords: &qdrant.RepeatedStrings{Strings: list.strings}}
		return w.match(&filterLeaf{match: qdrant.Match{MatchValue: value}})
	case list.integers != nil:
		value := &qdrant.Match_ExceptIntegers{ExceptIntegers: &qdrant.RepeatedIntegers{Integers: list.integers}}
		return w.match(&filterLeaf{match: qdrant.Match{MatchValue: value}})
	case list.len() == 0:
		return w.invalid("not in: no values")
	default:
		return w.invalid("not in: the server knows this for strings and integers only; use Not and In")
	}
}

// Text matches text that has all words of the query, where the field has a text index, and else text that contains the query as it is.
func (w FilterField) Text(query string) Filter {
	return w.text("text", query, &filterLeaf{match: qdrant.Match{MatchValue: &qdrant.Match_Text{Text: query}}})
}

// TextAny matches text that has at least one word of the query.
func (w FilterField) TextAny(query string) Filter {
	return w.text("any word", query, &filterLeaf{match: qdrant.Match{MatchValue: &qdrant.Match_TextAny{TextAny: query}}})
}

// Phrase matches text that has the words of the query one after the other. The server asks for a text index with phrase matching.
func (w FilterField) Phrase(query string) Filter {
	return w.text("phrase", query, &filterLeaf{match: qdrant.Match{MatchValue: &qdrant.Match_Phrase{Phrase: query}}})
}

func (w FilterField) text(what, query string, leaf *filterLeaf) Filter {
	if query == "" {
		return w.invalid("%s: empty", what)
	}
	return w.match(leaf)
}

// Empty matches points without the field, and those where it is null or an empty array.
func (w FilterField) Empty() Filter {
	if err := checkKey(w.key); err != nil {
		return w.invalid("%w", err)
	}
	return filterOne(qdrant.NewIsEmpty(w.key))
}

// Exists is the opposite of Empty.
func (w FilterField) Exists() Filter { return w.Empty().Not() }

// Null matches points where the field is there and null.
func (w FilterField) Null() Filter {
	if err := checkKey(w.key); err != nil {
		return w.invalid("%w", err)
	}
	return filterOne(qdrant.NewIsNull(w.key))
}

// Count matches points where the field has from from to to values, both included: 0 where it is missing, 1 where it is no array. Each bound
// is an integer that is not negative, a pointer to one, or nil for none.
func (w FilterField) Count(from, to any) Filter {
	low, err := filterCountOf(from)
	if err != nil {
		return w.invalid("count: from: %w", err)
	}
	high, err := filterCountOf(to)
	switch {
	case err != nil:
		return w.invalid("count: to: %w", err)
	case low != nil && high != nil && *low > *high:
		return w.invalid("count: from %d to %d is empty", *low, *high)
	case low == nil && high == nil:
		return w.everything("count")
	}
	return w.field(&filterLeaf{field: qdrant.FieldCondition{ValuesCount: &qdrant.ValuesCount{Gte: low, Lte: high}}})
}

func (w FilterField) is(v filterValue) Filter {
	switch v.kind {
	case filterString:
		return w.match(&filterLeaf{match: qdrant.Match{MatchValue: &qdrant.Match_Keyword{Keyword: v.string}}})
	case filterInteger:
		return w.match(&filterLeaf{match: qdrant.Match{MatchValue: &qdrant.Match_Integer{Integer: v.integer}}})
	case filterBool:
		return w.match(&filterLeaf{match: qdrant.Match{MatchValue: &qdrant.Match_Boolean{Boolean: v.bool}}})
	case filterFloat:
		// The server has no equality of floats, but a range of one value.
		return w.field(&filterLeaf{field: qdrant.FieldCondition{Range: &qdrant.Range{Gte: &v.float, Lte: &v.float}}})
	default:
		at := timestamppb.New(v.time)
		return w.field(&filterLeaf{field: qdrant.FieldCondition{DatetimeRange: &qdrant.DatetimeRange{Gte: at, Lte: at}}})
	}
}

// everything is a filter without bounds. The name is looked at all the same, since the next call may have bounds.
func (w FilterField) everything(what string) Filter {
	if err := checkKey(w.key); err != nil {
		return w.invalid("%s: %w", what, err)
	}
	return Filter{}
}

// filterLeaf has the messages of one condition in one piece: one allocation instead of four.
type filterLeaf struct {
	condition qdrant.Condition
	oneOf     qdrant.Condition_Field
	field     qdrant.FieldCondition
	match     qdrant.Match
	list      [1]*qdrant.Condition
}

func (w FilterField) match(leaf *filterLeaf) Filter {
	leaf.field.Match = &leaf.match
	return w.field(leaf)
}

func (w FilterField) field(leaf *filterLeaf) Filter {
	if err := checkKey(w.key); err != nil {
		return w.invalid("%w", err)
	}
	leaf.field.Key = w.key
	leaf.oneOf.Field = &leaf.field
	leaf.condition.ConditionOneOf = &leaf.oneOf
	leaf.list[0] = &leaf.condition
	return Filter{must: leaf.list[:]}
}

func (w FilterField) invalid(format string, args ...any) Filter {
	return filterInvalid("filter on %s: %w", quotedKey(w.key), fmt.Errorf(format, args...))
}
