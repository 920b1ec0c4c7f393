package codec

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"
)

// maxDepth is how deep objects and lists may nest below the payload. The server (1.18.3) takes any depth over gRPC, but stores JSON,
// and its reader gives up at 128 levels: a payload of 127 objects in each other is taken, and from then on the point can be neither
// read nor updated. Clients in other languages give up sooner: protobuf for Python and Java reads 100 messages in each other, and a
// level of objects is three (Value, Struct, map entry). 30 levels leave room for the messages around a point.
const maxDepth = 30

// shape is how values of one Go type become payload values and back.
type shape struct {
	typ reflect.Type
	// put appends the content of a Value message. v is addressable. depth counts the objects and lists around it.
	put func(b []byte, v reflect.Value, depth int) ([]byte, error)
	// get sets v, which is settable, from a value that is not null.
	get func(from *qdrant.Value, v reflect.Value) error

	form form
	// elem is the shape of what a list or map holds or a pointer points to.
	elem *shape
	// object is what a struct holds.
	object *object
	// kinds are the payload indexes that a value, or the elements of a list, can have. The first is the default, but for an ID.
	kinds []qdrant.FieldType
}

// direct is the shape without the pointers around it.
func (s *shape) direct() *shape {
	for s.form == indirect {
		s = s.elem
	}
	return s
}

// form is what paths into a value look like.
type form int

const (
	leaf     form = iota
	keyed         // an object with fields that are known: a struct
	place         // an object with lat and lon
	free          // an object with any keys: a map
	list          // elements with indices
	dynamic       // anything
	indirect      // what elem is: a pointer
)

// object is a struct that is stored as fields.
type object struct {
	typ     reflect.Type
	members []member
	names   map[string]int // into members
	// rest is the index of a document's map for every other field; nil where there is none. Documents alone have one.
	rest []int
}

// member is one field of an object.
type member struct {
	name  string
	field reflect.StructField
	index []int  // as reflect's FieldByIndex takes it
	key   []byte // name as the key of a map entry, and the tag of the entry's value
	shape *shape
	omit  bool
	// indexed is the payload index of the field, with the path still relative to the object.
	indexed *IndexField
}

// of is the member's value in the struct v.
func (m *member) of(v reflect.Value) reflect.Value { return at(v, m.index) }

// at is v.FieldByIndex without its loop for the usual field, which is not embedded.
func at(v reflect.Value, index []int) reflect.Value {
	if len(index) == 1 {
		return v.Field(index[0])
	}
	return v.FieldByIndex(index)
}

var (
	timeType       = reflect.TypeFor[time.Time]()
	geoType        = reflect.TypeFor[Geo]()
	idType         = reflect.TypeFor[ID]()
	uuidType       = reflect.TypeFor[uuid.UUID]()
	sparseType     = reflect.TypeFor[Sparse]()
	rawType        = reflect.TypeFor[json.RawMessage]()
	numberType     = reflect.TypeFor[json.Number]()
	anyType        = reflect.TypeFor[any]()
	floatsType     = reflect.TypeFor[[]float32]()
	manyFloatsType = reflect.TypeFor[[][]float32]()
	anyMapType     = reflect.TypeFor[map[string]any]()
	marshalerType  = reflect.TypeFor[encoding.TextMarshaler]()
)

// shapes remembers the shape of each type that was met, for the values that are found only while encoding (an any with a struct in it).
// It holds nothing but what the types themselves say, so it is the same whoever fills it.
var shapes sync.Map // reflect.Type -> *shape

func shapeOf(t reflect.Type) (*shape, error) {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape), nil
	}
	s, err := (&compiler{seen: map[reflect.Type]*shape{}}).shape(t)
	if err != nil {
		return nil, err
	}
	kept, _ := shapes.LoadOrStore(t, s)
	return kept.(*shape), nil
}

// compiler makes shapes. A type that contains itself finds its own shape in seen, which is filled in by the time it is used.
type compiler struct {
	seen map[reflect.Type]*shape
}

func (c *compiler) shape(t reflect.Type) (*shape, error) {
	if s, ok := c.seen[t]; ok {
		return s, nil
	}
	s := &shape{typ: t}
	c.seen[t] = s
	return s, c.fill(s, t)
}

// fill decides how a type is stored. Types with a meaning of their own come before the kinds that they are made of.
func (c *compiler) fill(s *shape, t reflect.Type) error {
	text := []qdrant.FieldType{
		qdrant.FieldType_FieldTypeKeyword, qdrant.FieldType_FieldTypeText,
		qdrant.FieldType_FieldTypeUuid, qdrant.FieldType_FieldTypeDatetime,
	}
	switch t {
	case timeType:
		s.put, s.get, s.kinds = putTime, getTime, []qdrant.FieldType{qdrant.FieldType_FieldTypeDatetime}
		return nil
	case geoType:
		s.put, s.get, s.form, s.kinds = putGeo, getGeo, place, []qdrant.FieldType{qdrant.FieldType_FieldTypeGeo}
		return nil
	case idType:
		s.put, s.get, s.kinds = putIDValue, getIDValue, []qdrant.FieldType{
			qdrant.FieldType_FieldTypeKeyword, qdrant.FieldType_FieldTypeInteger, qdrant.FieldType_FieldTypeUuid,
		}
		return nil
	case uuidType:
		s.put, s.get, s.kinds = putUUID, getUUID, []qdrant.FieldType{
			qdrant.FieldType_FieldTypeUuid, qdrant.FieldType_FieldTypeKeyword,
		}
		return nil
	case rawType:
		s.put, s.get, s.form = putRaw, getRaw, dynamic
		return nil
	case numberType:
		s.put, s.get, s.kinds = putNumber, getNumber, []qdrant.FieldType{
			qdrant.FieldType_FieldTypeFloat, qdrant.FieldType_FieldTypeInteger,
		}
		return nil
	case anyType:
		s.put, s.get, s.form = putInterface, getInterface, dynamic
		return nil
	case anyMapType:
		s.put, s.get, s.form = putAnyMap, getAnyMap, free
		s.elem = &shape{typ: anyType, put: putInterface, get: getInterface, form: dynamic}
		return nil
	case sparseType:
		return fmt.Errorf("a Sparse is a vector: tag it so")
	}
	if t.Kind() != reflect.Pointer && reflect.PointerTo(t).Implements(marshalerType) {
		s.put, s.get, s.kinds = putText, getText, text
		return nil
	}
	switch t.Kind() {
	case reflect.String:
		s.put, s.get, s.kinds = putStringValue, getString, text
	case reflect.Bool:
		s.put, s.get, s.kinds = putBoolValue, getBool, []qdrant.FieldType{qdrant.FieldType_FieldTypeBool}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		s.put, s.get, s.kinds = putInt, getInt, []qdrant.FieldType{
			qdrant.FieldType_FieldTypeInteger, qdrant.FieldType_FieldTypeFloat,
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		s.put, s.get, s.kinds = putUint, getUint, []qdrant.FieldType{
			qdrant.FieldType_FieldTypeInteger, qdrant.FieldType_FieldTypeFloat,
		}
	case reflect.Float32, reflect.Float64:
		s.put, s.get, s.kinds = putFloat, getFloat, []qdrant.FieldType{qdrant.FieldType_FieldTypeFloat}
	case reflect.Pointer:
		return c.pointer(s, t)
	case reflect.Slice, reflect.Array:
		return c.list(s, t)
	case reflect.Map:
		return c.stringMap(s, t)
	case reflect.Struct:
		o, err := c.object(t)
		if err != nil {
			return err
		}
		s.put, s.get, s.form, s.object = o.put, o.get, keyed, o
	default:
		return fmt.Errorf("cannot be stored")
	}
	return nil
}

// elem is the shape of what the type holds or points to.
func (c *compiler) elem(t reflect.Type) (*shape, error) {
	s, err := c.shape(t.Elem())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.Elem(), err)
	}
	return s, nil
}

func (c *compiler) pointer(s *shape, t reflect.Type) error {
	if t.Elem().Kind() == reflect.Pointer {
		return fmt.Errorf("a pointer to a pointer cannot be stored")
	}
	to, err := c.elem(t)
	if err != nil {
		return err
	}
	// A type that points to itself is still being filled in, so nothing but its kinds is taken over; a struct has none.
	s.form, s.elem, s.kinds = indirect, to, to.kinds
	s.put = func(b []byte, v reflect.Value, depth int) ([]byte, error) {
		if v.IsNil() {
			return putNull(b), nil
		}
		return to.put(b, v.Elem(), depth)
	}
	s.get = func(from *qdrant.Value, v reflect.Value) error {
		v.Set(reflect.New(t.Elem()))
		return to.get(from, v.Elem())
	}
	return nil
}

func (c *compiler) list(s *shape, t reflect.Type) error {
	if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 {
		s.put, s.get, s.kinds = putBytes, getBytes, []qdrant.FieldType{qdrant.FieldType_FieldTypeKeyword}
		return nil
	}
	elem, err := c.elem(t)
	if err != nil {
		return err
	}
	s.form, s.elem = list, elem
	if elem.direct().form != list {
		s.kinds = elem.kinds
	}
	s.put = func(b []byte, v reflect.Value, depth int) ([]byte, error) { return putList(b, v, elem, depth) }
	s.get = func(from *qdrant.Value, v reflect.Value) error { return getList(from, v, elem) }
	return nil
}

func (c *compiler) stringMap(s *shape, t reflect.Type) error {
	if t.Key().Kind() != reflect.String {
		return fmt.Errorf("a map whose keys are no strings cannot be stored")
	}
	elem, err := c.elem(t)
	if err != nil {
		return err
	}
	s.form, s.elem = free, elem
	s.put = func(b []byte, v reflect.Value, depth int) ([]byte, error) { return putMap(b, v, elem, depth) }
	s.get = func(from *qdrant.Value, v reflect.Value) error { return getMap(from, v, elem) }
	return nil
}

// object compiles a struct inside a payload.
func (c *compiler) object(t reflect.Type) (*object, error) {
	o := &object{typ: t, names: map[string]int{}}
	err := eachField(t, nil, func(f reflect.StructField, tg tag, index []int) error {
		if tg.role != rolePayload {
			return fmt.Errorf("only the fields of a document can be tagged %s", tg.role)
		}
		return c.member(o, f, tg, index)
	})
	return o, err
}

// member adds a payload field to the object.
func (c *compiler) member(o *object, f reflect.StructField, tg tag, index []int) error {
	name := tg.name
	if name == "" {
		name = snake(f.Name)
	}
	if err := plainName(name); err != nil {
		return err
	}
	if other, twice := o.names[name]; twice {
		return fmt.Errorf("is stored as %q, as is %s", name, o.members[other].field.Name)
	}
	if _, isVector := vectorKind(f.Type); isVector && tg.name == string(roleVector) {
		return fmt.Errorf(`is named "vector", not tagged as one: that is vector:",vector"`)
	}
	s, err := c.shape(f.Type)
	if err != nil {
		return err
	}
	m := member{name: name, field: f, index: index, key: putKey(nil, name), shape: s, omit: tg.has("omitempty")}
	indexed, ok, err := indexField(tg, f, s)
	if err != nil {
		return err
	}
	if ok {
		// Without [] also for lists: the server indexes their elements, and finds the index for filters on the bare name only.
		indexed.Path = quoted(name)
		m.indexed = &indexed
	}
	o.names[name] = len(o.members)
	o.members = append(o.members, m)
	return nil
}

// plainName refuses names that would be taken for a path, and those that no path can have in it.
func plainName(name string) error {
	if at := strings.IndexAny(name, `.[]"\`); at >= 0 {
		return fmt.Errorf("the name %q has %q in it, which is for paths alone", name, name[at])
	}
	return nil
}

// eachField visits the fields of a struct, those of embedded structs in their place. Its errors name the field.
func eachField(t reflect.Type, outer []int, visit func(f reflect.StructField, tg tag, index []int) error) error {
	for i := range t.NumField() {
		f := t.Field(i)
		index := append(slices.Clone(outer), i)
		tg, err := readTag(f.Tag.Get("vector"))
		if err != nil {
			return fmt.Errorf("field %s: %w", f.Name, err)
		}
		if tg.skip {
			continue
		}
		if f.Anonymous && flattens(f.Type) && tg.name == "" && tg.role == rolePayload {
			if len(tg.options) > 0 {
				return fmt.Errorf("field %s: is embedded and has no name, so options have no place on it", f.Name)
			}
			if err := eachField(f.Type, index, visit); err != nil {
				return err
			}
			continue
		}
		if f.Anonymous && f.Type.Kind() == reflect.Pointer && tg.name == "" {
			return named(f, fmt.Errorf("an embedded pointer needs a name, or embed the struct itself"))
		}
		if !f.IsExported() {
			if f.Tag.Get("vector") != "" {
				return fmt.Errorf("field %s: is tagged and not exported", f.Name)
			}
			continue
		}
		if err := visit(f, tg, index); err != nil {
			return named(f, err)
		}
	}
	return nil
}

// flattens says whether an embedded struct is fields rather than a value of its own.
func flattens(t reflect.Type) bool {
	special := t == timeType || t == geoType || t == idType || t == uuidType || t == sparseType
	return t.Kind() == reflect.Struct && !special && !reflect.PointerTo(t).Implements(marshalerType)
}

// named puts the field before an error of its type: "field Foo (chan int): cannot be stored".
func named(f reflect.StructField, err error) error {
	return fmt.Errorf("field %s (%s): %w", f.Name, f.Type, err)
}
