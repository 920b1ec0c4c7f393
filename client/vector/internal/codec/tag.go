package codec

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/qdrant/go-client/qdrant"
)

// role is what a field of a document is for.
type role string

const (
	roleID         role = "id"
	roleVector     role = "vector"
	roleAnyVector  role = "vectors"
	rolePayload    role = "payload field"
	roleAnyPayload role = "payload"
)

// allowed are the options that each role takes. The role's own word is checked before.
var allowed = map[role][]string{
	roleID:         {},
	roleVector:     {"unnamed", "size", "distance", "datatype", "on_disk", "idf", "hnsw_m", "hnsw_ef_construct", "omitempty"},
	roleAnyVector:  {},
	rolePayload:    {"index", "tenant", "principal", "on_disk", "tokenizer", "phrase", "omitempty"},
	roleAnyPayload: {},
}

// tag is a field's tag, read but not yet compared with the field's type.
type tag struct {
	name    string // "" where the tag says none
	skip    bool
	role    role
	options map[string]string
}

func (t tag) has(option string) bool { _, ok := t.options[option]; return ok }

func readTag(text string) (tag, error) {
	name, rest, _ := strings.Cut(text, ",")
	t := tag{name: name, role: rolePayload, options: map[string]string{}}
	if text == "-" {
		t.skip = true
		return t, nil
	}
	if rest == "" {
		return t, nil
	}
	for option := range strings.SplitSeq(rest, ",") {
		key, value, _ := strings.Cut(option, "=")
		if r := role(key); r == roleID || r == roleVector || r == roleAnyVector || r == roleAnyPayload {
			if t.role != rolePayload {
				return t, fmt.Errorf("is tagged both %s and %s", t.role, r)
			}
			if option != key {
				return t, fmt.Errorf("option %q takes no value", key)
			}
			t.role = r
			continue
		}
		if _, twice := t.options[key]; twice {
			return t, fmt.Errorf("option %q comes twice", key)
		}
		t.options[key] = value
	}
	for key, value := range t.options {
		if !slices.Contains(allowed[t.role], key) {
			return t, t.refuse(key)
		}
		takesValue := slices.Contains([]string{"size", "distance", "datatype", "hnsw_m", "hnsw_ef_construct", "tokenizer"}, key)
		if takesValue && value == "" {
			return t, fmt.Errorf("option %q takes a value: %s=…", key, key)
		}
		if !takesValue && value != "" && key != "index" {
			return t, fmt.Errorf("option %q takes no value", key)
		}
	}
	if t.has("unnamed") && t.name != "" {
		return t, fmt.Errorf("is unnamed and yet named %q", t.name)
	}
	return t, nil
}

// refuse tells a misspelt option from one that stands on the wrong field.
func (t tag) refuse(option string) error {
	for _, options := range allowed {
		if slices.Contains(options, option) {
			return fmt.Errorf("option %q has no place on a %s", option, t.role)
		}
	}
	return fmt.Errorf("unknown option %q", option)
}

// number is an option's value from 1 to most; 0 without the option.
func (t tag) number(option string, most uint64) (uint64, error) {
	text, ok := t.options[option]
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 || n > most {
		return 0, fmt.Errorf("%s=%s: not a number from 1 to %d", option, text, most)
	}
	return n, nil
}

// pick is an option's value out of a few; the zero value without the option.
func pick[V any](t tag, option string, from map[string]V) (V, error) {
	text, ok := t.options[option]
	value, known := from[text]
	if ok && !known {
		return value, fmt.Errorf("%s=%s: not one of %s", option, text, strings.Join(slices.Sorted(maps.Keys(from)), ", "))
	}
	return value, nil
}

var distances = map[string]qdrant.Distance{
	"cosine": qdrant.Distance_Cosine, "dot": qdrant.Distance_Dot,
	"euclid": qdrant.Distance_Euclid, "manhattan": qdrant.Distance_Manhattan,
}

var datatypes = map[string]qdrant.Datatype{"float16": qdrant.Datatype_Float16, "uint8": qdrant.Datatype_Uint8}

var tokenizers = map[string]qdrant.TokenizerType{
	"word": qdrant.TokenizerType_Word, "whitespace": qdrant.TokenizerType_Whitespace,
	"prefix": qdrant.TokenizerType_Prefix, "multilingual": qdrant.TokenizerType_Multilingual,
}

var indexKinds = map[string]qdrant.FieldType{
	"keyword": qdrant.FieldType_FieldTypeKeyword, "integer": qdrant.FieldType_FieldTypeInteger,
	"float": qdrant.FieldType_FieldTypeFloat, "bool": qdrant.FieldType_FieldTypeBool,
	"datetime": qdrant.FieldType_FieldTypeDatetime, "geo": qdrant.FieldType_FieldTypeGeo,
	"uuid": qdrant.FieldType_FieldTypeUuid, "text": qdrant.FieldType_FieldTypeText,
}

// kindName is the inverse of indexKinds, for messages.
func kindName(kind qdrant.FieldType) string {
	for name, k := range indexKinds {
		if k == kind {
			return name
		}
	}
	return kind.String()
}

// MaxSize is the most dimensions that the server takes (VectorParams.size, lib/collection/src/operations/types.rs: 1 to 65536).
const MaxSize = 65536

// vectorField reads the options of a vector.
func vectorField(t tag, field reflect.StructField) (VectorField, error) {
	kind, ok := vectorKind(field.Type)
	if !ok {
		return VectorField{}, fmt.Errorf("a vector is a []float32, a [][]float32 or a Sparse")
	}
	v := VectorField{Name: t.name, Field: field.Name, Kind: kind, OnDisk: t.has("on_disk"), IDF: t.has("idf")}
	if v.Name == "" && !t.has("unnamed") {
		v.Name = snake(field.Name)
	}
	for _, option := range []string{"unnamed", "size", "distance", "hnsw_m", "hnsw_ef_construct"} {
		if kind == SparseVector && t.has(option) {
			return v, fmt.Errorf("option %q has no place on a sparse vector", option)
		}
	}
	if kind != SparseVector && v.IDF {
		return v, fmt.Errorf("option %q has a place on sparse vectors alone", "idf")
	}
	size, err := t.number("size", MaxSize)
	if err != nil {
		return v, err
	}
	v.Size = int(size)
	if v.Distance, err = pick(t, "distance", distances); err != nil {
		return v, err
	}
	if v.Distance == qdrant.Distance_UnknownDistance && kind != SparseVector {
		v.Distance = qdrant.Distance_Cosine
	}
	if v.Datatype, err = pick(t, "datatype", datatypes); err != nil {
		return v, err
	}
	if v.M, err = t.number("hnsw_m", 1<<32); err != nil {
		return v, err
	}
	v.EfConstruct, err = t.number("hnsw_ef_construct", 1<<32)
	return v, err
}

// indexField reads the options of a payload field's index; ok is false for a field that has none. Of the kinds that the field's shape
// allows the first is the default, unless the type does not tell.
func indexField(t tag, field reflect.StructField, s *shape) (f IndexField, ok bool, err error) {
	if !t.has("index") {
		for _, option := range []string{"tenant", "principal", "on_disk", "tokenizer", "phrase"} {
			if t.has(option) {
				return f, false, fmt.Errorf("option %q needs an index", option)
			}
		}
		return f, false, nil
	}
	f = IndexField{
		Field: field.Name, OnDisk: t.has("on_disk"), Tenant: t.has("tenant"), Principal: t.has("principal"), Phrase: t.has("phrase"),
	}
	one := s.direct()
	if one.form == list {
		one = one.elem.direct()
	}
	anyKind := one.form == dynamic
	switch {
	case t.options["index"] != "":
		if f.Kind, err = pick(t, "index", indexKinds); err != nil {
			return f, false, err
		}
		if !anyKind && !slices.Contains(s.kinds, f.Kind) {
			return f, false, fmt.Errorf("cannot have an index of kind %s", t.options["index"])
		}
	case one.typ == idType:
		return f, false, fmt.Errorf("an ID may be a number or a UUID: say index=integer, or index=uuid or index=keyword")
	case len(s.kinds) > 0:
		f.Kind = s.kinds[0]
	case anyKind:
		return f, false, fmt.Errorf("the type does not tell the kind of the index: say index=…")
	default:
		return f, false, fmt.Errorf("cannot be indexed")
	}
	if f.Tokenizer, err = pick(t, "tokenizer", tokenizers); err != nil {
		return f, false, err
	}
	if f.Kind == qdrant.FieldType_FieldTypeText && f.Tokenizer == qdrant.TokenizerType_Unknown {
		f.Tokenizer = qdrant.TokenizerType_Word
	}
	return f, true, optionsFit(t, f.Kind)
}

// optionsFit refuses what the server would leave out without a word.
func optionsFit(t tag, kind qdrant.FieldType) error {
	fits := map[string][]qdrant.FieldType{
		"tenant":    {qdrant.FieldType_FieldTypeKeyword, qdrant.FieldType_FieldTypeUuid},
		"principal": {qdrant.FieldType_FieldTypeInteger, qdrant.FieldType_FieldTypeFloat, qdrant.FieldType_FieldTypeDatetime},
		"tokenizer": {qdrant.FieldType_FieldTypeText},
		"phrase":    {qdrant.FieldType_FieldTypeText},
	}
	for _, option := range slices.Sorted(maps.Keys(fits)) {
		if t.has(option) && !slices.Contains(fits[option], kind) {
			return fmt.Errorf("option %q has no place on an index of kind %s", option, kindName(kind))
		}
	}
	return nil
}

// snake is a Go name as the collection has it: CreatedAt is created_at, HTTPCode is http_code, ID is id.
func snake(name string) string {
	runes := []rune(name)
	var out strings.Builder
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) {
			afterWord := !unicode.IsUpper(runes[i-1]) && runes[i-1] != '_'
			lastOfRun := unicode.IsUpper(runes[i-1]) && i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if afterWord || lastOfRun {
				out.WriteByte('_')
			}
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}
