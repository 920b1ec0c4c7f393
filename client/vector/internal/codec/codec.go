package codec

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"
)

// Codec stores documents of type T as points and reads them back. It is immutable and safe for several goroutines.
type Codec[T any] struct {
	plan *plan
}

// Of reads the tags of T, a struct. It does so once for each type. The error names type and field: "type Article: field Foo (chan
// int): cannot be stored".
func Of[T any]() (*Codec[T], error) {
	p, err := planOf(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	return &Codec[T]{plan: p}, nil
}

// Schema is what the tags say, with the sizes that Sized gave. Its slices are the caller's.
func (c *Codec[T]) Schema() Schema {
	s := c.plan.schema
	s.Vectors, s.Indexes = slices.Clone(s.Vectors), slices.Clone(s.Indexes)
	return s
}

// Sized is the codec with the dimensions of vectors, by name ("" is the unnamed one), for those whose tag does not say them. From
// then on Append refuses other sizes. Names that T does not have matter only to a map tagged vectors; 0 leaves a size open.
func (c *Codec[T]) Sized(sizes map[string]int) *Codec[T] { return &Codec[T]{plan: c.plan.sized(sizes)} }

// Append encodes the document and adds it to the batch. An error is a *FieldError and leaves the batch as it was.
// Nothing of the document is kept. (A loop that passes the address of its own variable makes that variable a new allocation for each
// document; copy it into one variable declared before the loop.)
func (c *Codec[T]) Append(b *Batch, doc *T) error { return c.append(b, doc, c.plan.put) }

// AppendVectors adds the document's id and vectors alone to the batch, for Batch.Vectors. Its payload is not looked at, and a vector that
// is empty is left out whatever its tag says; a document without any is an error. Otherwise it is Append.
func (c *Codec[T]) AppendVectors(b *Batch, doc *T) error {
	return c.append(b, doc, c.plan.putOnlyVectors)
}

func (c *Codec[T]) append(b *Batch, doc *T, put func([]byte, ID, reflect.Value) ([]byte, error)) error {
	v := reflect.ValueOf(doc).Elem()
	id, err := c.plan.identify(v)
	if err != nil {
		return err
	}
	mark := b.begin()
	if b.buf, err = put(b.buf, id, v); err != nil {
		b.abandon(mark)
		return failed(id, err)
	}
	b.finish(mark, id)
	return nil
}

// Decode makes a document of a point; nil payload or vectors are fields that were not asked for. All of *into is overwritten: fields
// that the point does not have become zero, and so do those where it has null. Payload keys that T does not have are ignored
// unless it has a map tagged payload. Dense vectors share the memory of the response. An error is a *FieldError, and then *into is
// only partly written.
func (c *Codec[T]) Decode(id *qdrant.PointId, payload map[string]*qdrant.Value, vectors *qdrant.VectorsOutput, into *T) error {
	key, err := IDFromProto(id)
	if err != nil {
		return &FieldError{NoID: true, Field: "id", Reason: err.Error()}
	}
	v := reflect.ValueOf(into).Elem()
	v.SetZero()
	if err := c.plan.get(key, payload, vectors, v); err != nil {
		return failed(key, err)
	}
	return nil
}

// ID is the document's id. The error is a *FieldError.
func (c *Codec[T]) ID(doc *T) (ID, error) { return c.plan.identify(reflect.ValueOf(doc).Elem()) }

// Partial is a payload of some of the fields, by their names as stored, for Client.SetPayload. Each must be a field of T (or T
// must have a map tagged payload) and its value must be one that Decode could put into the field. Paths are refused, also where a map
// could take them: the server would store one as a name, which filters by that path never find. The error names the field.
func (c *Codec[T]) Partial(fields map[string]any) (map[string]*qdrant.Value, error) {
	values, err := Payload(fields)
	if err != nil {
		return nil, err
	}
	o := c.plan.payload
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := plainName(name); err != nil {
			return nil, fmt.Errorf(
				"%w; a nested field is set with the whole object that it is in, or by SetPayloadPoints.Key of the raw API", err)
		}
		i, known := o.names[name]
		if !known && o.rest == nil {
			return nil, c.plan.unknown(name)
		}
		if !known {
			continue
		}
		s := o.members[i].shape
		if err := s.take(values[name], reflect.New(s.typ).Elem()); err != nil {
			return nil, under(err, name)
		}
	}
	return values, nil
}

// Field says whether a payload path can exist in documents of type T: "lang", "address.city", "items[].price", "items[0].price". The
// error says what is wrong with the path (see CheckPath), or names the nearest one that can exist.
func (c *Codec[T]) Field(path string) error { return c.plan.check(path) }

// Payload is any struct or map as a payload, by the rules of a document's payload fields. Tags id, vector, payload and vectors have no
// place in it. nil is an empty payload.
func Payload(v any) (map[string]*qdrant.Value, error) {
	value, err := Value(v)
	if err != nil {
		return nil, err
	}
	switch kind := value.GetKind().(type) {
	case *qdrant.Value_NullValue:
		return map[string]*qdrant.Value{}, nil
	case *qdrant.Value_StructValue:
		if kind.StructValue.GetFields() == nil {
			return map[string]*qdrant.Value{}, nil
		}
		return kind.StructValue.GetFields(), nil
	default:
		return nil, fmt.Errorf("a payload is a struct or a map, not a %T", v)
	}
}

// Value is any value as a payload value, by the rules of a document's payload fields. The error names the field inside it.
func Value(v any) (*qdrant.Value, error) {
	encoded, err := putAny(nil, v, 0)
	if err != nil {
		return nil, asFault(err)
	}
	value := &qdrant.Value{}
	if err := proto.Unmarshal(encoded, value); err != nil {
		return nil, fmt.Errorf("reading an encoded payload back: %w", err)
	}
	return value, nil
}

// identify is the document's id.
func (p *plan) identify(v reflect.Value) (ID, error) {
	id, err := p.idOf(at(v, p.id))
	if err != nil {
		return ID{}, &FieldError{NoID: true, Field: "id", Reason: err.Error()}
	}
	return id, nil
}
