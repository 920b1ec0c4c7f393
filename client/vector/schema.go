package vector

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/qdrant/go-client/qdrant"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/codec"
)

// compare lists what of a schema a collection does not have as the documents need it, a sentence each. What a collection has beyond the
// schema is none of it: vectors and payload indexes that other programs use may be there.
func compare(schema codec.Schema, info *qdrant.CollectionInfo) []string {
	params := info.GetConfig().GetParams()
	dense := params.GetVectorsConfig().GetParamsMap().GetMap()
	if single := params.GetVectorsConfig().GetParams(); single != nil {
		dense = map[string]*qdrant.VectorParams{"": single}
	}
	sparse := params.GetSparseVectorsConfig().GetMap()
	var differences []string
	for _, v := range schema.Vectors {
		if _, there := dense[v.Name]; !there && schema.AnyVectors {
			continue // a type for any vectors need not have them all; the server refuses what is not there
		}
		differences = append(differences, compareVector(v, dense, sparse)...)
	}
	for _, index := range schema.Indexes {
		there, indexed := info.GetPayloadSchema()[index.Path]
		if want := payloadTypes[index.Kind]; indexed && there.GetDataType() != want {
			differences = append(differences, fmt.Sprintf("payload field %s: indexed as %s instead of %s", index.Path, there.GetDataType(), want))
		}
	}
	return differences
}

func compareVector(v codec.VectorField, dense map[string]*qdrant.VectorParams, sparse map[string]*qdrant.SparseVectorParams) []string {
	name := "vector " + cmp.Or(v.Name, "without a name")
	params, isSparse := sparse[v.Name]
	there, isDense := dense[v.Name]
	switch {
	case v.Kind == codec.SparseVector && isSparse:
		if idf := params.GetModifier() == qdrant.Modifier_Idf; idf != v.IDF {
			return []string{fmt.Sprintf("%s: modifier %s instead of %s", name, params.GetModifier(), v.SparseParams().GetModifier())}
		}
		return nil
	case v.Kind != codec.SparseVector && isDense:
	case isSparse || isDense:
		return []string{fmt.Sprintf("%s: %s instead of %s", name, kindOf(isSparse, there), v.Kind)}
	default:
		names := slices.Sorted(maps.Keys(dense))
		names = slices.AppendSeq(names, maps.Keys(sparse))
		return []string{fmt.Sprintf("%s: not there, only %q", name, names)}
	}
	var differences []string
	add := func(format string, args ...any) {
		differences = append(differences, name+": "+fmt.Sprintf(format, args...))
	}
	if multi := there.GetMultivectorConfig() != nil; multi != (v.Kind == codec.Multi) {
		add("%s instead of %s", kindOf(false, there), v.Kind)
	}
	if v.Size > 0 && there.GetSize() != uint64(v.Size) {
		add("%d dimensions instead of %d", there.GetSize(), v.Size)
	}
	if there.GetDistance() != v.Distance {
		add("distance %s instead of %s", there.GetDistance(), v.Distance)
	}
	if v.Datatype != qdrant.Datatype_Default && there.GetDatatype() != v.Datatype {
		add("datatype %s instead of %s", there.GetDatatype(), v.Datatype)
	}
	return differences
}

func kindOf(isSparse bool, dense *qdrant.VectorParams) codec.VectorKind {
	switch {
	case isSparse:
		return codec.SparseVector
	case dense.GetMultivectorConfig() != nil:
		return codec.Multi
	}
	return codec.Dense
}

// sizes are the dimensions of the collection's vectors by their names, which documents of a type that does not say them are checked by.
func sizesOf(info *qdrant.CollectionInfo) map[string]int {
	sizes := map[string]int{}
	config := info.GetConfig().GetParams().GetVectorsConfig()
	if single := config.GetParams(); single != nil {
		sizes[""] = int(single.GetSize())
	}
	for name, params := range config.GetParamsMap().GetMap() {
		sizes[name] = int(params.GetSize())
	}
	return sizes
}

// missingIndexes are the payload indexes of a schema that a collection does not have.
func missingIndexes(schema codec.Schema, info *qdrant.CollectionInfo) []codec.IndexField {
	return slices.DeleteFunc(slices.Clone(schema.Indexes), func(f codec.IndexField) bool {
		_, there := info.GetPayloadSchema()[f.Path]
		return there
	})
}

func indexRequest(collection string, f codec.IndexField) *qdrant.CreateFieldIndexCollection {
	return &qdrant.CreateFieldIndexCollection{
		CollectionName: collection, Wait: qdrant.PtrOf(true), FieldName: f.Path, FieldType: &f.Kind, FieldIndexParams: f.Params(),
	}
}

// payloadTypes are the names of the same kinds of index in a request and in an answer.
var payloadTypes = map[qdrant.FieldType]qdrant.PayloadSchemaType{
	qdrant.FieldType_FieldTypeKeyword:  qdrant.PayloadSchemaType_Keyword,
	qdrant.FieldType_FieldTypeInteger:  qdrant.PayloadSchemaType_Integer,
	qdrant.FieldType_FieldTypeFloat:    qdrant.PayloadSchemaType_Float,
	qdrant.FieldType_FieldTypeBool:     qdrant.PayloadSchemaType_Bool,
	qdrant.FieldType_FieldTypeGeo:      qdrant.PayloadSchemaType_Geo,
	qdrant.FieldType_FieldTypeText:     qdrant.PayloadSchemaType_Text,
	qdrant.FieldType_FieldTypeDatetime: qdrant.PayloadSchemaType_Datetime,
	qdrant.FieldType_FieldTypeUuid:     qdrant.PayloadSchemaType_Uuid,
}
