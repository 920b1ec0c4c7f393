package vector

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/codec"
)

// filterValue is a value that a payload can be compared with.
type filterValue struct {
	kind    filterKind
	string  string
	integer int64
	float   float64
	bool    bool
	time    time.Time
}

type filterKind int

const (
	filterString filterKind = iota + 1
	filterInteger
	filterFloat
	filterBool
	filterTime
)

func (k filterKind) String() string {
	return [...]string{"nothing", "string", "integer", "float", "bool", "time"}[k]
}

// filterValueOf knows the values by their types, then by what they marshal to, then by what is underneath.
func filterValueOf(value any) (filterValue, error) {
	switch v := value.(type) {
	case string:
		return filterValue{kind: filterString, string: v}, nil
	case int:
		return filterValue{kind: filterInteger, integer: int64(v)}, nil
	case int64:
		return filterValue{kind: filterInteger, integer: v}, nil
	case bool:
		return filterValue{kind: filterBool, bool: v}, nil
	case float64:
		return filterFloatOf(v)
	case time.Time:
		return filterTimeOf(v)
	case ID, json.Number:
		return filterStoredOf(v)
	case nil:
		return filterValue{}, errors.New("nil is no value")
	}
	r := reflect.ValueOf(value)
	if r.Kind() == reflect.Pointer {
		if r.IsNil() {
			return filterValue{}, fmt.Errorf("%T that is nil", value)
		}
		if _, marshals := value.(encoding.TextMarshaler); !marshals || r.Type().Elem() == reflect.TypeFor[ID]() {
			return filterValueOf(r.Elem().Interface())
		}
	}
	if marshaler, ok := value.(encoding.TextMarshaler); ok {
		text, err := marshaler.MarshalText()
		return filterValue{kind: filterString, string: string(text)}, err
	}
	switch {
	case r.Kind() == reflect.String:
		return filterValue{kind: filterString, string: r.String()}, nil
	case r.Kind() == reflect.Bool:
		return filterValue{kind: filterBool, bool: r.Bool()}, nil
	case r.CanInt():
		return filterValue{kind: filterInteger, integer: r.Int()}, nil
	case r.CanUint():
		if r.Uint() > math.MaxInt64 {
			return filterValue{}, fmt.Errorf("%d is beyond the server's integers, which end at %d", r.Uint(), math.MaxInt64)
		}
		return filterValue{kind: filterInteger, integer: int64(r.Uint())}, nil
	case r.CanFloat():
		return filterFloatOf(r.Float())
	default:
		return filterValue{}, fmt.Errorf("%T is no string, number, bool or time", value)
	}
}

// filterStoredOf is a value as the payload has it, for types that are stored as one kind or another: an ID is an integer, or a string where
// it is a UUID.
func filterStoredOf(value any) (filterValue, error) {
	stored, err := codec.Value(value)
	if err != nil {
		return filterValue{}, err
	}
	return filterValueOf(codec.Any(stored))
}

func filterFloatOf(v float64) (filterValue, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return filterValue{}, fmt.Errorf("%v is no number that a payload can hold", v)
	}
	return filterValue{kind: filterFloat, float: v}, nil
}

// filterTimeOf refuses what a timestamp can't hold: years before 1 and after 9999.
func filterTimeOf(t time.Time) (filterValue, error) {
	if err := timestamppb.New(t).CheckValid(); err != nil {
		return filterValue{}, fmt.Errorf("time %v is not within the years 1 and 9999", t)
	}
	return filterValue{kind: filterTime, time: t}, nil
}

// filterList is values of one kind: strings, integers or others.
type filterList struct {
	strings  []string
	integers []int64
	others   []filterValue
}

func (l *filterList) len() int { return len(l.strings) + len(l.integers) + len(l.others) }

func filterListOf(values []any) (filterList, error) {
	if len(values) == 1 {
		switch v := values[0].(type) {
		case []string:
			return filterList{strings: slices.Clone(v)}, nil
		case []int64:
			return filterList{integers: slices.Clone(v)}, nil
		}
		if r := reflect.ValueOf(values[0]); r.IsValid() && r.Kind() == reflect.Slice {
			return filterListFrom(r.Len(), func(i int) any { return r.Index(i).Interface() })
		}
	}
	return filterListFrom(len(values), func(i int) any { return values[i] })
}

func filterListFrom(n int, at func(int) any) (filterList, error) {
	var list filterList
	var kind filterKind
	for i := range n {
		v, err := filterValueOf(at(i))
		switch {
		case err != nil:
			return list, fmt.Errorf("value %d: %w", i, err)
		case kind == 0:
			kind = v.kind
		case kind != v.kind:
			return list, fmt.Errorf("value %d: %s after %s", i, v.kind, kind)
		}
		switch kind {
		case filterString:
			list.strings = append(list.strings, v.string)
		case filterInteger:
			list.integers = append(list.integers, v.integer)
		default:
			list.others = append(list.others, v)
		}
	}
	return list, nil
}

func filterCountOf(bound any) (*uint64, error) {
	bound, err := filterBoundOf(bound)
	if err != nil || bound == nil {
		return nil, err
	}
	v, err := filterValueOf(bound)
	switch {
	case err != nil:
		return nil, err
	case v.kind != filterInteger:
		return nil, fmt.Errorf("%v is no integer", bound)
	case v.integer < 0:
		return nil, fmt.Errorf("%d is negative", v.integer)
	}
	n := uint64(v.integer)
	return &n, nil
}

// filterBoundOf follows a pointer; nil pointers are nil.
func filterBoundOf(bound any) (any, error) {
	r := reflect.ValueOf(bound)
	if r.Kind() != reflect.Pointer {
		return bound, nil
	}
	if r.IsNil() {
		return nil, nil
	}
	if r = r.Elem(); r.Kind() == reflect.Pointer {
		return nil, fmt.Errorf("%T is a pointer to a pointer", bound)
	}
	return r.Interface(), nil
}
