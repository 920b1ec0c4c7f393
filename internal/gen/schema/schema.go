// Package schema makes the JSON Schema and the reference table of a Helm chart from the comments of its values.yaml,
// so that the file people read, the check that Helm runs and the README can't come apart.
//
// Every key has a comment block directly above it, at its own indentation:
//
//	# -- A sentence that says what the key does.
//	# Any further prose.
//	# @type: integer|null
//	# @min: 1
//	replicationFactor: null
//
// The "# -- " line is required. Annotations are optional, one a line, and come last:
//
//	@type:    what is accepted, a union separated by "|". Without it the type is that of the default.
//	@default: what the table shows in place of the literal default.
//	@enum:    the strings accepted, separated by commas; "" is the empty string.
//	@pattern: a regular expression for strings.
//	@min:     the least number.
//	@max:     the largest number.
//
// Types are string, integer, number, boolean, null, object (any keys), quantity (of Kubernetes), duration (of Go or
// Prometheus), port and intOrPercent; []T is a list of T, and map[string]T a map whose values are T. The elements of
// []T|[]U may be mixed. An annotation about strings or numbers holds for that branch of a union, or else for the
// elements of its list or map. Where null is in the union, it stays allowed.
//
// A map that isn't empty and has no @type is a closed object: its keys are documented one by one and no others are
// accepted. Nothing can be inferred from an empty map, a list or null, so those need a @type.
//
// A line "##@ Name" at the left margin starts a section of the table with the top-level key that follows it.
package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	yamlnode "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

// Key is one key of a values file, with what its comment says about it.
type Key struct {
	// Path is the dotted path, as templates write it after ".Values.".
	Path string
	// Line is where the key stands in the file.
	Line int
	// Type is the @type annotation, or what was inferred; "object" for a closed object.
	Type string
	// JSONTypes are the types of JSON Schema that Type accepts.
	JSONTypes []string
	// Closed is true for an object whose keys are declared. Those keys are in the list on their own.
	Closed bool
	// Default is the value in the file as Helm reads it; numbers are json.Number.
	Default any
	// Section is the "##@" heading that the key stands under.
	Section string
	// Description is the comment without its annotations, on one line.
	Description string

	notes    annotations
	schema   *node
	children []*Key
}

// Mistyped returns a value of a type that the key refuses. Every type refuses one of text, true and a list.
func (k Key) Mistyped() any {
	for _, wrong := range []struct {
		jsonType string
		value    any
	}{{"string", "mistyped"}, {"boolean", true}, {"array", []any{}}} {
		if !slices.Contains(k.JSONTypes, wrong.jsonType) {
			return wrong.value
		}
	}
	return nil
}

// Values is a values file that has been read and found consistent.
type Values struct {
	keys []*Key
}

// Keys reads a values file and returns every key that it declares, closed objects before their keys, in the order
// of the file.
func Keys(values []byte) ([]Key, error) {
	v, err := Parse(values)
	if err != nil {
		return nil, err
	}
	var all []Key
	v.walk(func(k *Key) { all = append(all, *k) })
	return all, nil
}

// Parse reads a values file. The error lists everything that is wrong with its comments, and any default that they
// don't allow.
func Parse(values []byte) (*Values, error) {
	var document yamlnode.Node
	if err := yamlnode.Unmarshal(values, &document); err != nil {
		return nil, fmt.Errorf("parsing YAML: %w", err)
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yamlnode.MappingNode {
		return nil, errors.New("parsing YAML: the document is not a map")
	}
	// Nodes know lines and order. The values themselves come from the parser that Helm uses, which follows YAML 1.1
	// where the other follows 1.2: to Helm, off is a boolean.
	var defaults map[string]any
	err := yaml.UnmarshalStrict(values, &defaults, func(d *json.Decoder) *json.Decoder {
		d.UseNumber()
		return d
	})
	if err != nil {
		return nil, fmt.Errorf("parsing YAML: %w", err)
	}

	p := &parser{lines: strings.Split(string(values), "\n")}
	v := &Values{keys: p.keys("", document.Content[0], defaults)}
	p.sections(v.keys)
	if err := errors.Join(p.errs...); err != nil {
		return nil, err
	}
	return v, v.checkDefaults(defaults)
}

func (v *Values) walk(visit func(*Key)) {
	var descend func([]*Key)
	descend = func(keys []*Key) {
		for _, k := range keys {
			visit(k)
			descend(k.children)
		}
	}
	descend(v.keys)
}

// checkDefaults validates the file against its own schema: a default that the schema refuses would fail every
// installation that doesn't override it.
func (v *Values) checkDefaults(defaults map[string]any) error {
	text, err := v.Schema()
	if err != nil {
		return err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("reading back the schema: %w", err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("values.schema.json", document); err != nil {
		return fmt.Errorf("reading back the schema: %w", err)
	}
	compiled, err := compiler.Compile("values.schema.json")
	if err != nil {
		return fmt.Errorf("compiling the schema: %w", err)
	}
	if err := compiled.Validate(defaults); err != nil {
		return fmt.Errorf("checking the defaults: %w", err)
	}
	return nil
}

// parser collects errors rather than stopping, so that one run names all keys that need work.
type parser struct {
	lines []string
	errs  []error
}

func (p *parser) errorf(line int, path, format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("line %d: %s: %w", line, path, fmt.Errorf(format, args...)))
}

// keys reads the keys of one map and, where they are closed objects, theirs.
func (p *parser) keys(parent string, m *yamlnode.Node, defaults map[string]any) []*Key {
	var keys []*Key
	for i := 0; i+1 < len(m.Content); i += 2 {
		name, value := m.Content[i], m.Content[i+1]
		path := name.Value
		if parent != "" {
			path = parent + "." + name.Value
		}
		if strings.Contains(name.Value, ".") {
			p.errorf(name.Line, path, "a declared key can't have a dot in its name, for templates could not reach it")
			continue
		}
		def, ok := defaults[name.Value]
		if !ok {
			p.errorf(name.Line, path, "Helm reads this key under another name: quote on, off, yes and no, and write out what << merges")
			continue
		}
		for value.Kind == yamlnode.AliasNode {
			value = value.Alias
		}
		k := &Key{Path: path, Line: name.Line, Default: def}
		p.comment(k, name)
		p.describeType(k, value)
		keys = append(keys, k)
	}
	return keys
}

// describeType fills in what the key accepts.
func (p *parser) describeType(k *Key, value *yamlnode.Node) {
	k.Type = k.notes.text["type"]
	if k.Type == "" {
		if m, ok := k.Default.(map[string]any); ok && len(m) > 0 {
			p.closedObject(k, value, m)
			return
		}
		k.Type = inferType(value, k.Default)
	}
	if k.Type == "" {
		p.errorf(k.Line, k.Path, "the type can't be inferred from an empty map, a list or null: add a line %q", "# @type: …")
		return
	}
	schema, err := typeSchema(k.Type)
	if err != nil {
		p.errorf(k.Line, k.Path, "%w", err)
		return
	}
	if err := k.notes.constrain(schema); err != nil {
		p.errorf(k.Line, k.Path, "%w", err)
		return
	}
	schema.Description = k.Description
	schema.Default, err = encode(k.Default)
	if err != nil {
		p.errorf(k.Line, k.Path, "encoding the default: %w", err)
	}
	k.schema, k.JSONTypes = schema, schema.Type
}

func (p *parser) closedObject(k *Key, value *yamlnode.Node, defaults map[string]any) {
	for _, note := range slices.Sorted(maps.Keys(k.notes.text)) {
		p.errorf(k.Line, k.Path, "@%s has no meaning for an object whose keys are documented one by one", note)
	}
	k.Type, k.JSONTypes, k.Closed = "object", []string{"object"}, true
	k.children = p.keys(k.Path, value, defaults)
	k.schema = closed(k.children)
	k.schema.Description = k.Description
}

// inferType names the type of a scalar, or returns "". The tag tells 1.0 from 1, which JSON doesn't.
func inferType(value *yamlnode.Node, def any) string {
	switch def.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case json.Number:
		if value.ShortTag() == "!!int" {
			return "integer"
		}
		return "number"
	}
	return ""
}

// sections gives every key the "##@" heading it stands under.
func (p *parser) sections(keys []*Key) {
	section, line, empty := "", 0, false
	for i, text := range append(p.lines, sectionMark) {
		if name, ok := strings.CutPrefix(text, sectionMark); ok {
			if empty {
				p.errorf(line, section, "a section without keys")
			}
			section, line, empty = strings.TrimSpace(name), i+1, true
		}
		if len(keys) > 0 && keys[0].Line == i+1 {
			(&Values{keys[:1]}).walk(func(k *Key) { k.Section = section })
			keys, empty = keys[1:], false
		}
	}
}
