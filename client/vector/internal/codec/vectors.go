package codec

import (
	"encoding/binary"
	"math"
	"reflect"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/encoding/protowire"
)

// vectorKind is the form of the vectors that a Go type can hold.
func vectorKind(t reflect.Type) (kind VectorKind, ok bool) {
	switch {
	case t == sparseType:
		return SparseVector, true
	case t.ConvertibleTo(floatsType) && t.Kind() == reflect.Slice:
		return Dense, true
	case t.ConvertibleTo(manyFloatsType) && t.Kind() == reflect.Slice:
		return Multi, true
	default:
		return Dense, false
	}
}

// vectorMember is a vector of a document.
type vectorMember struct {
	VectorField
	index []int
	omit  bool
	limits
}

// limits are the values that the server can store in the vector's datatype.
type limits struct {
	low, high float32
	why       string
}

func limitsOf(d qdrant.Datatype) limits {
	switch d {
	case qdrant.Datatype_Uint8:
		return limits{0, math.MaxUint8, "which datatype uint8 cannot hold"}
	case qdrant.Datatype_Float16:
		return limits{-65504, 65504, "which datatype float16 cannot hold"} // IEEE 754 binary16: (2-2^-10) * 2^15
	default:
		return limits{-math.MaxFloat32, math.MaxFloat32, "which no vector can hold"}
	}
}

// value is the vector's Go value by its kind: *[]float32, *[][]float32 or *Sparse. v is the document. Named slice types are converted,
// pointer to pointer, so nothing is copied.
func (m *vectorMember) value(v reflect.Value) any {
	p := at(v, m.index).Addr()
	switch {
	case m.Kind == Dense && p.Type().Elem() != floatsType:
		p = p.Convert(reflect.PointerTo(floatsType))
	case m.Kind == Multi && p.Type().Elem() != manyFloatsType:
		p = p.Convert(reflect.PointerTo(manyFloatsType))
	}
	return p.Interface()
}

// put appends the content of a Vector message; none says that there is no vector to store, as it is empty and may be: by its tag, or by
// what the caller says.
func (m *vectorMember) put(b []byte, v reflect.Value, omit bool) (out []byte, none bool, err error) {
	omit = omit || m.omit
	switch x := m.value(v).(type) {
	case *[]float32:
		if len(*x) == 0 {
			return b, omit, missing(omit)
		}
		b, err = putDense(b, *x, m.Size, m.limits)
	case *[][]float32:
		if len(*x) == 0 {
			return b, omit, missing(omit)
		}
		b, err = putMulti(b, *x, m.Size, m.limits)
	case *Sparse:
		if len(x.Indices) == 0 && len(x.Values) == 0 {
			return b, omit, missing(omit)
		}
		b, err = putSparse(b, *x, m.limits)
	}
	return b, false, err
}

func missing(omit bool) error {
	if omit {
		return nil
	}
	return faultf("empty vector")
}

func putDense(b []byte, x []float32, size int, l limits) ([]byte, error) {
	data, err := denseSize(x, size)
	if err != nil {
		return b, err
	}
	b = protowire.AppendTag(b, numDense, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(data))
	return putFloats(b, x, l)
}

// denseSize is the length of a DenseVector message.
func denseSize(x []float32, size int) (int, error) {
	switch {
	case len(x) == 0:
		return 0, faultf("empty vector")
	case size > 0 && len(x) != size:
		return 0, faultf("%d dimensions instead of %d", len(x), size)
	}
	return 1 + sizeVarint(uint64(4*len(x))) + 4*len(x), nil
}

// putFloats is the packed field 1 of DenseVector and SparseVector. It looks at each value as it copies it.
func putFloats(b []byte, x []float32, l limits) ([]byte, error) {
	b = append(b, tagElement)
	b = protowire.AppendVarint(b, uint64(4*len(x)))
	start := len(b)
	b = append(b, make([]byte, 4*len(x))...)
	data := b[start:]
	for i, value := range x {
		// Written so that NaN fails as well.
		if !(value >= l.low && value <= l.high) {
			return b, underIndex(faultf("%v, %s", value, l.why), i)
		}
		binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(value))
	}
	return b, nil
}

func putMulti(b []byte, x [][]float32, size int, l limits) ([]byte, error) {
	if size == 0 && len(x) > 0 {
		size = len(x[0]) // all of one size at least
	}
	b, mark := open(protowire.AppendTag(b, numMulti, protowire.BytesType), 2)
	for i, one := range x {
		data, err := denseSize(one, size)
		if err != nil {
			return b, underIndex(err, i)
		}
		b = protowire.AppendVarint(append(b, tagElement), uint64(data))
		if b, err = putFloats(b, one, l); err != nil {
			return b, underIndex(err, i)
		}
	}
	return seal(b, mark, 2), nil
}

func putSparse(b []byte, x Sparse, l limits) ([]byte, error) {
	if err := x.Validate(); err != nil {
		return b, err
	}
	b, mark := open(protowire.AppendTag(b, numSparse, protowire.BytesType), 2)
	b, err := putFloats(b, x.Values, l)
	if err != nil {
		return b, err
	}
	b, indices := open(append(b, tagIndices), 1)
	for _, index := range x.Indices {
		b = protowire.AppendVarint(b, uint64(index))
	}
	return seal(seal(b, indices, 1), mark, 2), nil
}

// putAnyVector is a vector out of a map that is tagged vectors.
func putAnyVector(b []byte, x any, size int) ([]byte, error) {
	l := limitsOf(qdrant.Datatype_Default)
	switch x := x.(type) {
	case []float32:
		return putDense(b, x, size, l)
	case [][]float32:
		if len(x) == 0 {
			return b, faultf("empty vector")
		}
		return putMulti(b, x, size, l)
	case Sparse:
		return putSparse(b, x, l)
	case *Sparse:
		if x == nil {
			return b, faultf("empty vector")
		}
		return putSparse(b, *x, l)
	default:
		return b, faultf("a %T is no vector", x)
	}
}

// emptyVector says whether a value out of such a map is a vector, and empty.
func emptyVector(x any) bool {
	switch x := x.(type) {
	case []float32:
		return len(x) == 0
	case [][]float32:
		return len(x) == 0
	case Sparse:
		return len(x.Indices)+len(x.Values) == 0
	case *Sparse:
		return x == nil || emptyVector(*x)
	default:
		return false
	}
}

// putVectors appends a PointStruct's vectors and counts them; with omit, all that are empty are left out. The server refuses points
// without the field, so one without vectors says that it has no named ones.
func (p *plan) putVectors(b []byte, v reflect.Value, omit bool) (out []byte, n int, err error) {
	b, whole := open(append(b, tagVectors), 2)
	var more map[string]any
	if p.anyVectors != nil {
		more = *at(v, p.anyVectors).Addr().Interface().(*map[string]any)
	}
	// A sole unnamed vector has a form of its own, as go-client's NewVectors gives it.
	if len(p.vectors) == 1 && p.vectors[0].Name == "" && len(more) == 0 {
		b, mark := open(append(b, tagVectorsOne), 2)
		b, none, err := p.vectors[0].put(b, v, omit)
		if err != nil {
			return b, 0, under(err, p.vectors[0].label())
		}
		if !none {
			return seal(seal(b, mark, 2), whole, 2), 1, nil
		}
		b = b[:mark-1]
		return seal(append(b, tagVectorsNamed, 0), whole, 2), 0, nil
	}
	b, named := open(append(b, tagVectorsNamed), 2)
	for i := range p.vectors {
		var none bool
		if b, none, err = p.vectors[i].putNamed(b, v, omit); err != nil {
			return b, 0, under(err, p.vectors[i].label())
		}
		if !none {
			n++
		}
	}
	for name, x := range more {
		if _, twice := p.schema.Vector(name); twice {
			return b, 0, under(faultf("stored by a field of the struct and by its map of vectors"), label(name))
		}
		if omit && emptyVector(x) {
			continue
		}
		if b, err = putNamedVector(b, name, x, p.sizes[name]); err != nil {
			return b, 0, under(err, label(name))
		}
		n++
	}
	return seal(seal(b, named, 2), whole, 2), n, nil
}

// putNamed appends the vector as an entry of NamedVectors, unless there is none to store.
func (m *vectorMember) putNamed(b []byte, v reflect.Value, omit bool) (out []byte, none bool, err error) {
	start := len(b)
	b, entry := open(append(b, tagElement), 2)
	b, mark := open(putKey(b, m.Name), 2)
	b, none, err = m.put(b, v, omit)
	if err != nil {
		return b, false, err
	}
	if none {
		return b[:start], true, nil
	}
	return seal(seal(b, mark, 2), entry, 2), false, nil
}

func putNamedVector(b []byte, name string, x any, size int) ([]byte, error) {
	if _, err := putUTF8(nil, name); err != nil {
		return b, err
	}
	b, entry := open(append(b, tagElement), 2)
	b, mark := open(putKey(b, name), 2)
	b, err := putAnyVector(b, x, size)
	if err != nil {
		return b, err
	}
	return seal(seal(b, mark, 2), entry, 2), nil
}

// label is a vector's name in messages.
func label(name string) string {
	if name == "" {
		return "unnamed vector"
	}
	return name
}

func (v VectorField) label() string { return label(v.Name) }

// getVectors sets the vectors that came with a point.
func (p *plan) getVectors(from *qdrant.VectorsOutput, v reflect.Value) error {
	if one := from.GetVector(); one != nil {
		return p.getVector("", one, v)
	}
	for name, one := range from.GetVectors().GetVectors() {
		if err := p.getVector(name, one, v); err != nil {
			return err
		}
	}
	return nil
}

// getVector sets one vector; one that the type does not have is left alone, as payload fields are.
func (p *plan) getVector(name string, from *qdrant.VectorOutput, v reflect.Value) error {
	for i := range p.vectors {
		if m := &p.vectors[i]; m.Name == name {
			if err := m.get(from, v); err != nil {
				return under(err, m.label())
			}
			return nil
		}
	}
	if p.anyVectors == nil {
		return nil
	}
	into := at(v, p.anyVectors).Addr().Interface().(*map[string]any)
	if *into == nil {
		*into = map[string]any{}
	}
	switch x := from.GetVector().(type) {
	case *qdrant.VectorOutput_Dense:
		(*into)[name] = x.Dense.GetData()
	case *qdrant.VectorOutput_MultiDense:
		(*into)[name] = rows(x.MultiDense)
	case *qdrant.VectorOutput_Sparse:
		(*into)[name] = Sparse{Indices: x.Sparse.GetIndices(), Values: x.Sparse.GetValues()}
	default:
		return under(faultf("no vector in the answer"), label(name))
	}
	return nil
}

func (m *vectorMember) get(from *qdrant.VectorOutput, v reflect.Value) error {
	switch into := m.value(v).(type) {
	case *[]float32:
		x, ok := from.GetVector().(*qdrant.VectorOutput_Dense)
		if !ok {
			return faultf("%s vector instead of a dense one", outputKind(from))
		}
		*into = x.Dense.GetData()
	case *[][]float32:
		x, ok := from.GetVector().(*qdrant.VectorOutput_MultiDense)
		if !ok {
			return faultf("%s vector instead of a multi-vector", outputKind(from))
		}
		*into = rows(x.MultiDense)
	case *Sparse:
		x, ok := from.GetVector().(*qdrant.VectorOutput_Sparse)
		if !ok {
			return faultf("%s vector instead of a sparse one", outputKind(from))
		}
		*into = Sparse{Indices: x.Sparse.GetIndices(), Values: x.Sparse.GetValues()}
	}
	return nil
}

func rows(m *qdrant.MultiDenseVector) [][]float32 {
	rows := make([][]float32, len(m.GetVectors()))
	for i, one := range m.GetVectors() {
		rows[i] = one.GetData()
	}
	return rows
}

func outputKind(v *qdrant.VectorOutput) string {
	switch v.GetVector().(type) {
	case *qdrant.VectorOutput_Dense:
		return Dense.String()
	case *qdrant.VectorOutput_MultiDense:
		return Multi.String()
	case *qdrant.VectorOutput_Sparse:
		return SparseVector.String()
	default:
		return "no"
	}
}
