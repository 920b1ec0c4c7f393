package codec

import (
	"encoding/json"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// equal compares messages and shows them as text where they differ.
func equal(t *testing.T, want, got proto.Message) {
	t.Helper()
	if !proto.Equal(want, got) {
		assert.Equal(t, prototext.Format(want), prototext.Format(got))
		t.Fail()
	}
}

// points are the batch's points, read by go-client's types, which must know every field in them.
func points(t *testing.T, b *Batch) []*qdrant.PointStruct {
	t.Helper()
	points := b.Points()
	require.Len(t, points, b.Len())
	for _, p := range points {
		known(t, p.ProtoReflect())
	}
	return points
}

func known(t *testing.T, m protoreflect.Message) {
	t.Helper()
	require.Empty(t, m.GetUnknown(), "fields that %s does not have", m.Descriptor().Name())
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap() && f.MapValue().Message() != nil:
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool { known(t, v.Message()); return true })
		case f.IsList() && f.Message() != nil:
			for i := range v.List().Len() {
				known(t, v.List().Get(i).Message())
			}
		case f.Message() != nil && !f.IsMap():
			known(t, v.Message())
		}
		return true
	})
}

func fullArticle() article {
	return article{
		ID:      Num(7),
		Meaning: []float32{1, -2, 0.5},
		Image:   []float32{65504, 0},
		Tokens:  [][]float32{{1, 2}, {3, 4}, {5, 6}},
		Terms:   Sparse{Indices: []uint32{0, 300, math.MaxUint32}, Values: []float32{1, 2, 3}},
		Vectors: map[string]any{
			"more": []float32{9}, "rows": [][]float32{{1}, {2}}, "thin": Sparse{Indices: []uint32{4}, Values: []float32{1}},
		},
		Title: strings.Repeat("long title ", 30), Lang: "en", Year: -44, Small: math.MinInt8, Pages: math.MaxInt64, Score: 0.25, Weight: 0.1,
		Open: true, Written: time.Date(2024, 2, 29, 23, 59, 59, 123456789, time.FixedZone("", 3600)),
		Place: &Geo{Lat: -33.5, Lon: 151.25}, Owner: uuid.MustParse(someUUID), Address: netip.MustParseAddr("::1"),
		Raw: json.RawMessage(`{"a": [1, 2.0, null, "x", true]}`), Number: "12", Data: []byte{0, 1, 255},
		Tags: []string{"a", ""}, Matrix: [][]int{{1}, {}, nil}, Pair: [2]bool{true, false}, Counts: map[string]int{"one": 1},
		Author:  person{Name: "Ada"},
		Parts:   []part{{Price: 1, Sub: []part{{Price: 2}}}, {Next: &part{Labels: []string{}}}},
		Pointer: nil,
		Anything: map[string]any{
			"n": nil, "i": 1, "f": 1.5, "t": time.Unix(0, 0).UTC(), "s": []string{"x"}, "p": person{Name: "B"}, "u": uint8(3),
		},
		Related: UUID(uuid.MustParse(someUUID)), Took: time.Second,
		base:   base{CreatedAt: time.Time{}, Revision: 3},
		Note:   "not stored",
		Other:  map[string]any{"extra": "yes", "list": []any{1, "two"}},
		hidden: 1,
	}
}

func str(s string) *qdrant.Value                { return qdrant.NewValueString(s) }
func integers(n int64) *qdrant.Value            { return qdrant.NewValueInt(n) }
func double(x float64) *qdrant.Value            { return qdrant.NewValueDouble(x) }
func null() *qdrant.Value                       { return qdrant.NewValueNull() }
func elements(v ...*qdrant.Value) *qdrant.Value { return qdrant.NewValueFromList(v...) }

type fields = map[string]*qdrant.Value

func fieldsOf(f fields) *qdrant.Value { return qdrant.NewValueFromFields(f) }

func TestAppend(t *testing.T) {
	t.Parallel()
	c, err := Of[article]()
	require.NoError(t, err)
	doc := fullArticle()
	var b Batch
	require.NoError(t, c.Append(&b, &doc))

	equal(t, &qdrant.PointStruct{
		Id: qdrant.NewIDNum(7),
		Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{
			"":        qdrant.NewVectorDense([]float32{1, -2, 0.5}),
			"image":   qdrant.NewVectorDense([]float32{65504, 0}),
			"colbert": qdrant.NewVectorMulti([][]float32{{1, 2}, {3, 4}, {5, 6}}),
			"terms":   qdrant.NewVectorSparse([]uint32{0, 300, math.MaxUint32}, []float32{1, 2, 3}),
			"more":    qdrant.NewVectorDense([]float32{9}),
			"rows":    qdrant.NewVectorMulti([][]float32{{1}, {2}}),
			"thin":    qdrant.NewVectorSparse([]uint32{4}, []float32{1}),
		}),
		Payload: fields{
			"title": str(doc.Title), "lang": str("en"), "year": integers(-44), "small": integers(-128),
			"pages": integers(math.MaxInt64), "score": double(0.25), "weight": double(float64(float32(0.1))),
			"open": qdrant.NewValueBool(true), "written": str("2024-02-29T23:59:59.123456789+01:00"),
			"place": fieldsOf(fields{"lat": double(-33.5), "lon": double(151.25)}),
			"owner": str(someUUID), "address": str("::1"),
			"raw":    fieldsOf(fields{"a": elements(integers(1), double(2), null(), str("x"), qdrant.NewValueBool(true))}),
			"number": integers(12), "data": str("AAH/"), "tags": elements(str("a"), str("")),
			"matrix": elements(elements(integers(1)), elements(), null()),
			"pair":   elements(qdrant.NewValueBool(true), qdrant.NewValueBool(false)),
			"counts": fieldsOf(fields{"one": integers(1)}),
			"author": fieldsOf(fields{"name": str("Ada"), "home": null()}),
			"parts": elements(
				fieldsOf(fields{
					"price": double(1), "labels": null(), "sub": elements(fieldsOf(fields{"price": double(2), "labels": null()})),
				}),
				fieldsOf(fields{"price": double(0), "labels": null(), "next": fieldsOf(fields{"price": double(0), "labels": elements()})}),
			),
			"pointer": null(),
			"anything": fieldsOf(fields{
				"n": null(), "i": integers(1), "f": double(1.5), "t": str("1970-01-01T00:00:00Z"), "s": elements(str("x")),
				"p": fieldsOf(fields{"name": str("B"), "home": null()}), "u": integers(3),
			}),
			"related": str(someUUID), "took": integers(1e9), "created_at": str("0001-01-01T00:00:00Z"), "rev": integers(3),
			"extra": str("yes"), "list": elements(integers(1), str("two")),
		},
	}, points(t, &b)[0])
}

func TestAppendVectors(t *testing.T) {
	t.Parallel()
	c, err := Of[article]()
	require.NoError(t, err)
	var b Batch
	doc := fullArticle()
	doc.Score, doc.Title = math.NaN(), "\xff" // the payload is not looked at
	require.Error(t, c.Append(&b, &doc))
	doc.Meaning, doc.Tokens, doc.Terms = nil, nil, Sparse{} // the first has no omitempty
	doc.Vectors = map[string]any{
		"more": []float32{9}, "a": []float32{}, "b": [][]float32{}, "c": Sparse{}, "d": &Sparse{}, "e": (*Sparse)(nil),
	}
	require.NoError(t, c.AppendVectors(&b, &doc))
	got := points(t, &b)
	assert.Empty(t, got[0].GetPayload())
	want := qdrant.NewVectorsMap(map[string]*qdrant.Vector{
		"image": qdrant.NewVectorDense([]float32{65504, 0}), "more": qdrant.NewVectorDense([]float32{9}),
	})
	equal(t, &qdrant.PointVectors{Id: qdrant.NewIDNum(7), Vectors: want}, b.Vectors()[0])
	assert.Equal(t, []ID{Num(7)}, b.IDs())

	for want, change := range map[string]func(a *article){
		"document 7: vectors: none is given":                    func(a *article) { a.Image, a.Vectors = nil, nil },
		"document 7: unnamed vector: 1 dimensions instead of 3": func(a *article) { a.Meaning = []float32{1} },
		"document 7: colbert[0]: empty vector":                  func(a *article) { a.Tokens = [][]float32{{}} },
		"document 7: terms: 1 indices with 0 values":            func(a *article) { a.Terms.Indices = []uint32{1} },
		"document 7: more: a <nil> is no vector":                func(a *article) { a.Vectors = map[string]any{"more": nil} },
	} {
		bad := doc
		change(&bad)
		require.EqualError(t, c.AppendVectors(&b, &bad), want)
		assert.Equal(t, 1, b.Len())
	}

	plain, err := Of[plainDocument]()
	require.NoError(t, err)
	b.Reset()
	require.EqualError(t, plain.AppendVectors(&b, &plainDocument{ID: 3}), "document 3: vectors: none is given")
	require.NoError(t, plain.AppendVectors(&b, &plainDocument{ID: 3, Vector: []float32{1}}))
	require.Len(t, points(t, &b), 1)
	equal(t, &qdrant.PointVectors{Id: qdrant.NewIDNum(3), Vectors: qdrant.NewVectorsDense([]float32{1})}, b.Vectors()[0])
}

func TestAppendPlainVectors(t *testing.T) {
	t.Parallel()
	t.Run("a sole unnamed vector has go-client's form", func(t *testing.T) {
		c, err := Of[plainDocument]()
		require.NoError(t, err)
		var b Batch
		for _, size := range []int{1, 31, 32, 100, 4096, 20000} { // lengths of one, two and three bytes
			require.NoError(t, c.Append(&b, &plainDocument{ID: math.MaxUint64, Vector: make([]float32, size)}))
			got := points(t, &b)[b.Len()-1]
			equal(t, &qdrant.PointStruct{Id: qdrant.NewIDNum(math.MaxUint64), Vectors: qdrant.NewVectorsDense(make([]float32, size))}, got)
		}
	})
	t.Run("a multi-vector can be it", func(t *testing.T) {
		type rows [][]float32
		type document struct {
			ID string `vector:",id"`
			V  rows   `vector:",vector,unnamed"`
		}
		c, err := Of[document]()
		require.NoError(t, err)
		var b Batch
		require.NoError(t, c.Append(&b, &document{ID: strings.ToUpper(someUUID), V: rows{{1}, {2}}}))
		equal(t, &qdrant.PointStruct{Id: qdrant.NewIDUUID(someUUID), Vectors: qdrant.NewVectorsMulti([][]float32{{1}, {2}})}, points(t, &b)[0])
	})
	t.Run("none is said to be none, as the server refuses points that say nothing", func(t *testing.T) {
		type document struct {
			ID int32     `vector:",id"`
			V  []float32 `vector:",vector,unnamed,omitempty"`
		}
		want := &qdrant.PointStruct{Id: qdrant.NewIDNum(1), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{})}
		c, err := Of[document]()
		require.NoError(t, err)
		var b Batch
		require.NoError(t, c.Append(&b, &document{ID: 1}))
		equal(t, want, points(t, &b)[0])

		bare, err := Of[id]()
		require.NoError(t, err)
		b.Reset()
		require.NoError(t, bare.Append(&b, &id{1}))
		equal(t, want, points(t, &b)[0])
	})
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	c, err := Of[article]()
	require.NoError(t, err)
	inf, nan := float32(math.Inf(-1)), float32(math.NaN())
	var deep any = "bottom"
	for range maxDepth + 1 {
		deep = []any{deep}
	}
	deepNaN := map[string]any{"x": []any{map[string]any{"score": math.NaN()}}}
	cycle := &part{}
	cycle.Next = cycle
	for want, change := range map[string]func(a *article){
		"unnamed vector: 2 dimensions instead of 3":                            func(a *article) { a.Meaning = a.Meaning[:2] },
		"unnamed vector: empty vector":                                         func(a *article) { a.Meaning = nil },
		"unnamed vector[1]: NaN, which no vector can hold":                     func(a *article) { a.Meaning = []float32{1, nan, 1} },
		"unnamed vector[2]: -Inf, which no vector can hold":                    func(a *article) { a.Meaning = []float32{1, 1, inf} },
		"image[0]: 65536, which datatype float16 cannot hold":                  func(a *article) { a.Image[0] = 65536 },
		"colbert[1]: 1 dimensions instead of 2":                                func(a *article) { a.Tokens[1] = []float32{1} },
		"colbert[1]: empty vector":                                             func(a *article) { a.Tokens[1] = nil },
		"colbert[2][1]: NaN, which no vector can hold":                         func(a *article) { a.Tokens[2][1] = nan },
		"terms: 3 indices with 2 values":                                       func(a *article) { a.Terms.Values = a.Terms.Values[:2] },
		"terms: index 0 comes twice":                                           func(a *article) { a.Terms.Indices[1] = 0 },
		"terms: indices do not ascend: 5 comes after 300":                      func(a *article) { a.Terms.Indices[2] = 5 },
		"terms: value NaN at index 300":                                        func(a *article) { a.Terms.Values[1] = nan },
		"more: empty vector":                                                   func(a *article) { a.Vectors["more"] = []float32{} },
		"rows[1]: 2 dimensions instead of 1":                                   func(a *article) { a.Vectors["rows"] = [][]float32{{1}, {1, 2}} },
		"more: a []float64 is no vector":                                       func(a *article) { a.Vectors["more"] = []float64{1} },
		"thin: empty vector":                                                   func(a *article) { a.Vectors["thin"] = Sparse{} },
		"image: stored by a field of the struct and by its map of vectors":     func(a *article) { a.Vectors["image"] = []float32{1, 2} },
		"lang: stored by a field of the struct and by its map of other fields": func(a *article) { a.Other["lang"] = "x" },
		`title: text is not valid UTF-8: "\xff"`:                               func(a *article) { a.Title = "\xff" },
		`a key is not valid UTF-8: "\xfe"`:                                     func(a *article) { a.Other["\xfe"] = 1 },
		"pages: 9223372036854775808 is above 2^63-1":                           func(a *article) { a.Pages = math.MaxInt64 + 1 },
		"score: NaN is no number that a payload can hold":                      func(a *article) { a.Score = math.NaN() },
		"weight: +Inf is no number that a payload can hold":                    func(a *article) { a.Weight = float32(math.Inf(1)) },
		"written: year 10000 is not from 0 to 9999":                            func(a *article) { a.Written = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"place: latitude 91 is not from -90 to 90":                             func(a *article) { a.Place.Lat = 91 },
		"place: longitude NaN is not from -180 to 180":                         func(a *article) { a.Place.Lon = math.NaN() },
		"raw: not valid JSON":                                                  func(a *article) { a.Raw = json.RawMessage(`{"a":`) },
		"raw: not valid JSON: more than one value":                             func(a *article) { a.Raw = json.RawMessage(`1 2`) },
		"raw.a[1]: \"9223372036854775808\" is no integer":                      func(a *article) { a.Raw = json.RawMessage(`{"a":[1,9223372036854775808]}`) },
		"raw: \"1e999\" is no number":                                          func(a *article) { a.Raw = json.RawMessage(`1e999`) },
		`number: "" is no integer`:                                             func(a *article) { a.Number = "" },
		"anything: chan int: cannot be stored":                                 func(a *article) { a.Anything = make(chan int) },
		"anything.x[0].score: NaN is no number":                                func(a *article) { a.Anything = deepNaN },
		"nested deeper than 30 levels":                                         func(a *article) { a.Anything = deep },
		"parts[0].next.next.next.next.next":                                    func(a *article) { a.Parts = []part{*cycle} },
	} {
		if change == nil {
			continue
		}
		t.Run(want, func(t *testing.T) {
			var b Batch
			good := fullArticle()
			require.NoError(t, c.Append(&b, &good))
			size := b.Bytes()

			bad := fullArticle()
			bad.ID = Num(8)
			change(&bad)
			err := c.Append(&b, &bad)
			var fieldErr *FieldError
			require.ErrorAs(t, err, &fieldErr)
			assert.Equal(t, Num(8), fieldErr.ID)
			assert.ErrorContains(t, err, "document 8: ")
			assert.ErrorContains(t, err, want)
			assert.Equal(t, size, b.Bytes(), "a document that is refused leaves nothing behind")
			assert.Equal(t, 1, b.Len())

			require.NoError(t, c.Append(&b, &good))
			got := points(t, &b)
			equal(t, got[0], got[1])
		})
	}
}

func TestAppendRefusesIDs(t *testing.T) {
	t.Parallel()
	type text struct {
		Key string `vector:",id"`
	}
	type signed struct {
		Key int64 `vector:",id"`
	}
	type bytes struct {
		Key uuid.UUID `vector:",id"`
	}
	check := func(err error, want string) {
		t.Helper()
		var fieldErr *FieldError
		require.ErrorAs(t, err, &fieldErr)
		assert.True(t, fieldErr.NoID)
		assert.EqualError(t, err, want)
	}
	var b Batch
	texts, err := Of[text]()
	require.NoError(t, err)
	check(texts.Append(&b, &text{}), "document: id: empty")
	check(texts.Append(&b, &text{"seven"}), `document: id: "seven" is neither a number from 0 to 2^64-1 nor a UUID`)
	integers, err := Of[signed]()
	require.NoError(t, err)
	check(integers.Append(&b, &signed{-1}), "document: id: -1 is negative")
	uuids, err := Of[bytes]()
	require.NoError(t, err)
	check(uuids.Append(&b, &bytes{}), "document: id: not set: the UUID is all zero")
	_, err = uuids.ID(&bytes{})
	check(err, "document: id: not set: the UUID is all zero")
	assert.Zero(t, b.Len())

	id, err := texts.ID(&text{"12"})
	require.NoError(t, err)
	assert.Equal(t, Num(12), id)
}

func TestUint8Vectors(t *testing.T) {
	t.Parallel()
	type document struct {
		ID uint64    `vector:",id"`
		V  []float32 `vector:",vector,datatype=uint8"`
	}
	c, err := Of[document]()
	require.NoError(t, err)
	var b Batch
	require.NoError(t, c.Append(&b, &document{1, []float32{0, 255}}))
	require.EqualError(t, c.Append(&b, &document{2, []float32{0, 256}}), "document 2: v[1]: 256, which datatype uint8 cannot hold")
	require.EqualError(t, c.Append(&b, &document{2, []float32{-1}}), "document 2: v[0]: -1, which datatype uint8 cannot hold")
}

func TestPayload(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		value any
		want  fields
	}{
		"nil":            {nil, fields{}},
		"nil map":        {map[string]any(nil), fields{}},
		"JSON text":      {json.RawMessage(nil), fields{}},
		"empty map":      {map[string]any{}, fields{}},
		"map":            {map[string]any{"a": 1, "b": nil}, fields{"a": integers(1), "b": null()}},
		"typed map":      {map[lang]uint{"a": 1}, fields{"a": integers(1)}},
		"struct":         {person{Name: "Ada"}, fields{"name": str("Ada"), "home": null()}},
		"struct pointer": {&person{Name: "Ada"}, fields{"name": str("Ada"), "home": null()}},
		"JSON":           {json.RawMessage(`{"a":{}}`), fields{"a": fieldsOf(nil)}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Payload(test.value)
			require.NoError(t, err)
			equal(t, &qdrant.Struct{Fields: test.want}, &qdrant.Struct{Fields: got})
			assert.NotNil(t, got)
		})
	}
	_, err := Payload("text")
	require.EqualError(t, err, "a payload is a struct or a map, not a string")
	_, err = Payload(map[string]any{"a": map[string]any{"b": math.NaN()}})
	require.EqualError(t, err, "a.b: NaN is no number that a payload can hold")
	_, err = Value(math.NaN())
	require.EqualError(t, err, "NaN is no number that a payload can hold")
	_, err = Payload(backwards{"no text today"})
	require.EqualError(t, err, "no text today")
	_, err = Payload(func() {})
	require.ErrorContains(t, err, "func(): cannot be stored")
}

func TestValue(t *testing.T) {
	t.Parallel()
	type holder struct {
		ID   ID
		Maps map[string]map[string]any
		UUID uuid.UUID
	}
	for name, test := range map[string]struct {
		value any
		want  *qdrant.Value
	}{
		"id":                {Num(7), integers(7)},
		"id above integers": {Num(math.MaxUint64), str("18446744073709551615")},
		"nil slices": {
			[]any{[]any(nil), []string(nil), []int(nil), map[string]any(nil), map[string]int(nil), []byte(nil)},
			elements(null(), null(), null(), null(), null(), null()),
		},
		"int64": {int64(3), integers(3)},
		"bool":  {true, qdrant.NewValueBool(true)},
		"maps": {
			holder{Maps: map[string]map[string]any{"a": {"b": 1}, "c": nil}},
			fieldsOf(fields{
				"id": integers(0), "uuid": str(uuid.Nil.String()),
				"maps": fieldsOf(fields{"a": fieldsOf(fields{"b": integers(1)}), "c": null()}),
			}),
		},
		"JSON null": {json.RawMessage(nil), null()},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Value(test.value)
			require.NoError(t, err)
			equal(t, test.want, got)
		})
	}
}

func TestVectorsFromAMap(t *testing.T) {
	t.Parallel()
	type document struct {
		ID      uint64         `vector:",id"`
		Vectors map[string]any `vector:",vectors"`
	}
	c, err := Of[document]()
	require.NoError(t, err)
	var b Batch
	require.NoError(t, c.Append(&b, &document{ID: 1, Vectors: map[string]any{
		"": []float32{1}, "s": &Sparse{Indices: []uint32{1}, Values: []float32{2}},
	}}))
	equal(t, qdrant.NewVectorsMap(map[string]*qdrant.Vector{
		"": qdrant.NewVectorDense([]float32{1}), "s": qdrant.NewVectorSparse([]uint32{1}, []float32{2}),
	}), points(t, &b)[0].GetVectors())
	for want, vectors := range map[string]map[string]any{
		"document 1: unnamed vector: empty vector":             {"": [][]float32{}},
		"document 1: s: empty vector":                          {"s": (*Sparse)(nil)},
		"document 1: s: a <nil> is no vector":                  {"s": nil},
		"document 1: \xff: text is not valid UTF-8: \"\\xff\"": {"\xff": []float32{1}},
	} {
		assert.EqualError(t, c.Append(&b, &document{ID: 1, Vectors: vectors}), want)
	}
	assert.Equal(t, 1, b.Len())
}

func TestTimesWithOddZones(t *testing.T) {
	t.Parallel()
	for offset, want := range map[int]string{
		3600:      "1900-01-01T00:00:00+01:00",
		1172:      "1899-12-31T23:40:28Z", // Amsterdam until 1937 was 19 min 32 s ahead
		25 * 3600: "1899-12-30T23:00:00Z",
	} {
		v, err := Value(time.Date(1900, 1, 1, 0, 0, 0, 0, time.FixedZone("", offset)))
		require.NoError(t, err)
		assert.Equal(t, want, v.GetStringValue())
	}
}

func TestSparse(t *testing.T) {
	t.Parallel()
	s := SparseOf(map[uint32]float32{9: 3, 2: 1, 5: 2})
	assert.Equal(t, Sparse{Indices: []uint32{2, 5, 9}, Values: []float32{1, 2, 3}}, s)
	assert.NoError(t, s.Validate())

	mixed := Sparse{Indices: []uint32{9, 2, 5, 2}, Values: []float32{3, 1, 2, 0}}
	assert.Equal(t, Sparse{Indices: []uint32{2, 2, 5, 9}, Values: []float32{1, 0, 2, 3}}, mixed.Sorted())
	assert.EqualError(t, mixed.Sorted().Validate(), "index 2 comes twice")
	assert.Equal(t, []uint32{9, 2, 5, 2}, mixed.Indices, "the original is as it was")
	assert.EqualError(t, Sparse{}.Validate(), "empty vector")
	uneven := Sparse{Indices: []uint32{2, 1}, Values: []float32{1}}
	assert.Equal(t, uneven, uneven.Sorted())
}
