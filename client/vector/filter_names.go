package vector

import (
	"slices"

	"github.com/qdrant/go-client/qdrant"
)

// Fields are the payload fields that the filter asks about, each once, in the order in which they first come. Those within Nested are paths
// from the document on: "diet[].food".
func (f Filter) Fields() []string {
	var names fieldNames
	names.filter("", f.proto())
	return names
}

// fieldNames collects the payload fields of filters and requests.
type fieldNames []string

func (n *fieldNames) add(prefix, key string) {
	if key = prefix + key; !slices.Contains(*n, key) {
		*n = append(*n, key)
	}
}

func (n *fieldNames) filter(prefix string, f *qdrant.Filter) {
	n.conditions(prefix, f.GetMust())
	n.conditions(prefix, f.GetMustNot())
	n.conditions(prefix, f.GetShould())
	n.conditions(prefix, f.GetMinShould().GetConditions())
}

func (n *fieldNames) conditions(prefix string, list []*qdrant.Condition) {
	for _, c := range list {
		n.condition(prefix, c)
	}
}

func (n *fieldNames) condition(prefix string, c *qdrant.Condition) {
	switch c := c.GetConditionOneOf().(type) {
	case *qdrant.Condition_Field:
		n.add(prefix, c.Field.GetKey())
	case *qdrant.Condition_IsEmpty:
		n.add(prefix, c.IsEmpty.GetKey())
	case *qdrant.Condition_IsNull:
		n.add(prefix, c.IsNull.GetKey())
	case *qdrant.Condition_Filter:
		n.filter(prefix, c.Filter)
	case *qdrant.Condition_Nested:
		n.add(prefix, c.Nested.GetKey())
		n.filter(prefix+arrayKey(c.Nested.GetKey())+".", c.Nested.GetFilter())
	}
}

// arrayKey is the path of an array's elements: the server takes both "items" and "items[]" for Nested.
func arrayKey(key string) string {
	if len(key) > 2 && key[len(key)-2:] == "[]" {
		return key
	}
	return key + "[]"
}

// filterHasPoints says whether a filter asks about points as such: their ids, other than the empty list that stands for nothing, or their
// vectors.
func filterHasPoints(f *qdrant.Filter) bool {
	has := func(c *qdrant.Condition) bool {
		return len(c.GetHasId().GetHasId()) > 0 || c.GetHasVector() != nil || c.GetFilter() != nil && filterHasPoints(c.GetFilter())
	}
	return slices.ContainsFunc(f.GetMust(), has) || slices.ContainsFunc(f.GetMustNot(), has) || slices.ContainsFunc(f.GetShould(), has) ||
		slices.ContainsFunc(f.GetMinShould().GetConditions(), has)
}
