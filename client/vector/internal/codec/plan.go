package codec

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"

	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"
)

// plan is how documents of one type are stored. It does not change once it is made.
type plan struct {
	schema     Schema
	id         []int // where the id is, as reflect's FieldByIndex takes it
	idOf       func(v reflect.Value) (ID, error)
	setID      func(id ID, v reflect.Value) error
	vectors    []vectorMember
	anyVectors []int
	payload    *object
	// sizes are what Sized said, for vectors out of a map.
	sizes map[string]int
}

// plans remembers the plan of each document type: types do not change while a program runs.
var plans sync.Map // reflect.Type -> *plan

func planOf(t reflect.Type) (*plan, error) {
	if p, ok := plans.Load(t); ok {
		return p.(*plan), nil
	}
	p, err := makePlan(t)
	if err != nil {
		return nil, fmt.Errorf("type %s: %w", typeName(t), err)
	}
	kept, _ := plans.LoadOrStore(t, p)
	return kept.(*plan), nil
}

func typeName(t reflect.Type) string {
	if t.Name() != "" {
		return t.Name()
	}
	return t.String()
}

func makePlan(t reflect.Type) (*plan, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("a document is a struct")
	}
	p := &plan{
		schema:  Schema{Type: typeName(t)},
		payload: &object{typ: t, names: map[string]int{}},
	}
	c := &compiler{seen: map[reflect.Type]*shape{}}
	err := eachField(t, nil, func(f reflect.StructField, tg tag, index []int) error { return p.add(c, f, tg, index) })
	if err != nil {
		return nil, err
	}
	if p.id == nil {
		return nil, fmt.Errorf(`no field is its id: tag one vector:",id"`)
	}
	p.schema.Indexes, err = indexes(nil, p.payload, "", nil)
	return p, err
}

// add takes a field of the document to its place.
func (p *plan) add(c *compiler, f reflect.StructField, tg tag, index []int) error {
	switch tg.role {
	case roleID:
		return p.addID(f, tg, index)
	case roleVector:
		return p.addVector(f, tg, index)
	case roleAnyVector:
		if p.anyVectors != nil || f.Type != anyMapType || tg.name != "" {
			return fmt.Errorf("tag vectors is for one map[string]any, without a name")
		}
		p.anyVectors, p.schema.AnyVectors = index, true
	case roleAnyPayload:
		if p.payload.rest != nil || f.Type != anyMapType || tg.name != "" {
			return fmt.Errorf("tag payload is for one map[string]any, without a name")
		}
		p.payload.rest, p.schema.AnyPayload = index, true
	default:
		return c.member(p.payload, f, tg, index)
	}
	return nil
}

func (p *plan) addVector(f reflect.StructField, tg tag, index []int) error {
	v, err := vectorField(tg, f)
	if err != nil {
		return err
	}
	if other, twice := p.schema.Vector(v.Name); twice {
		return fmt.Errorf("is the vector %q, as is %s", v.Name, other.Field)
	}
	p.schema.Vectors = append(p.schema.Vectors, v)
	p.vectors = append(p.vectors, vectorMember{VectorField: v, index: index, omit: tg.has("omitempty"), limits: limitsOf(v.Datatype)})
	return nil
}

func (p *plan) addID(f reflect.StructField, tg tag, index []int) error {
	if p.id != nil {
		return fmt.Errorf("is a second id beside %s", p.schema.ID)
	}
	if tg.name != "" {
		return fmt.Errorf("an id has no name in the collection")
	}
	p.id, p.schema.ID = index, f.Name
	switch {
	case f.Type == idType:
		p.idOf = func(v reflect.Value) (ID, error) { return *v.Addr().Interface().(*ID), nil }
		p.setID = func(id ID, v reflect.Value) error { *v.Addr().Interface().(*ID) = id; return nil }
	case f.Type.Kind() == reflect.String:
		p.idOf = func(v reflect.Value) (ID, error) { return ParseID(v.String()) }
		p.setID = func(id ID, v reflect.Value) error { v.SetString(id.String()); return nil }
	case f.Type.Kind() == reflect.Array && f.Type.Len() == 16 && f.Type.Elem().Kind() == reflect.Uint8:
		p.idOf, p.setID = uuidFrom, uuidInto
	case f.Type.Kind() >= reflect.Uint && f.Type.Kind() <= reflect.Uint64:
		p.idOf = func(v reflect.Value) (ID, error) { return Num(v.Uint()), nil }
		p.setID = numberInto
	case f.Type.Kind() >= reflect.Int && f.Type.Kind() <= reflect.Int64:
		p.idOf = func(v reflect.Value) (ID, error) {
			if v.Int() < 0 {
				return ID{}, fmt.Errorf("%d is negative", v.Int())
			}
			return Num(uint64(v.Int())), nil
		}
		p.setID = numberInto
	default:
		return fmt.Errorf("an id is an ID, an integer, a string, a uuid.UUID or a [16]byte")
	}
	return nil
}

func uuidFrom(v reflect.Value) (ID, error) {
	u := uuid.UUID(v.Slice(0, 16).Bytes())
	if u == uuid.Nil {
		return ID{}, fmt.Errorf("not set: the UUID is all zero")
	}
	return UUID(u), nil
}

func uuidInto(id ID, v reflect.Value) error {
	if !id.isUUID {
		return faultf("a number instead of a UUID")
	}
	copy(v.Slice(0, 16).Bytes(), id.uuid[:])
	return nil
}

func numberInto(id ID, v reflect.Value) error {
	if id.isUUID {
		return faultf("a UUID instead of a number")
	}
	if v.CanUint() {
		if v.OverflowUint(id.number) {
			return faultf("%d does not fit into %s", id.number, v.Type())
		}
		v.SetUint(id.number)
		return nil
	}
	if int64(id.number) < 0 || v.OverflowInt(int64(id.number)) {
		return faultf("%d does not fit into %s", id.number, v.Type())
	}
	v.SetInt(int64(id.number))
	return nil
}

// indexes collects the payload indexes of an object and of what it holds. A type inside itself is not followed: the path has no end.
func indexes(found []IndexField, o *object, prefix string, around []reflect.Type) ([]IndexField, error) {
	if slices.Contains(around, o.typ) {
		return found, nil
	}
	around = append(around, o.typ)
	for i := range o.members {
		m := &o.members[i]
		if m.indexed != nil {
			f := *m.indexed
			f.Path = prefix + f.Path
			found = append(found, f)
			continue
		}
		path, s, inMap := prefix+quoted(m.name), m.shape.direct(), false
		for s.form == list || s.form == free {
			if s.form == list {
				path += "[]"
			}
			inMap = inMap || s.form == free
			s = s.elem.direct()
		}
		if s.form != keyed {
			continue
		}
		before := len(found)
		var err error
		if found, err = indexes(found, s.object, path+".", around); err != nil {
			return nil, err
		}
		if inMap && len(found) > before {
			return nil, named(m.field, fmt.Errorf("%s inside a map cannot be indexed, as its path is not known", found[before].Field))
		}
	}
	return found, nil
}

// sized is the plan with sizes for the vectors that have none.
func (p *plan) sized(sizes map[string]int) *plan {
	q := *p
	q.sizes = maps.Clone(sizes)
	q.vectors = slices.Clone(p.vectors)
	q.schema.Vectors = slices.Clone(p.schema.Vectors)
	for i := range q.vectors {
		if v := &q.vectors[i]; v.Size == 0 && v.Kind != SparseVector {
			v.Size = max(sizes[v.Name], 0)
			q.schema.Vectors[i].Size = v.Size
		}
	}
	return &q
}

// put appends a PointStruct message.
func (p *plan) put(b []byte, id ID, v reflect.Value) ([]byte, error) {
	b = putID(b, id)
	b, err := p.payload.putMembers(b, v, tagPayload, 0)
	if err != nil {
		return b, err
	}
	if p.payload.rest != nil {
		rest := *at(v, p.payload.rest).Addr().Interface().(*map[string]any)
		if b, err = putEntries(b, rest, tagPayload, p.payload.names, 0); err != nil {
			return b, err
		}
	}
	b, _, err = p.putVectors(b, v, false)
	return b, err
}

// putOnlyVectors appends a PointStruct message without a payload, and without the vectors that are empty.
func (p *plan) putOnlyVectors(b []byte, id ID, v reflect.Value) ([]byte, error) {
	b, n, err := p.putVectors(putID(b, id), v, true)
	if err == nil && n == 0 {
		err = under(faultf("none is given"), "vectors")
	}
	return b, err
}

// get sets the fields of a zero document.
func (p *plan) get(id ID, payload map[string]*qdrant.Value, vectors *qdrant.VectorsOutput, v reflect.Value) error {
	if err := p.setID(id, at(v, p.id)); err != nil {
		return under(err, "id")
	}
	if err := p.payload.getMembers(payload, v); err != nil {
		return err
	}
	if p.payload.rest != nil {
		var rest map[string]any
		for key, value := range payload {
			if _, known := p.payload.names[key]; known {
				continue
			}
			if rest == nil {
				rest = map[string]any{}
			}
			rest[key] = Any(value)
		}
		*at(v, p.payload.rest).Addr().Interface().(*map[string]any) = rest
	}
	return p.getVectors(vectors, v)
}
