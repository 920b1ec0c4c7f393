package vector

import "github.com/qdrant-shepherd/shepherd/client/vector/internal/codec"

// ID is a point's id: an unsigned number or a UUID. It is comparable, and its zero value is the number 0.
type ID = codec.ID

// Sparse is a vector of which only the entries that are not zero are kept: Values[i] is the entry at Indices[i].
type Sparse = codec.Sparse

// Geo is a place on earth in degrees.
type Geo = codec.Geo

// Num is the id of a number.
func Num(n uint64) ID { return codec.Num(n) }

// UUID is the id of a UUID, such as a uuid.UUID of github.com/google/uuid.
func UUID(uuid [16]byte) ID { return codec.UUID(uuid) }

// ParseID reads an id from text: a number or a UUID.
func ParseID(text string) (ID, error) { return codec.ParseID(text) }

// NameID is the id for a name of any form, such as a URL or a primary key: always the same UUID (version 5) for the same name.
func NameID(name string) ID { return codec.NameID(name) }

// Point is a document without a type of its own, for programs that do not know what is in a collection: the default vector, other vectors
// by their names ([]float32, [][]float32 or Sparse), and the payload as JSON has it.
type Point struct {
	ID      ID             `vector:",id"`
	Vector  []float32      `vector:",vector,unnamed,omitempty"`
	Vectors map[string]any `vector:",vectors"`
	Payload map[string]any `vector:",payload"`
}

// SparseOf is the sparse vector with those entries by their indices.
func SparseOf(entries map[uint32]float32) Sparse { return codec.SparseOf(entries) }
