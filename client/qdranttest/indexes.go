package qdranttest

import (
	"slices"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// indexKinds are the kinds of payload index by the type that a request asks for.
var indexKinds = map[qdrant.FieldType]qdrant.PayloadSchemaType{
	qdrant.FieldType_FieldTypeKeyword: qdrant.PayloadSchemaType_Keyword, qdrant.FieldType_FieldTypeInteger: qdrant.PayloadSchemaType_Integer,
	qdrant.FieldType_FieldTypeFloat: qdrant.PayloadSchemaType_Float, qdrant.FieldType_FieldTypeGeo: qdrant.PayloadSchemaType_Geo,
	qdrant.FieldType_FieldTypeText: qdrant.PayloadSchemaType_Text, qdrant.FieldType_FieldTypeBool: qdrant.PayloadSchemaType_Bool,
	qdrant.FieldType_FieldTypeDatetime: qdrant.PayloadSchemaType_Datetime, qdrant.FieldType_FieldTypeUuid: qdrant.PayloadSchemaType_Uuid,
}

func createIndex(in *qdrant.CreateFieldIndexCollection) (update, error) {
	path, err := parsePath(in.GetFieldName())
	if err != nil {
		return nil, err
	}
	if in.FieldType == nil && in.GetFieldIndexParams() == nil {
		return nil, status.Error(codes.InvalidArgument, "cannot convert field_type")
	}
	kind, known := indexKinds[in.GetFieldType()]
	if !known {
		return nil, status.Error(codes.InvalidArgument, "cannot convert field_type")
	}
	if params := in.GetFieldIndexParams().GetIndexParams(); params != nil {
		kind = indexKindOf(in.GetFieldIndexParams())
	}
	return func(s *store) error {
		s.operations++ // the server makes two of it
		s.indexes[path.String()] = &fieldIndex{path: path, kind: kind, params: in.GetFieldIndexParams()}
		return nil
	}, nil
}

func indexKindOf(params *qdrant.PayloadIndexParams) qdrant.PayloadSchemaType {
	switch params.GetIndexParams().(type) {
	case *qdrant.PayloadIndexParams_KeywordIndexParams:
		return qdrant.PayloadSchemaType_Keyword
	case *qdrant.PayloadIndexParams_IntegerIndexParams:
		return qdrant.PayloadSchemaType_Integer
	case *qdrant.PayloadIndexParams_FloatIndexParams:
		return qdrant.PayloadSchemaType_Float
	case *qdrant.PayloadIndexParams_GeoIndexParams:
		return qdrant.PayloadSchemaType_Geo
	case *qdrant.PayloadIndexParams_TextIndexParams:
		return qdrant.PayloadSchemaType_Text
	case *qdrant.PayloadIndexParams_BoolIndexParams:
		return qdrant.PayloadSchemaType_Bool
	case *qdrant.PayloadIndexParams_DatetimeIndexParams:
		return qdrant.PayloadSchemaType_Datetime
	default:
		return qdrant.PayloadSchemaType_Uuid
	}
}

func deleteIndex(in *qdrant.DeleteFieldIndexCollection) (update, error) {
	path, err := parsePath(in.GetFieldName())
	if err != nil {
		return nil, err
	}
	return func(s *store) error {
		s.operations++
		delete(s.indexes, path.String())
		return nil
	}, nil
}

// holds says whether a point has a value that the index takes.
func (index *fieldIndex) holds(p *point) bool {
	return slices.ContainsFunc(index.path.get(p.payload), func(value any) bool {
		if list, isList := value.([]any); isList {
			return slices.ContainsFunc(list, index.takes)
		}
		return index.takes(value)
	})
}

func (index *fieldIndex) takes(value any) bool {
	switch index.kind {
	case qdrant.PayloadSchemaType_Integer:
		_, is := value.(int64)
		return is
	case qdrant.PayloadSchemaType_Float:
		_, is := number(value)
		return is
	case qdrant.PayloadSchemaType_Bool:
		_, is := value.(bool)
		return is
	case qdrant.PayloadSchemaType_Geo:
		_, is := locate(value)
		return is
	case qdrant.PayloadSchemaType_Datetime:
		_, is := parseDatetime(value)
		return is
	case qdrant.PayloadSchemaType_Uuid:
		text, is := value.(string)
		if !is {
			return false
		}
		_, err := parseID(qdrant.NewIDUUID(text))
		return err == nil
	default:
		_, is := value.(string)
		return is
	}
}
