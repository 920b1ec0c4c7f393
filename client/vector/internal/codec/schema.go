package codec

import (
	"github.com/qdrant/go-client/qdrant"
)

// Schema is what a type's tags say about the collection that stores it.
type Schema struct {
	Type    string        // the Go type, for messages: "Article"
	ID      string        // the Go field that holds the id
	Vectors []VectorField // in the order of the struct
	Indexes []IndexField  // in the order of the struct
	// AnyPayload and AnyVectors say that the type has a map for payload fields (tag payload) or vectors (tag vectors) that the
	// struct does not name.
	AnyPayload, AnyVectors bool
}

// Vector finds a vector by its name, "" for the unnamed one.
func (s Schema) Vector(name string) (VectorField, bool) {
	for _, v := range s.Vectors {
		if v.Name == name {
			return v, true
		}
	}
	return VectorField{}, false
}

// VectorKind is the form of a vector.
type VectorKind int

const (
	// Dense is one []float32.
	Dense VectorKind = iota
	// Multi is several of the same size ([][]float32), compared by the greatest similarity of each (max_sim).
	Multi
	// SparseVector is a Sparse.
	SparseVector
)

// String is "dense", "multi" or "sparse".
func (k VectorKind) String() string {
	switch k {
	case Multi:
		return "multi"
	case SparseVector:
		return "sparse"
	default:
		return "dense"
	}
}

// VectorField is one vector of a type.
type VectorField struct {
	Name  string // "" is the unnamed vector
	Field string // Go field, for messages
	Kind  VectorKind
	// Size is the number of dimensions of a dense vector, or of each of a multi-vector; 0 where the tag says none, and for sparse ones.
	Size           int
	Distance       qdrant.Distance // of dense and multi-vectors; cosine unless the tag says otherwise
	Datatype       qdrant.Datatype // how the server stores the numbers; Default = float32
	OnDisk         bool            // vectors of dense and multi-vectors, the index of sparse ones
	IDF            bool            // sparse: the server weighs entries by their inverse document frequency
	M, EfConstruct uint64          // of this vector's graph; 0 = the collection's
}

// Params is what the server is told about a dense or multi-vector; nil for a sparse one. Size is 0 where it is not known yet.
func (v VectorField) Params() *qdrant.VectorParams {
	if v.Kind == SparseVector {
		return nil
	}
	p := &qdrant.VectorParams{Size: uint64(max(v.Size, 0)), Distance: v.Distance}
	if v.Datatype != qdrant.Datatype_Default {
		p.Datatype = v.Datatype.Enum()
	}
	if v.OnDisk {
		p.OnDisk = &v.OnDisk
	}
	if v.M > 0 || v.EfConstruct > 0 {
		p.HnswConfig = &qdrant.HnswConfigDiff{}
		if v.M > 0 {
			p.HnswConfig.M = &v.M
		}
		if v.EfConstruct > 0 {
			p.HnswConfig.EfConstruct = &v.EfConstruct
		}
	}
	if v.Kind == Multi {
		p.MultivectorConfig = &qdrant.MultiVectorConfig{Comparator: qdrant.MultiVectorComparator_MaxSim}
	}
	return p
}

// SparseParams is what the server is told about a sparse vector; nil for any other.
func (v VectorField) SparseParams() *qdrant.SparseVectorParams {
	if v.Kind != SparseVector {
		return nil
	}
	p := &qdrant.SparseVectorParams{}
	if v.OnDisk || v.Datatype != qdrant.Datatype_Default {
		p.Index = &qdrant.SparseIndexConfig{}
		if v.OnDisk {
			p.Index.OnDisk = &v.OnDisk
		}
		if v.Datatype != qdrant.Datatype_Default {
			p.Index.Datatype = v.Datatype.Enum()
		}
	}
	if v.IDF {
		p.Modifier = qdrant.Modifier_Idf.Enum()
	}
	return p
}

// IndexField is one payload index of a type.
type IndexField struct {
	Path      string // as the server spells it: "lang", "address.city", "items[].price", "\"odd name\""
	Field     string // Go field, for messages
	Kind      qdrant.FieldType
	OnDisk    bool
	Tenant    bool                 // keyword, uuid: points of one value are stored together
	Principal bool                 // integer, float, datetime: storage is ordered by the field
	Tokenizer qdrant.TokenizerType // text; word unless the tag says otherwise
	Phrase    bool                 // text: phrases can be matched
}

// Params is what the server is told about the index.
func (f IndexField) Params() *qdrant.PayloadIndexParams {
	onDisk, tenant, principal := optional(f.OnDisk), optional(f.Tenant), optional(f.Principal)
	switch f.Kind {
	case qdrant.FieldType_FieldTypeInteger:
		// Both are on by default, but where a field must support matches the server asks for a lookup that is said
		// (PayloadFieldSchema::supports_match, lib/segment/src/types.rs).
		return qdrant.NewPayloadIndexParamsInt(&qdrant.IntegerIndexParams{
			Lookup: new(true), Range: new(true), IsPrincipal: principal, OnDisk: onDisk,
		})
	case qdrant.FieldType_FieldTypeFloat:
		return qdrant.NewPayloadIndexParamsFloat(&qdrant.FloatIndexParams{OnDisk: onDisk, IsPrincipal: principal})
	case qdrant.FieldType_FieldTypeBool:
		return qdrant.NewPayloadIndexParamsBool(&qdrant.BoolIndexParams{OnDisk: onDisk})
	case qdrant.FieldType_FieldTypeDatetime:
		return qdrant.NewPayloadIndexParamsDatetime(&qdrant.DatetimeIndexParams{OnDisk: onDisk, IsPrincipal: principal})
	case qdrant.FieldType_FieldTypeGeo:
		return qdrant.NewPayloadIndexParamsGeo(&qdrant.GeoIndexParams{OnDisk: onDisk})
	case qdrant.FieldType_FieldTypeUuid:
		return qdrant.NewPayloadIndexParamsUUID(&qdrant.UuidIndexParams{IsTenant: tenant, OnDisk: onDisk})
	case qdrant.FieldType_FieldTypeText:
		return qdrant.NewPayloadIndexParamsText(&qdrant.TextIndexParams{
			Tokenizer: f.Tokenizer, OnDisk: onDisk, PhraseMatching: optional(f.Phrase),
		})
	default:
		return qdrant.NewPayloadIndexParams(&qdrant.KeywordIndexParams{IsTenant: tenant, OnDisk: onDisk})
	}
}

// optional leaves out what is the server's default.
func optional(b bool) *bool {
	if b {
		return &b
	}
	return nil
}
