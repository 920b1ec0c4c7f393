package codec

import (
	"bytes"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"io"
	"math"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protowire"
)

// Everything here appends the content of one Value message (json_with_int.proto). The values are addressable, so that taking their
// address costs no allocation where copying them into an interface would.

func putStringValue(b []byte, v reflect.Value, _ int) ([]byte, error) { return putUTF8(b, v.String()) }

func putUTF8(b []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return b, faultf("text is not valid UTF-8: %.40q", s)
	}
	return putString(b, s), nil
}

func putBoolValue(b []byte, v reflect.Value, _ int) ([]byte, error) { return putBool(b, v.Bool()), nil }

func putInt(b []byte, v reflect.Value, _ int) ([]byte, error) { return putInteger(b, v.Int()), nil }

func putUint(b []byte, v reflect.Value, _ int) ([]byte, error) { return putUnsigned(b, v.Uint()) }

func putUnsigned(b []byte, n uint64) ([]byte, error) {
	if n > math.MaxInt64 {
		return b, faultf("%d is above 2^63-1, the greatest integer that a payload can hold", n)
	}
	return putInteger(b, int64(n)), nil
}

func putFloat(b []byte, v reflect.Value, _ int) ([]byte, error) { return putFinite(b, v.Float()) }

func putFinite(b []byte, x float64) ([]byte, error) {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return b, faultf("%v is no number that a payload can hold", x)
	}
	return putDouble(b, x), nil
}

func putTime(b []byte, v reflect.Value, _ int) ([]byte, error) {
	return putInstant(b, *v.Addr().Interface().(*time.Time))
}

func putInstant(b []byte, t time.Time) ([]byte, error) {
	// RFC 3339 knows zones of whole minutes and less than a day; those of the 19th century had seconds.
	if _, offset := t.Zone(); offset%60 != 0 || offset <= -24*60*60 || offset >= 24*60*60 {
		t = t.UTC()
	}
	if y := t.Year(); y < 0 || y > 9999 {
		return b, faultf("year %d is not from 0 to 9999", y)
	}
	b, mark := open(append(b, tagString), 1)
	return seal(t.AppendFormat(b, time.RFC3339Nano), mark, 1), nil
}

func putGeo(b []byte, v reflect.Value, _ int) ([]byte, error) {
	return putPlace(b, *v.Addr().Interface().(*Geo))
}

func putPlace(b []byte, g Geo) ([]byte, error) {
	if err := g.Validate(); err != nil {
		return b, err
	}
	// Two entries of a key of three letters and a double: lengths that never change.
	b = append(b, tagStruct, 2*(2+5+2+9), tagElement, 5+2+9, tagElement, 3, 'l', 'a', 't', tagMapValue, 9)
	b = putDouble(b, g.Lat)
	b = append(b, tagElement, 5+2+9, tagElement, 3, 'l', 'o', 'n', tagMapValue, 9)
	return putDouble(b, g.Lon), nil
}

func putUUID(b []byte, v reflect.Value, _ int) ([]byte, error) {
	return appendUUID(append(b, tagString, 36), *v.Addr().Interface().(*uuid.UUID)), nil
}

func putIDValue(b []byte, v reflect.Value, _ int) ([]byte, error) {
	return putAnID(b, *v.Addr().Interface().(*ID)), nil
}

func putAnID(b []byte, id ID) []byte {
	switch {
	case id.isUUID:
		return appendUUID(append(b, tagString, 36), id.uuid)
	case id.number > math.MaxInt64:
		return putString(b, id.String())
	default:
		return putInteger(b, int64(id.number))
	}
}

func putBytes(b []byte, v reflect.Value, _ int) ([]byte, error) {
	if v.IsNil() {
		return putNull(b), nil
	}
	data := v.Bytes()
	b = protowire.AppendVarint(append(b, tagString), uint64(base64.StdEncoding.EncodedLen(len(data))))
	return base64.StdEncoding.AppendEncode(b, data), nil
}

func putText(b []byte, v reflect.Value, _ int) ([]byte, error) {
	text, err := v.Addr().Interface().(encoding.TextMarshaler).MarshalText()
	if err != nil {
		return b, err
	}
	if !utf8.Valid(text) {
		return b, faultf("text is not valid UTF-8: %.40q", text)
	}
	b = protowire.AppendVarint(append(b, tagString), uint64(len(text)))
	return append(b, text...), nil
}

func putNumber(b []byte, v reflect.Value, _ int) ([]byte, error) {
	return putJSONNumber(b, json.Number(v.String()))
}

// putJSONNumber keeps integers as integers.
func putJSONNumber(b []byte, n json.Number) ([]byte, error) {
	if !strings.ContainsAny(string(n), ".eE") {
		i, err := n.Int64()
		if err != nil {
			return b, faultf("%.40q is no integer from -2^63 to 2^63-1", string(n))
		}
		return putInteger(b, i), nil
	}
	x, err := n.Float64()
	if err != nil {
		return b, faultf("%.40q is no number that a payload can hold", string(n))
	}
	return putFinite(b, x)
}

func putRaw(b []byte, v reflect.Value, depth int) ([]byte, error) {
	return putJSON(b, v.Bytes(), depth)
}

func putJSON(b, raw []byte, depth int) ([]byte, error) {
	if len(raw) == 0 {
		return putNull(b), nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var x any
	if err := decoder.Decode(&x); err != nil {
		return b, faultf("not valid JSON: %v", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return b, faultf("not valid JSON: more than one value")
	}
	return putAny(b, x, depth)
}

func putInterface(b []byte, v reflect.Value, depth int) ([]byte, error) {
	return putAny(b, *v.Addr().Interface().(*any), depth)
}

// putAny stores what JSON and most callers put into an any without reflection, and everything else by its type.
func putAny(b []byte, x any, depth int) ([]byte, error) {
	switch x := x.(type) {
	case nil:
		return putNull(b), nil
	case string:
		return putUTF8(b, x)
	case bool:
		return putBool(b, x), nil
	case int:
		return putInteger(b, int64(x)), nil
	case int64:
		return putInteger(b, x), nil
	case float64:
		return putFinite(b, x)
	case json.Number:
		return putJSONNumber(b, x)
	case map[string]any:
		if x == nil {
			return putNull(b), nil
		}
		return putObject(b, depth, func(b []byte) ([]byte, error) { return putEntries(b, x, tagElement, nil, depth+1) })
	case []any:
		if x == nil {
			return putNull(b), nil
		}
		return putElements(b, len(x), depth, func(b []byte, i int) ([]byte, error) { return putAny(b, x[i], depth+1) })
	case []string:
		if x == nil {
			return putNull(b), nil
		}
		return putElements(b, len(x), depth, func(b []byte, i int) ([]byte, error) { return putUTF8(b, x[i]) })
	}
	t := reflect.TypeOf(x)
	s, err := shapeOf(t)
	if err != nil {
		return b, faultf("%s: %v", t, err)
	}
	v := reflect.New(t).Elem()
	v.Set(reflect.ValueOf(x))
	return s.put(b, v, depth)
}

func putAnyMap(b []byte, v reflect.Value, depth int) ([]byte, error) {
	return putAny(b, *v.Addr().Interface().(*map[string]any), depth)
}

// putEntries writes the entries of a map, each under the tag. Names that a struct has stored already are refused.
func putEntries(b []byte, entries map[string]any, tag byte, taken map[string]int, depth int) ([]byte, error) {
	for key, value := range entries {
		if _, twice := taken[key]; twice {
			return b, under(faultf("stored by a field of the struct and by its map of other fields"), key)
		}
		var err error
		if b, err = putEntry(b, key, tag, func(b []byte) ([]byte, error) { return putAny(b, value, depth) }); err != nil {
			return b, err
		}
	}
	return b, nil
}

func putEntry(b []byte, key string, tag byte, value func(b []byte) ([]byte, error)) ([]byte, error) {
	if !utf8.ValidString(key) {
		return b, faultf("a key is not valid UTF-8: %.40q", key)
	}
	b, entry := open(append(b, tag), 1)
	b, mark := open(putKey(b, key), 1)
	b, err := value(b)
	if err != nil {
		return b, under(err, key)
	}
	return seal(seal(b, mark, 1), entry, 1), nil
}

func putObject(b []byte, depth int, entries func(b []byte) ([]byte, error)) ([]byte, error) {
	if depth >= maxDepth {
		return b, faultf("nested deeper than %d levels", maxDepth)
	}
	b, mark := open(append(b, tagStruct), 1)
	b, err := entries(b)
	if err != nil {
		return b, err
	}
	return seal(b, mark, 1), nil
}

func putElements(b []byte, n, depth int, put func(b []byte, i int) ([]byte, error)) ([]byte, error) {
	if depth >= maxDepth {
		return b, faultf("nested deeper than %d levels", maxDepth)
	}
	b, whole := open(append(b, tagList), 1)
	for i := range n {
		var mark int
		var err error
		b, mark = open(append(b, tagElement), 1)
		if b, err = put(b, i); err != nil {
			return b, underIndex(err, i)
		}
		b = seal(b, mark, 1)
	}
	return seal(b, whole, 1), nil
}

func putList(b []byte, v reflect.Value, elem *shape, depth int) ([]byte, error) {
	if v.Kind() == reflect.Slice && v.IsNil() {
		return putNull(b), nil
	}
	return putElements(b, v.Len(), depth, func(b []byte, i int) ([]byte, error) { return elem.put(b, v.Index(i), depth+1) })
}

func putMap(b []byte, v reflect.Value, elem *shape, depth int) ([]byte, error) {
	if v.IsNil() {
		return putNull(b), nil
	}
	// One addressable value for all entries, as those of a map have no address.
	value := reflect.New(elem.typ).Elem()
	return putObject(b, depth, func(b []byte) ([]byte, error) {
		for entries := v.MapRange(); entries.Next(); {
			value.SetIterValue(entries)
			var err error
			b, err = putEntry(b, entries.Key().String(), tagElement, func(b []byte) ([]byte, error) { return elem.put(b, value, depth+1) })
			if err != nil {
				return b, err
			}
		}
		return b, nil
	})
}

func (o *object) put(b []byte, v reflect.Value, depth int) ([]byte, error) {
	if depth >= maxDepth {
		return b, faultf("nested deeper than %d levels", maxDepth)
	}
	b, mark := open(append(b, tagStruct), 1)
	b, err := o.putMembers(b, v, tagElement, depth+1)
	if err != nil {
		return b, err
	}
	return seal(b, mark, 1), nil
}

// putMembers writes the fields of the struct as entries of a map, each under the tag. It is the loop that bulk loads spend their
// time in, and so has no closures.
func (o *object) putMembers(b []byte, v reflect.Value, tag byte, depth int) ([]byte, error) {
	for i := range o.members {
		m := &o.members[i]
		value := m.of(v)
		if m.omit && empty(value) {
			continue
		}
		var entry, mark int
		var err error
		b, entry = open(append(b, tag), 1)
		b, mark = open(append(b, m.key...), 1)
		if b, err = m.shape.put(b, value, depth); err != nil {
			return b, under(err, m.name)
		}
		b = seal(seal(b, mark, 1), entry, 1)
	}
	return b, nil
}

// empty is what omitempty leaves out.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	default:
		return v.IsZero()
	}
}
