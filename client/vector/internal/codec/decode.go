package codec

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"
)

// take sets v from a value of the server; null leaves it zero.
func (s *shape) take(from *qdrant.Value, v reflect.Value) error {
	if isNull(from) {
		v.SetZero()
		return nil
	}
	return s.get(from, v)
}

func isNull(v *qdrant.Value) bool {
	switch v.GetKind().(type) {
	case nil, *qdrant.Value_NullValue:
		return true
	default:
		return false
	}
}

// instead is the fault of a value that is of another kind than the field.
func instead(from *qdrant.Value, wanted string) error {
	return faultf("%s instead of %s", kindOf(from), wanted)
}

func kindOf(v *qdrant.Value) string {
	switch v.GetKind().(type) {
	case *qdrant.Value_BoolValue:
		return "bool"
	case *qdrant.Value_IntegerValue:
		return "integer"
	case *qdrant.Value_DoubleValue:
		return "double"
	case *qdrant.Value_StringValue:
		return "string"
	case *qdrant.Value_StructValue:
		return "object"
	case *qdrant.Value_ListValue:
		return "list"
	default:
		return "null"
	}
}

func getString(from *qdrant.Value, v reflect.Value) error {
	k, ok := from.GetKind().(*qdrant.Value_StringValue)
	if !ok {
		return instead(from, "string")
	}
	v.SetString(k.StringValue)
	return nil
}

func getBool(from *qdrant.Value, v reflect.Value) error {
	k, ok := from.GetKind().(*qdrant.Value_BoolValue)
	if !ok {
		return instead(from, "bool")
	}
	v.SetBool(k.BoolValue)
	return nil
}

// integer is the value as an integer, also where JSON on its way made a double of it.
func integer(from *qdrant.Value) (int64, error) {
	switch k := from.GetKind().(type) {
	case *qdrant.Value_IntegerValue:
		return k.IntegerValue, nil
	case *qdrant.Value_DoubleValue:
		// 2^63 itself is a double and no int64.
		if x := k.DoubleValue; x == math.Trunc(x) && x >= -(1<<63) && x < 1<<63 {
			return int64(x), nil
		}
		return 0, faultf("%v instead of an integer", k.DoubleValue)
	default:
		return 0, instead(from, "integer")
	}
}

func getInt(from *qdrant.Value, v reflect.Value) error {
	n, err := integer(from)
	if err != nil {
		return err
	}
	if v.OverflowInt(n) {
		return faultf("%d does not fit into %s", n, v.Type())
	}
	v.SetInt(n)
	return nil
}

func getUint(from *qdrant.Value, v reflect.Value) error {
	n, err := integer(from)
	if err != nil {
		return err
	}
	if n < 0 || v.OverflowUint(uint64(n)) {
		return faultf("%d does not fit into %s", n, v.Type())
	}
	v.SetUint(uint64(n))
	return nil
}

func getFloat(from *qdrant.Value, v reflect.Value) error {
	var x float64
	switch k := from.GetKind().(type) {
	case *qdrant.Value_DoubleValue:
		x = k.DoubleValue
	case *qdrant.Value_IntegerValue:
		x = float64(k.IntegerValue)
	default:
		return instead(from, "number")
	}
	if v.OverflowFloat(x) {
		return faultf("%v does not fit into %s", x, v.Type())
	}
	v.SetFloat(x)
	return nil
}

// layouts are the spellings of a date and time that the server's datetime index reads (DateTimePayloadType::from_str,
// lib/segment/src/types.rs), so that what others stored can be read as well. Those without a zone are UTC.
var layouts = [...]string{
	time.RFC3339Nano, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05Z0700",
	"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly,
}

func getTime(from *qdrant.Value, v reflect.Value) error {
	k, ok := from.GetKind().(*qdrant.Value_StringValue)
	if !ok {
		return instead(from, "date and time")
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, k.StringValue); err == nil {
			*v.Addr().Interface().(*time.Time) = t
			return nil
		}
	}
	return faultf("%.40q is no date and time", k.StringValue)
}

func getGeo(from *qdrant.Value, v reflect.Value) error {
	k, ok := from.GetKind().(*qdrant.Value_StructValue)
	if !ok {
		return instead(from, "place with lat and lon")
	}
	g := v.Addr().Interface().(*Geo)
	if err := getDegrees(k.StructValue.GetFields(), "lat", &g.Lat); err != nil {
		return err
	}
	return getDegrees(k.StructValue.GetFields(), "lon", &g.Lon)
}

func getDegrees(fields map[string]*qdrant.Value, name string, into *float64) error {
	value, ok := fields[name]
	if !ok {
		return faultf("a place without %s", name)
	}
	if err := getFloat(value, reflect.ValueOf(into).Elem()); err != nil {
		return under(err, name)
	}
	return nil
}

func getUUID(from *qdrant.Value, v reflect.Value) error {
	k, ok := from.GetKind().(*qdrant.Value_StringValue)
	if !ok {
		return instead(from, "UUID")
	}
	u, err := uuid.Parse(k.StringValue)
	if err != nil {
		return faultf("%.40q is no UUID", k.StringValue)
	}
	*v.Addr().Interface().(*uuid.UUID) = u
	return nil
}

func getIDValue(from *qdrant.Value, v reflect.Value) error {
	id := v.Addr().Interface().(*ID)
	if k, ok := from.GetKind().(*qdrant.Value_StringValue); ok {
		parsed, err := ParseID(k.StringValue)
		*id = parsed
		return err
	}
	n, err := integer(from)
	if err != nil {
		return instead(from, "id")
	}
	if n < 0 {
		return faultf("%d is no id", n)
	}
	*id = Num(uint64(n))
	return nil
}

func getBytes(from *qdrant.Value, v reflect.Value) error {
	k, ok := from.GetKind().(*qdrant.Value_StringValue)
	if !ok {
		return instead(from, "bytes in base64")
	}
	data, err := base64.StdEncoding.DecodeString(k.StringValue)
	if err != nil {
		return faultf("%.40q is no base64", k.StringValue)
	}
	v.SetBytes(data)
	return nil
}

func getText(from *qdrant.Value, v reflect.Value) error {
	k, ok := from.GetKind().(*qdrant.Value_StringValue)
	if !ok {
		return instead(from, "string")
	}
	reader, ok := v.Addr().Interface().(encoding.TextUnmarshaler)
	if !ok {
		return faultf("%s is no encoding.TextUnmarshaler, so it cannot be read back", v.Type())
	}
	return reader.UnmarshalText([]byte(k.StringValue))
}

func getNumber(from *qdrant.Value, v reflect.Value) error {
	switch k := from.GetKind().(type) {
	case *qdrant.Value_IntegerValue:
		v.SetString(strconv.FormatInt(k.IntegerValue, 10))
	case *qdrant.Value_DoubleValue:
		text := strconv.FormatFloat(k.DoubleValue, 'g', -1, 64)
		if _, err := strconv.ParseInt(text, 10, 64); err == nil {
			text += ".0" // stays a double when it is stored again
		}
		v.SetString(text)
	default:
		return instead(from, "number")
	}
	return nil
}

func getRaw(from *qdrant.Value, v reflect.Value) error {
	raw, err := json.Marshal(Any(from))
	if err != nil {
		return err
	}
	v.SetBytes(raw)
	return nil
}

func getInterface(from *qdrant.Value, v reflect.Value) error {
	*v.Addr().Interface().(*any) = Any(from)
	return nil
}

func getAnyMap(from *qdrant.Value, v reflect.Value) error {
	k, ok := from.GetKind().(*qdrant.Value_StructValue)
	if !ok {
		return instead(from, "object")
	}
	*v.Addr().Interface().(*map[string]any) = anyMap(k.StructValue.GetFields())
	return nil
}

// Any is a payload value as Go has it: nil, bool, int64, float64, string, []any or map[string]any.
func Any(v *qdrant.Value) any {
	switch k := v.GetKind().(type) {
	case *qdrant.Value_BoolValue:
		return k.BoolValue
	case *qdrant.Value_IntegerValue:
		return k.IntegerValue
	case *qdrant.Value_DoubleValue:
		return k.DoubleValue
	case *qdrant.Value_StringValue:
		return k.StringValue
	case *qdrant.Value_ListValue:
		values := k.ListValue.GetValues()
		elements := make([]any, len(values))
		for i, value := range values {
			elements[i] = Any(value)
		}
		return elements
	case *qdrant.Value_StructValue:
		return anyMap(k.StructValue.GetFields())
	default:
		return nil
	}
}

func anyMap(fields map[string]*qdrant.Value) map[string]any {
	m := make(map[string]any, len(fields))
	for key, value := range fields {
		m[key] = Any(value)
	}
	return m
}

func getList(from *qdrant.Value, v reflect.Value, elem *shape) error {
	k, ok := from.GetKind().(*qdrant.Value_ListValue)
	if !ok {
		return instead(from, "list")
	}
	values := k.ListValue.GetValues()
	switch {
	case v.Kind() == reflect.Slice && len(values) == 0:
		v.Set(reflect.MakeSlice(v.Type(), 0, 0)) // empty, which is not nil
	case v.Kind() == reflect.Slice:
		// Grow allocates the elements alone, where MakeSlice allocates a header that is then copied.
		v.SetZero()
		v.Grow(len(values))
		v.SetLen(len(values))
	case v.Len() != len(values):
		return faultf("a list of %d instead of %d", len(values), v.Len())
	}
	for i, value := range values {
		if err := elem.take(value, v.Index(i)); err != nil {
			return underIndex(err, i)
		}
	}
	return nil
}

func getMap(from *qdrant.Value, v reflect.Value, elem *shape) error {
	k, ok := from.GetKind().(*qdrant.Value_StructValue)
	if !ok {
		return instead(from, "object")
	}
	fields := k.StructValue.GetFields()
	m := reflect.MakeMapWithSize(v.Type(), len(fields))
	for key, value := range fields {
		into := reflect.New(elem.typ).Elem()
		if err := elem.take(value, into); err != nil {
			return under(err, key)
		}
		m.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), into)
	}
	v.Set(m)
	return nil
}

func (o *object) get(from *qdrant.Value, v reflect.Value) error {
	k, ok := from.GetKind().(*qdrant.Value_StructValue)
	if !ok {
		return instead(from, "object")
	}
	return o.getMembers(k.StructValue.GetFields(), v)
}

// getMembers sets the fields that are there; the others stay as they are.
func (o *object) getMembers(fields map[string]*qdrant.Value, v reflect.Value) error {
	for i := range o.members {
		m := &o.members[i]
		value, ok := fields[m.name]
		if !ok {
			continue
		}
		if err := m.shape.take(value, m.of(v)); err != nil {
			return under(err, m.name)
		}
	}
	return nil
}
