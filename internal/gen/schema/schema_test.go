package schema_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/qdrant-shepherd/shepherd/internal/gen/schema"
)

const whole = `# About the file, not about a key.

##@ Cluster

# -- Number of pods. 0 stops <name>.
# See also ` + "`<release>`" + ` | more.
# @min: 0
# @max: 9
replicas: 3
# -- Where things are kept.
storage:
  # -- Size.
  # @type: quantity
  size: 10Gi
  # -- Class.
  # @type: string|null
  # @default: the cluster's
  class: null

  # -- A level further down.
  tuning:

    # -- Share.
    ratio: 1.0
##@ Rest
# -- Level of the log.
# @enum: info, debug
level: info
# -- Anything.
# @type: object
config:
  undeclared: {deep: true}
`

func TestSchema(t *testing.T) {
	t.Parallel()
	v, err := schema.Parse([]byte(whole))
	require.NoError(t, err)
	got, err := v.Schema()
	require.NoError(t, err)
	//nolint:testifylint // the order of the keys is part of what is promised
	assert.Equal(t, `{
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "additionalProperties": false,
  "required": [
    "config",
    "level",
    "replicas",
    "storage"
  ],
  "properties": {
    "config": {
      "description": "Anything.",
      "type": "object",
      "default": {
        "undeclared": {
          "deep": true
        }
      }
    },
    "level": {
      "description": "Level of the log.",
      "type": "string",
      "enum": [
        "info",
        "debug"
      ],
      "default": "info"
    },
    "replicas": {
      "description": "Number of pods. 0 stops <name>. See also `+"`<release>`"+` | more.",
      "type": "integer",
      "minimum": 0,
      "maximum": 9,
      "default": 3
    },
    "storage": {
      "description": "Where things are kept.",
      "type": "object",
      "additionalProperties": false,
      "required": [
        "size",
        "tuning"
      ],
      "properties": {
        "class": {
          "description": "Class.",
          "type": [
            "string",
            "null"
          ],
          "default": null
        },
        "size": {
          "description": "Size.",
          "type": [
            "string",
            "number"
          ],
          "pattern": "^([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?[0-9]+)?$",
          "minimum": 0,
          "default": "10Gi"
        },
        "tuning": {
          "description": "A level further down.",
          "type": "object",
          "additionalProperties": false,
          "required": [
            "ratio"
          ],
          "properties": {
            "ratio": {
              "description": "Share.",
              "type": "number",
              "default": 1
            }
          }
        }
      }
    }
  }
}
`, string(got))
}

func TestTable(t *testing.T) {
	t.Parallel()
	v, err := schema.Parse([]byte(whole))
	require.NoError(t, err)
	assert.Equal(t, `### Cluster

| Key | Type | Default | Description |
|---|---|---|---|
| `+"`replicas` | `integer` | `3` | Number of pods. 0 stops &lt;name>. See also `<release>` \\| more. From 0 to 9."+` |
| `+"**`storage`** | | | Where things are kept."+` |
| `+"`storage.size` | `quantity` | `\"10Gi\"` | Size."+` |
| `+"`storage.class` | `string\\|null` | the cluster's | Class."+` |
| `+"**`storage.tuning`** | | | A level further down."+` |
| `+"`storage.tuning.ratio` | `number` | `1` | Share."+` |

### Rest

| Key | Type | Default | Description |
|---|---|---|---|
| `+"`level` | `string` | `\"info\"` | Level of the log. One of `info`, `debug`."+` |
| `+"`config` | `object` | `{\"undeclared\":{\"deep\":true}}` | Anything."+` |
`, string(v.Table()))
}

func TestTableCells(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, values, want string }{
		{"long default", "# -- A.\na: x123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890", "| see `values.yaml` |"},
		{"pipe in a default", "# -- A.\na: x|y", "| `\"x\\|y\"` |"},
		{"backtick in a default", "# -- A.\na: 'x`y'", "| `` \"x`y\" `` |"},
		{"empty word", "# -- A.\n# @enum: \"\", b\na: b", "A. One of `\"\"`, `b`. |"},
		{"min alone", "# -- A.\n# @min: 0\na: 1", "A. At least 0. |"},
		{"max alone", "# -- A.\n# @max: 2\na: 1", "A. At most 2. |"},
		{"default in words", "# -- A.\n# @default: v<n> or `a|<b>`\na: 1", "| v&lt;n> or `a\\|<b>` |"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			v, err := schema.Parse([]byte(tc.values))
			require.NoError(t, err)
			assert.Contains(t, string(v.Table()), tc.want)
		})
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	keys, err := schema.Keys([]byte(whole))
	require.NoError(t, err)
	type key struct {
		path, typ, section string
		def                any
		closed             bool
	}
	var got []key
	for _, k := range keys {
		if k.Closed {
			k.Default = nil // their keys have it
		}
		got = append(got, key{k.Path, k.Type, k.Section, k.Default, k.Closed})
	}
	assert.Equal(t, []key{
		{"replicas", "integer", "Cluster", json.Number("3"), false},
		{"storage", "object", "Cluster", nil, true},
		{"storage.size", "quantity", "Cluster", "10Gi", false},
		{"storage.class", "string|null", "Cluster", nil, false},
		{"storage.tuning", "object", "Cluster", nil, true},
		{"storage.tuning.ratio", "number", "Cluster", json.Number("1"), false},
		{"level", "string", "Rest", "info", false},
		{"config", "object", "Rest", map[string]any{"undeclared": map[string]any{"deep": true}}, false},
	}, got)
}

// Every type must accept and refuse what its name says; the schema is asked through the validator that Helm uses.
func TestTypes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		values string // declares the key "a"
		accept []string
		refuse []string
	}{
		{"string", "a: text", []string{`x`, `""`, `"1"`}, []string{`1`, `null`, `true`, `[x]`, `{x: y}`}},
		{"integer", "a: 1", []string{`0`, `-1`, `2.0`}, []string{`1.5`, `"1"`, `null`}},
		{"number", "a: 0.5", []string{`0`, `1.5`}, []string{`"1"`, `null`}},
		{"boolean", "a: true", []string{`false`, `off`}, []string{`"true"`, `0`, `null`}},
		{"closed object", "a:\n  # -- B.\n  b: 1", []string{`{b: 2}`}, []string{`{}`, `{b: null}`, `{c: 1}`, `{b: x}`, `null`, `[]`}},
		{"object", "# @type: object\na: {}", []string{`{}`, `{b: {c: [1]}}`}, []string{`null`, `[]`, `x`}},
		{"object or null", "# @type: object|null\na: {b: 1}", []string{`{}`, `{c: 1}`, `null`}, []string{`[]`}},
		{"map of strings", "# @type: map[string]string\na: {}", []string{`{}`, `{b: c}`}, []string{`{b: 1}`, `{b: true}`, `{b: null}`, `[]`}},
		{"map of quantities", "# @type: map[string]quantity\na: {cpu: 1}", []string{`{memory: 1Gi}`}, []string{`{memory: 1GiB}`}},
		{"list of strings", "# @type: []string\na: []", []string{`[]`, `[b]`}, []string{`[1]`, `b`, `null`}},
		{"list of integers", "# @type: []integer\na: []", []string{`[1]`}, []string{`[b]`, `[1.5]`}},
		{"list of objects", "# @type: []object\na: []", []string{`[{b: 1}]`}, []string{`[b]`, `{}`}},
		{"list of objects or strings", "# @type: []object|[]string\na: []", []string{`[{b: 1}, c]`}, []string{`[1]`, `c`}},
		{"quantity", "# @type: quantity\na: 1Gi", []string{`500m`, `0.5`, `10`, `1e3`, `1.5Gi`, `.5`, `"2"`}, []string{`10GB`, `-1`, `"-1"`, `""`, `10 Gi`, `1K`, `null`, `ten`}},
		{"quantity or null", "# @type: quantity|null\na: null", []string{`1Gi`, `2`, `null`}, []string{`1Gb`, `true`}},
		{"duration", "# @type: duration\na: 30s", []string{`1h30m`, `500ms`, `1.5h`, `7d`, `"0"`}, []string{`30`, `30 s`, `30sec`, `""`, `s`, `null`}},
		{"port", "# @type: port\na: 80", []string{`1`, `65535`}, []string{`0`, `65536`, `"80"`}},
		{"intOrPercent", "# @type: intOrPercent\na: 1", []string{`0`, `25%`}, []string{`-1`, `1.5`, `"1"`, `"%"`}},
		{"min and max", "# @min: 1\n# @max: 3\na: 2", []string{`1`, `3`}, []string{`0`, `4`}},
		{"min of a union", "# @type: integer|null\n# @min: 1\na: null", []string{`1`, `null`}, []string{`0`}},
		{"min of elements", "# @type: []integer\n# @min: 1\na: []", []string{`[1]`}, []string{`[0]`}},
		{"min over that of the type", "# @type: port\n# @min: 1024\na: 6333", []string{`1024`}, []string{`80`, `65536`}},
		{"enum", "# @enum: b, c\na: b", []string{`c`}, []string{`d`, `""`, `null`}},
		{"enum with the empty string", "# @enum: \"\", c\na: c", []string{`""`}, []string{`d`}},
		{"enum of a union with null", "# @type: string|null\n# @enum: b, c\na: null", []string{`b`, `null`}, []string{`d`}},
		{"enum of a union with numbers", "# @type: integer|string|null\n# @enum: auto, a.b\na: auto", []string{`1`, `a.b`, `null`}, []string{`automatic`, `axb`, `true`}},
		{"enum of elements", "# @type: []string\n# @enum: b, c\na: [b]", []string{`[c, b]`, `[]`}, []string{`[d]`}},
		{"pattern", "# @pattern: ^[a-z]+$\na: b", []string{`bc`}, []string{`B`, `""`}},
		{"pattern of a union", "# @type: string|null\n# @pattern: ^[a-z]+$\na: null", []string{`bc`, `null`}, []string{`B`}},
		{"annotation with spaces", "# @type:  string | null \na: null", []string{`b`, `null`}, []string{`1`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			values := []byte("# -- A.\n" + tc.values + "\n")
			v, err := schema.Parse(values)
			require.NoError(t, err)
			validator := compile(t, v)
			for _, value := range tc.accept {
				assert.NoError(t, validator.Validate(decode(t, "a: "+value)), value)
			}
			for _, value := range tc.refuse {
				assert.ErrorContains(t, validator.Validate(decode(t, "a: "+value)), "/a", value)
			}
			assert.Error(t, validator.Validate(decode(t, "undeclared: 1")))

			keys, err := schema.Keys(values)
			require.NoError(t, err)
			assert.Error(t, validator.Validate(map[string]any{"a": keys[0].Mistyped()}))
		})
	}
}

func compile(t *testing.T, v *schema.Values) *jsonschema.Schema {
	t.Helper()
	text, err := v.Schema()
	require.NoError(t, err)
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("schema.json", document))
	compiled, err := compiler.Compile("schema.json")
	require.NoError(t, err)
	return compiled
}

func decode(t *testing.T, text string) any {
	t.Helper()
	var value any
	require.NoError(t, yaml.Unmarshal([]byte(text), &value))
	return value
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		values string
		want   []string
	}{
		{"no comment", "a: 1", []string{"line 1: a: no comment"}},
		{"blank line below the comment", "# -- A.\n\na: 1", []string{"line 3: a: no comment"}},
		{"comment of another indentation", "# -- A.\na:\n# -- B.\n  b: 1", []string{"line 4: a.b: no comment"}},
		{"keys in flow style", "# -- A.\na: {b: 1}", []string{"line 2: a.b: no comment"}},
		{"comment without the mark", "# A.\na: 1", []string{`a: the comment must start with "# -- ", not "# A."`}},
		{"two mistakes", "a: 1\nb: 2", []string{"line 1: a: no comment", "line 2: b: no comment"}},
		{"empty map", "# -- A.\na: {}", []string{"a: the type can't be inferred"}},
		{"list", "# -- A.\na: [1]", []string{"a: the type can't be inferred"}},
		{"null", "# -- A.\na: null", []string{"a: the type can't be inferred"}},
		{"unknown type", "# -- A.\n# @type: text\na: b", []string{`a: @type: unknown type "text"`}},
		{"unknown element type", "# -- A.\n# @type: []text\na: []", []string{`a: @type: unknown type "text"`}},
		{"overlapping union", "# -- A.\n# @type: string|duration\na: 1s", []string{"a: @type: \"string|duration\": two branches accept the JSON type string"}},
		{"overlapping numbers", "# -- A.\n# @type: integer|quantity\na: 1", []string{"two branches accept the JSON type number"}},
		{"unknown annotation", "# -- A.\n# @typ: string\na: b", []string{"a: unknown annotation @typ"}},
		{"annotation without text", "# -- A.\n# @type\na: b", []string{`a: annotation "@type" is not of the form`}},
		{"annotation given twice", "# -- A.\n# @min: 1\n# @min: 2\na: 3", []string{"a: @min is given twice"}},
		{"prose after an annotation", "# -- A.\n# @min: 1\n# More.\na: 3", []string{`a: prose after an annotation: "More."`}},
		{"annotation of a closed object", "# -- A.\n# @default: x\na:\n  # -- B.\n  b: 1", []string{"a: @default has no meaning"}},
		{"min of a string", "# -- A.\n# @min: 1\na: b", []string{"a: @min: the type has no numbers"}},
		{"min that is no number", "# -- A.\n# @min: one\na: 1", []string{`a: @min: "one" is not a number`}},
		{"enum of an integer", "# -- A.\n# @enum: 1, 2\na: 1", []string{"a: @enum: the type has no strings"}},
		{"enum with an empty word", "# -- A.\n# @enum: b,, c\na: b", []string{"a: @enum: an empty word"}},
		{"enum with a boolean word", "# -- A.\n# @enum: soft, off\na: soft", []string{"a: @enum: off is a boolean in YAML"}},
		{"pattern of a duration", "# -- A.\n# @type: duration\n# @pattern: s$\na: 1s", []string{"a: @pattern: the strings of the type have a pattern already"}},
		{"pattern that does not compile", "# -- A.\n# @pattern: (\na: b", []string{"a: @pattern: error parsing regexp"}},
		{"default of another type", "# -- A.\n# @type: integer\na: b", []string{"checking the defaults", "/a", "want integer"}},
		{"default out of bounds", "# -- A.\n# @max: 1\na: 2", []string{"checking the defaults", "/a"}},
		{"boolean as key", "# -- A.\non: 1", []string{"on: Helm reads this key under another name"}},
		{"dot in a key", "# -- A.\na.b: 1", []string{"a.b: a declared key can't have a dot"}},
		{"same key twice", "# -- A.\na: 1\n# -- A.\na: 2", []string{"parsing YAML", "already"}},
		{"section without keys", "##@ S\n##@ T\n# -- A.\na: 1\n\n##@ U\n", []string{"line 1: S: a section without keys", "line 6: U: a section without keys"}},
		{"not a map", "[a]", []string{"the document is not a map"}},
		{"nothing", "", []string{"the document is not a map"}},
		{"not YAML", "a: [", []string{"parsing YAML"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := schema.Parse([]byte(tc.values))
			require.Error(t, err)
			for _, want := range tc.want {
				assert.ErrorContains(t, err, want)
			}
		})
	}
}

func TestInsert(t *testing.T) {
	t.Parallel()
	once, err := schema.Insert([]byte("before\n<!-- values:begin -->\nold\n<!-- values:end -->\nafter\n"), []byte("new\n"))
	require.NoError(t, err)
	assert.Equal(t, "before\n<!-- values:begin -->\n\nnew\n\n<!-- values:end -->\nafter\n", string(once))
	twice, err := schema.Insert(once, []byte("new\n"))
	require.NoError(t, err)
	assert.Equal(t, string(once), string(twice))

	_, err = schema.Insert([]byte("<!-- values:end -->"), nil)
	require.ErrorContains(t, err, "values:begin")
	_, err = schema.Insert([]byte("<!-- values:end -->\n<!-- values:begin -->"), nil)
	require.ErrorContains(t, err, "values:end")
}
