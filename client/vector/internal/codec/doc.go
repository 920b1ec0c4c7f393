// Package codec stores Go structs as Qdrant points and reads them back. What a field is and how it is stored is said by its tag,
// `vector:"name,option,…"`:
//
//	type Article struct {
//		ID      vector.ID      `vector:",id"`                              // uint64, string, uuid.UUID and the like will do too
//		Meaning []float32      `vector:",vector,unnamed,size=100"`         // the collection's unnamed vector, compared by cosine
//		Image   []float32      `vector:",vector,size=512,distance=dot"`    // a vector named "image"
//		Tokens  [][]float32    `vector:"colbert,vector,size=128,on_disk"`  // a multi-vector named "colbert"
//		Terms   vector.Sparse  `vector:",vector,idf,omitempty"`            // a sparse vector; documents without terms go without it
//		Title   string         `vector:",index=text,tokenizer=word"`       // payload field "title" with a full text index
//		Lang    string         `vector:"lang,index,tenant"`                // keyword index, as the field is a string
//		Year    int            `vector:",index,principal"`                 // integer index
//		Written time.Time      `vector:",index"`                           // datetime index; payload field "written"
//		Place   *vector.Geo    `vector:",index,omitempty"`                 // geo index; left out when nil
//		Author  Person         // payload field "author": an object; indexes inside it are "author.name"
//		Parts   []Part         // a list of objects; indexes inside them are "parts[].name"
//		Note    string         `vector:"-"`                                // not stored
//		Other   map[string]any `vector:",payload"`                         // every payload field that has no place above
//	}
//
// # Names
//
// The first word of the tag is the name in the collection; without it, it is the Go name in snake_case (CreatedAt is created_at, HTTPCode
// is http_code). "-" alone is not stored. Fields without a tag are payload fields. Unexported fields are left alone, and the
// fields of an embedded struct without a name are taken as if they stood in its place. No name may come twice.
//
// A payload field's name has no dot, bracket, double quote or backslash in it, which are for paths: "author.name", "parts[].price". A name
// of other signs than letters, digits, _ and - goes in double quotes there, as in vector.Where(`"odd name"`).
//
// # Options
//
// Exactly one field of a document is its id: `id`, of type ID, an unsigned or signed integer (not negative), a string that
// ParseID reads, uuid.UUID or [16]byte (not all zero). The id is not repeated in the payload.
//
// A vector is `vector`, of type []float32 (dense), [][]float32 (multi-vector) or Sparse. Options of vectors:
//
//	unnamed                              dense and multi: the collection's unnamed vector
//	size=100                             dense and multi: dimensions; without it any size goes until Sized says one
//	distance=cosine|dot|euclid|manhattan dense and multi; cosine without it
//	datatype=float16|uint8               how the server stores it; float32 without it. Values that would not fit are refused
//	on_disk                              vectors (for sparse ones, their index) are not kept in memory
//	idf                                  sparse: weighed by inverse document frequency
//	hnsw_m=32, hnsw_ef_construct=256     dense and multi: this vector's graph, in place of the collection's
//	omitempty                            an empty vector is left out; without it, it is refused
//
// `vectors` on a map[string]any makes its entries ([]float32, [][]float32 or Sparse) vectors with the keys as names.
//
// All else is payload. Options of payload fields:
//
//	index            an index by the field's type: string keyword, integers integer, floats float, bool bool, time.Time datetime,
//	                 Geo geo, uuid.UUID uuid; slices by their elements, pointers by what they point to
//	index=KIND       keyword, integer, float, bool, datetime, geo, uuid or text, where the type allows for several or tells nothing,
//	                 as an ID does: index=integer for numbers, index=uuid or index=keyword for UUIDs
//	tenant           keyword and uuid indexes: points with one value are stored together
//	principal        integer, float and datetime indexes: the storage is ordered by this field
//	on_disk          the index is not kept in memory
//	tokenizer=NAME   text indexes: word (the default), whitespace, prefix or multilingual
//	phrase           text indexes: phrases can be searched
//	omitempty        left out of the payload where it is zero or has no elements
//
// `payload` on a map[string]any takes every payload field that no other field of the struct stores.
//
// # Payload types
//
//	bool, string (valid UTF-8)          as they are
//	int…, uint… (up to 2^63-1)          integer; time.Duration is its nanoseconds
//	float32, float64 (finite)           double
//	time.Time (years 0 to 9999)         string, RFC 3339 with nanoseconds
//	[]byte                              string, base64
//	Geo                                 object with lat and lon
//	ID                                  integer, or string where it is a UUID or above 2^63-1
//	uuid.UUID, encoding.TextMarshaler   string (a type that is read back must be an encoding.TextUnmarshaler too)
//	slices, arrays                      list; a nil slice is null
//	maps with string keys               object; a nil map is null
//	structs                             object, by their own tags
//	pointers                            null, or what they point to
//	any, json.RawMessage, json.Number   whatever of the above they hold
//
// Anything else is refused when the type is first used. Objects and lists nest at most 30 deep.
//
// Decode is strict: a string where an integer is expected is an error. Only numbers cross over: an integer is read into a float, and a
// double without a fraction into an integer.
package codec
