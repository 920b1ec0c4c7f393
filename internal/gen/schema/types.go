package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// node is the part of JSON Schema draft-07 that values need. A union is one node with several types: each keyword
// judges values of its own type only, so there is no need for anyOf, whose error messages hide the key.
type node struct {
	Schema               string           `json:"$schema,omitempty"`
	Description          string           `json:"description,omitempty"`
	Type                 types            `json:"type,omitempty"`
	Enum                 []any            `json:"enum,omitempty"`
	Pattern              string           `json:"pattern,omitempty"`
	Minimum              json.Number      `json:"minimum,omitempty"`
	Maximum              json.Number      `json:"maximum,omitempty"`
	Items                *node            `json:"items,omitempty"`
	AdditionalProperties any              `json:"additionalProperties,omitempty"` // false or *node
	Required             []string         `json:"required,omitempty"`
	Properties           map[string]*node `json:"properties,omitempty"`
	Default              json.RawMessage  `json:"default,omitempty"`
}

// types is written as one string where it is one.
type types []string

// MarshalJSON implements json.Marshaler.
func (t types) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

const (
	// As k8s.io/apimachinery/pkg/api/resource reads them, without a sign: nothing here is measured below zero.
	quantityPattern = `^([0-9]+(\.[0-9]*)?|\.[0-9]+)(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?[0-9]+)?$`
	// Go has no days, weeks and years, Prometheus no fractions; which of the two reads the value decides.
	durationPattern = `^(0|([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h|d|w|y))+)$`
	percentPattern  = `^[0-9]+%$`
)

// namedType returns a new schema for one word of the type language.
func namedType(name string) (*node, error) {
	if elem, ok := strings.CutPrefix(name, "[]"); ok {
		items, err := namedType(elem)
		return &node{Type: types{"array"}, Items: items}, err
	}
	if elem, ok := strings.CutPrefix(name, "map[string]"); ok {
		values, err := namedType(elem)
		return &node{Type: types{"object"}, AdditionalProperties: values}, err
	}
	switch name {
	case "string", "integer", "number", "boolean", "null", "object":
		return &node{Type: types{name}}, nil
	case "quantity":
		return &node{Type: types{"string", "number"}, Pattern: quantityPattern, Minimum: "0"}, nil
	case "duration":
		return &node{Type: types{"string"}, Pattern: durationPattern}, nil
	case "port":
		return &node{Type: types{"integer"}, Minimum: "1", Maximum: "65535"}, nil
	case "intOrPercent":
		return &node{Type: types{"integer", "string"}, Pattern: percentPattern, Minimum: "0"}, nil
	}
	return nil, fmt.Errorf("@type: unknown type %q", name)
}

// typeSchema returns the schema of a union such as "quantity|null".
func typeSchema(union string) (*node, error) {
	sum := &node{}
	for name := range strings.SplitSeq(union, "|") {
		branch, err := namedType(strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		if err := sum.union(branch); err != nil {
			return nil, fmt.Errorf("@type: %q: %w", union, err)
		}
	}
	return sum, nil
}

// union adds a branch. No two branches may accept the same type, or keywords of both would judge its values; lists are
// the exception, for there the elements are united.
func (n *node) union(branch *node) error {
	if n.Items != nil && branch.Items != nil {
		return n.Items.union(branch.Items)
	}
	for _, t := range branch.Type {
		if slices.ContainsFunc(n.Type, func(have string) bool { return overlap(have, t) }) {
			return fmt.Errorf("two branches accept the JSON type %s", t)
		}
	}
	n.Type = append(n.Type, branch.Type...)
	if branch.Pattern != "" {
		n.Pattern = branch.Pattern
	}
	if branch.Minimum != "" {
		n.Minimum = branch.Minimum
	}
	if branch.Maximum != "" {
		n.Maximum = branch.Maximum
	}
	if branch.Items != nil {
		n.Items = branch.Items
	}
	if branch.AdditionalProperties != nil {
		n.AdditionalProperties = branch.AdditionalProperties
	}
	return nil
}

func overlap(a, b string) bool {
	numeric := func(t string) bool { return t == "integer" || t == "number" }
	return a == b || numeric(a) && numeric(b)
}

// branch returns the schema that judges values of one of the given types: n itself, or that of its elements.
func (n *node) branch(jsonTypes ...string) *node {
	for _, t := range jsonTypes {
		if slices.Contains(n.Type, t) {
			return n
		}
	}
	if n.Items != nil {
		return n.Items.branch(jsonTypes...)
	}
	if values, ok := n.AdditionalProperties.(*node); ok {
		return values.branch(jsonTypes...)
	}
	return nil
}

// closed returns the schema of an object that has the given keys and no others.
func closed(keys []*Key) *node {
	n := &node{Type: types{"object"}, AdditionalProperties: false, Properties: map[string]*node{}}
	for _, k := range keys {
		name := k.Path[strings.LastIndex(k.Path, ".")+1:]
		n.Properties[name] = k.schema
		// Helm lays a chart's own values under the user's, so a key is missing only where it was set to null, and then Helm has
		// removed it before it looks at the schema. To a template that would be 0, false or a nil map.
		if !slices.Contains(k.JSONTypes, "null") {
			n.Required = append(n.Required, name)
		}
	}
	slices.Sort(n.Required)
	return n
}

// Schema returns the JSON Schema, its properties in alphabetical order.
func (v *Values) Schema() ([]byte, error) {
	root := closed(v.keys)
	root.Schema = "http://json-schema.org/draft-07/schema#"
	text, err := encode(root)
	if err != nil {
		return nil, fmt.Errorf("encoding the schema: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		return nil, fmt.Errorf("indenting the schema: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// encode writes JSON for people: < and & as themselves.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(out.Bytes()), err
}
