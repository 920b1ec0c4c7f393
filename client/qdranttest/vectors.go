package qdranttest

import (
	"cmp"
	"math"
	"slices"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// vector is one of a point's, or one that is asked for: exactly one of its fields is set. What is stored is never changed.
type vector struct {
	dense  []float32
	sparse *sparse
	multi  [][]float32
}

// sparse is a vector of few components, in order of their indices.
type sparse struct {
	indices []uint32
	values  []float32
}

// vectorField is what a collection's vectors of a name are.
type vectorField struct {
	name     string
	size     int
	distance qdrant.Distance
	multi    bool
	sparse   bool
	idf      bool
}

// vectorFields are the vectors that a collection's points may have.
func vectorFields(params *qdrant.CollectionParams) map[string]vectorField {
	fields := map[string]vectorField{}
	add := func(name string, p *qdrant.VectorParams) {
		fields[name] = vectorField{name: name, size: int(p.GetSize()), distance: p.GetDistance(), multi: p.GetMultivectorConfig() != nil}
	}
	if single := params.GetVectorsConfig().GetParams(); single != nil {
		add("", single)
	}
	for name, p := range params.GetVectorsConfig().GetParamsMap().GetMap() {
		add(name, p)
	}
	for name, p := range params.GetSparseVectorsConfig().GetMap() {
		fields[name] = vectorField{name: name, sparse: true, distance: qdrant.Distance_Dot, idf: p.GetModifier() == qdrant.Modifier_Idf}
	}
	return fields
}

func newSparse(indices []uint32, values []float32) *sparse {
	order := make([]int, len(indices))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(indices[a], indices[b]) })
	s := &sparse{indices: make([]uint32, len(indices)), values: make([]float32, len(indices))}
	for to, from := range order {
		s.indices[to], s.values[to] = indices[from], values[from]
	}
	return s
}

// checkSparse refuses what is no sparse vector.
func checkSparse(indices []uint32, values []float32) error {
	seen := make(map[uint32]bool, len(indices))
	for _, index := range indices {
		seen[index] = true
	}
	switch {
	case len(seen) != len(indices):
		return invalid("indices", "Validation error: must be unique [{}]")
	case len(indices) != len(values):
		return invalid("values", "Validation error: must be the same length as indices [{}]")
	}
	return nil
}

func checkMulti(vectors []*qdrant.DenseVector) error {
	if len(vectors) == 0 {
		return invalid("data", "multi vector must not be empty")
	}
	for _, v := range vectors {
		switch {
		case len(v.GetData()) == 0:
			return invalid("data", "all vectors must be non-empty")
		case len(v.GetData()) != len(vectors[0].GetData()):
			return invalid("data", "all vectors must have the same dimension, found vector with dimension %d", len(v.GetData()))
		}
	}
	return nil
}

func multiOf(vectors []*qdrant.DenseVector) [][]float32 {
	rows := make([][]float32, 0, len(vectors))
	for _, v := range vectors {
		rows = append(rows, v.GetData())
	}
	return rows
}

// vectorOf reads a vector that a point is to have, in the present form or in the deprecated one.
func vectorOf(v *qdrant.Vector) (vector, error) {
	switch kind := v.GetVector().(type) {
	case *qdrant.Vector_Dense:
		return vector{dense: nonNil(kind.Dense.GetData())}, nil
	case *qdrant.Vector_Sparse:
		if err := checkSparse(kind.Sparse.GetIndices(), kind.Sparse.GetValues()); err != nil {
			return vector{}, err
		}
		return vector{sparse: newSparse(kind.Sparse.GetIndices(), kind.Sparse.GetValues())}, nil
	case *qdrant.Vector_MultiDense:
		if err := checkMulti(kind.MultiDense.GetVectors()); err != nil {
			return vector{}, err
		}
		return vector{multi: multiOf(kind.MultiDense.GetVectors())}, nil
	case nil:
	default:
		return vector{}, errInference
	}
	data := v.GetData()                            //nolint:staticcheck // what old clients send
	if indices := v.GetIndices(); indices != nil { //nolint:staticcheck // what old clients send
		if err := checkSparse(indices.GetData(), data); err != nil {
			return vector{}, err
		}
		return vector{sparse: newSparse(indices.GetData(), data)}, nil
	}
	if v.VectorsCount == nil { //nolint:staticcheck // what old clients send
		return vector{dense: nonNil(data)}, nil
	}
	count := int(v.GetVectorsCount()) //nolint:staticcheck // what old clients send
	if count == 0 || len(data) == 0 || len(data)%count != 0 {
		return vector{}, invalid("data", "invalid vector count")
	}
	return vector{multi: slices.Collect(slices.Chunk(data, len(data)/count))}, nil
}

// errInference is what a server answers that has no inference service, as this one.
var errInference = status.Error(codes.Unimplemented, "qdranttest has no inference: texts, images and objects are not made vectors")

func nonNil(values []float32) []float32 {
	if values == nil {
		return []float32{}
	}
	return values
}

// vectorsOf reads a point's vectors by their names; the one without is "".
func vectorsOf(vectors *qdrant.Vectors) (map[string]vector, error) {
	switch options := vectors.GetVectorsOptions().(type) {
	case *qdrant.Vectors_Vector:
		v, err := vectorOf(options.Vector)
		return map[string]vector{"": v}, err
	case *qdrant.Vectors_Vectors:
		named := make(map[string]vector, len(options.Vectors.GetVectors()))
		for name, v := range options.Vectors.GetVectors() {
			read, err := vectorOf(v)
			if err != nil {
				return nil, in("vectors.[]", err)
			}
			named[name] = read
		}
		return named, nil
	default:
		return nil, status.Error(codes.InvalidArgument, "Expected some vectors")
	}
}

// inputOf reads a vector that is asked for; a point's id is none.
func inputOf(input *qdrant.VectorInput) (vector, error) {
	switch variant := input.GetVariant().(type) {
	case *qdrant.VectorInput_Dense:
		return vector{dense: nonNil(variant.Dense.GetData())}, nil
	case *qdrant.VectorInput_Sparse:
		if err := checkSparse(variant.Sparse.GetIndices(), variant.Sparse.GetValues()); err != nil {
			return vector{}, err
		}
		return vector{sparse: newSparse(variant.Sparse.GetIndices(), variant.Sparse.GetValues())}, nil
	case *qdrant.VectorInput_MultiDense:
		if err := checkMulti(variant.MultiDense.GetVectors()); err != nil {
			return vector{}, err
		}
		return vector{multi: multiOf(variant.MultiDense.GetVectors())}, nil
	case nil:
		return vector{}, status.Error(codes.InvalidArgument, "VectorInput variant is missing")
	default:
		return vector{}, errInference
	}
}

// fit makes a vector what the field stores, or refuses it. A dense vector fits a multivector as its only row, and the other way round.
func (f vectorField) fit(v vector) (vector, error) {
	switch {
	case f.sparse:
		if v.sparse == nil {
			return vector{}, wrongInput("Conversion between sparse and regular vectors failed")
		}
		return v, nil
	case v.sparse != nil:
		return vector{}, wrongInput("Conversion between sparse and regular vectors failed")
	case f.multi && v.multi == nil:
		v = vector{multi: [][]float32{v.dense}}
	case !f.multi && v.multi != nil:
		if len(v.multi) != 1 {
			return vector{}, wrongInput("Conversion between multi and regular vectors failed")
		}
		v = vector{dense: v.multi[0]}
	}
	if v.dense != nil {
		if len(v.dense) != f.size {
			return vector{}, wrongInput("Vector dimension error: expected dim: %d, got %d", f.size, len(v.dense))
		}
		return vector{dense: f.normal(v.dense)}, nil
	}
	rows := make([][]float32, 0, len(v.multi))
	for _, row := range v.multi {
		if len(row) != f.size {
			return vector{}, wrongInput("Vector dimension error: expected dim: %d, got %d", f.size, len(row))
		}
		rows = append(rows, f.normal(row))
	}
	return vector{multi: rows}, nil
}

// checkDimension refuses a vector of another dimension before anything is written; what is no such vector is refused later.
func (f vectorField) checkDimension(v vector) error {
	if f.sparse || v.sparse != nil {
		return nil
	}
	of := ""
	if f.name != "" {
		of = " for vector '" + f.name + "'"
	}
	for _, row := range v.rows() {
		if len(row) != f.size {
			return wrongInput("Vector dimension error: expected dim: %d, got %d%s", f.size, len(row), of)
		}
	}
	return nil
}

// normal is a vector of length 1 where cosines are compared, as the server stores them.
func (f vectorField) normal(values []float32) []float32 {
	if f.distance != qdrant.Distance_Cosine {
		return values
	}
	var square float32
	for _, x := range values {
		square += x * x
	}
	// The server's own bounds for what is zero or of length 1 already.
	if square < epsilon || math.Abs(float64(square)-1) <= 1e-6 {
		return values
	}
	length := float32(math.Sqrt(float64(square)))
	unit := make([]float32, len(values))
	for i, x := range values {
		unit[i] = x / length
	}
	return unit
}

// epsilon is the difference of 1 and the next float32.
const epsilon = 1.1920929e-07

func (v vector) proto() *qdrant.VectorOutput {
	switch {
	case v.sparse != nil:
		components := &qdrant.SparseVector{Indices: v.sparse.indices, Values: v.sparse.values}
		return &qdrant.VectorOutput{Vector: &qdrant.VectorOutput_Sparse{Sparse: components}}
	case v.multi != nil:
		rows := make([]*qdrant.DenseVector, 0, len(v.multi))
		for _, row := range v.multi {
			rows = append(rows, &qdrant.DenseVector{Data: row})
		}
		return &qdrant.VectorOutput{Vector: &qdrant.VectorOutput_MultiDense{MultiDense: &qdrant.MultiDenseVector{Vectors: rows}}}
	default:
		return &qdrant.VectorOutput{Vector: &qdrant.VectorOutput_Dense{Dense: &qdrant.DenseVector{Data: v.dense}}}
	}
}

// vectorsProto are a point's vectors that a request asks for; nil if it asks for none.
func (p *point) vectorsProto(selector *qdrant.WithVectorsSelector) *qdrant.VectorsOutput {
	var wanted func(string) bool
	switch option := selector.GetSelectorOptions().(type) {
	case *qdrant.WithVectorsSelector_Enable:
		if !option.Enable {
			return nil
		}
		wanted = func(string) bool { return true }
	case *qdrant.WithVectorsSelector_Include:
		wanted = func(name string) bool { return slices.Contains(option.Include.GetNames(), name) }
	default:
		return nil
	}
	named := map[string]*qdrant.VectorOutput{}
	for name, v := range p.vectors {
		if wanted(name) {
			named[name] = v.proto()
		}
	}
	if single, has := named[""]; has && len(named) == 1 {
		return &qdrant.VectorsOutput{VectorsOptions: &qdrant.VectorsOutput_Vector{Vector: single}}
	}
	return &qdrant.VectorsOutput{VectorsOptions: &qdrant.VectorsOutput_Vectors{Vectors: &qdrant.NamedVectorsOutput{Vectors: named}}}
}
