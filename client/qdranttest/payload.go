package qdranttest

import (
	"maps"
	"math"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// object is a payload, or an object inside of one. Its values are nil, bool, int64, float64, string, []any and object. What is stored
// is never changed: a change makes a copy of all that is on its way.
type object = map[string]any

func payloadOf(fields map[string]*qdrant.Value) (object, error) {
	if len(fields) == 0 {
		return object{}, nil
	}
	payload := make(object, len(fields))
	for key, value := range fields {
		decoded, err := valueOf(value)
		if err != nil {
			return nil, err
		}
		payload[key] = decoded
	}
	return payload, nil
}

func valueOf(value *qdrant.Value) (any, error) {
	switch kind := value.GetKind().(type) {
	case *qdrant.Value_DoubleValue:
		if math.IsNaN(kind.DoubleValue) || math.IsInf(kind.DoubleValue, 0) {
			return nil, status.Error(codes.InvalidArgument, "cannot convert to json number")
		}
		return kind.DoubleValue, nil
	case *qdrant.Value_IntegerValue:
		return kind.IntegerValue, nil
	case *qdrant.Value_StringValue:
		return kind.StringValue, nil
	case *qdrant.Value_BoolValue:
		return kind.BoolValue, nil
	case *qdrant.Value_StructValue:
		return payloadOf(kind.StructValue.GetFields())
	case *qdrant.Value_ListValue:
		list := make([]any, 0, len(kind.ListValue.GetValues()))
		for _, item := range kind.ListValue.GetValues() {
			decoded, err := valueOf(item)
			if err != nil {
				return nil, err
			}
			list = append(list, decoded)
		}
		return list, nil
	default:
		return nil, nil
	}
}

func protoOf(payload object) map[string]*qdrant.Value {
	fields := make(map[string]*qdrant.Value, len(payload))
	for key, value := range payload {
		fields[key] = protoValue(value)
	}
	return fields
}

func protoValue(value any) *qdrant.Value {
	switch value := value.(type) {
	case bool:
		return qdrant.NewValueBool(value)
	case int64:
		return qdrant.NewValueInt(value)
	case float64:
		return qdrant.NewValueDouble(value)
	case string:
		return qdrant.NewValueString(value)
	case []any:
		list := make([]*qdrant.Value, 0, len(value))
		for _, item := range value {
			list = append(list, protoValue(item))
		}
		return qdrant.NewValueList(&qdrant.ListValue{Values: list})
	case object:
		return qdrant.NewValueStruct(&qdrant.Struct{Fields: protoOf(value)})
	default:
		return qdrant.NewValueNull()
	}
}

// number is what a value is as a float, if it is a number.
func number(value any) (float64, bool) {
	switch value := value.(type) {
	case int64:
		return float64(value), true
	case float64:
		return value, true
	default:
		return 0, false
	}
}

// merged is a payload with the fields of another one in it; null takes a field away.
func merged(into, fields object) object {
	result := maps.Clone(into)
	if result == nil {
		result = object{}
	}
	for key, value := range fields {
		if value == nil {
			delete(result, key)
		} else {
			result[key] = value
		}
	}
	return result
}

// selected is the part of a payload that a request asks for. Without a selector it is everything if all is set, else nothing.
func selected(payload object, selector *qdrant.WithPayloadSelector, all bool) (object, error) {
	switch option := selector.GetSelectorOptions().(type) {
	case *qdrant.WithPayloadSelector_Enable:
		if option.Enable {
			return payload, nil
		}
		return nil, nil
	case *qdrant.WithPayloadSelector_Include:
		paths, err := parsePaths(option.Include.GetFields())
		if err != nil {
			return nil, err
		}
		return reduced(payload, nil, func(p keyPath) bool { return anyPath(paths, p.meets) }), nil
	case *qdrant.WithPayloadSelector_Exclude:
		paths, err := parsePaths(option.Exclude.GetFields())
		if err != nil {
			return nil, err
		}
		return reduced(payload, nil, func(p keyPath) bool { return !anyPath(paths, p.within) }), nil
	default:
		if selector != nil {
			return nil, status.Error(codes.InvalidArgument, "No PayloadSelector")
		}
		if all {
			return payload, nil
		}
		return nil, nil
	}
}

func anyPath(paths []keyPath, holds func(keyPath) bool) bool {
	for _, p := range paths {
		if holds(p) {
			return true
		}
	}
	return false
}

// reduced is an object without what keep says no to. Elements of lists go by the step [].
func reduced(from object, at keyPath, keep func(keyPath) bool) object {
	result := object{}
	for key, value := range from {
		here := at.then(step{key: key})
		if keep(here) {
			result[key] = reducedValue(value, here, keep)
		}
	}
	return result
}

func reducedValue(value any, at keyPath, keep func(keyPath) bool) any {
	switch value := value.(type) {
	case object:
		return reduced(value, at, keep)
	case []any:
		here := at.then(step{kind: every})
		result := []any{}
		for _, item := range value {
			if keep(here) {
				result = append(result, reducedValue(item, here, keep))
			}
		}
		return result
	default:
		return value
	}
}
