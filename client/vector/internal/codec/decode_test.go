package codec

import (
	"encoding"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
)

// answered is what the server answers with for a point that was sent: the vectors' messages differ in name alone.
func answered(t testing.TB, p *qdrant.PointStruct) *qdrant.RetrievedPoint {
	t.Helper()
	wire, err := proto.Marshal(p.GetVectors())
	require.NoError(t, err)
	vectors := &qdrant.VectorsOutput{}
	require.NoError(t, proto.Unmarshal(wire, vectors))
	return &qdrant.RetrievedPoint{Id: p.GetId(), Payload: p.GetPayload(), Vectors: vectors}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	c, err := Of[article]()
	require.NoError(t, err)
	doc := fullArticle()
	var b Batch
	require.NoError(t, c.Append(&b, &doc))
	p := answered(t, b.Points()[0])

	want := doc
	want.Note, want.hidden = "", 0
	want.Anything = Any(p.Payload["anything"])
	want.Raw = []byte(`{"a":[1,2,null,"x",true]}`)
	want.Other = map[string]any{"extra": "yes", "list": []any{int64(1), "two"}}
	got := article{Note: "left over", hidden: 5, Open: true}
	require.NoError(t, c.Decode(p.Id, p.Payload, p.Vectors, &got))
	assert.True(t, want.Written.Equal(got.Written), "%s and %s", want.Written, got.Written)
	got.Written = want.Written // the same instant, in a zone of another address
	assert.Equal(t, want, got)

	t.Run("overwrites what was there", func(t *testing.T) {
		require.NoError(t, c.Decode(qdrant.NewIDNum(8), nil, nil, &got))
		assert.Equal(t, article{ID: Num(8)}, got)
	})
	t.Run("reads null as zero", func(t *testing.T) {
		payload := fields{"title": null(), "year": {}, "place": null(), "tags": nil, "address": null(), "other": null()}
		require.NoError(t, c.Decode(qdrant.NewIDNum(8), payload, nil, &got))
		assert.Equal(t, article{ID: Num(8), Other: map[string]any{"other": nil}}, got)
	})
}

// backwards can be written and not read.
type backwards struct{ text string }

func (b backwards) MarshalText() ([]byte, error) { return []byte(b.text), errors.New(b.text) }

var _ encoding.TextMarshaler = backwards{}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	type document struct {
		ID      uint64      `vector:",id"`
		Dense   []float32   `vector:",vector,unnamed"`
		Multi   [][]float32 `vector:",vector"`
		Sparse  Sparse      `vector:",vector"`
		Year    int
		Byte    uint8
		Short   int16
		Float   float32
		Text    string
		Bool    bool
		When    time.Time
		Place   Geo
		Related ID
		Data    []byte
		List    []int
		Pair    [2]int
		Map     map[string]bool
		Object  person
		Objects []person
		Anys    map[string]any
		Text2   *backwards
	}
	c, err := Of[document]()
	require.NoError(t, err)
	for _, test := range []struct {
		field string
		value *qdrant.Value
		want  string
	}{
		{"year", str("x"), "year: string instead of integer"},
		{"year", double(1.5), "year: 1.5 instead of an integer"},
		{"year", double(math.NaN()), "year: NaN instead of an integer"},
		{"year", double(1 << 63), "year: 9.223372036854776e+18 instead of an integer"},
		{"byte", integers(256), "byte: 256 does not fit into uint8"},
		{"byte", integers(-1), "byte: -1 does not fit into uint8"},
		{"byte", qdrant.NewValueBool(true), "byte: bool instead of integer"},
		{"short", integers(40000), "short: 40000 does not fit into int16"},
		{"float", double(1e300), "float: 1e+300 does not fit into float32"},
		{"float", str("1"), "float: string instead of number"},
		{"text", integers(1), "text: integer instead of string"},
		{"bool", integers(1), "bool: integer instead of bool"},
		{"when", integers(1), "when: integer instead of date and time"},
		{"when", str("yesterday"), `when: "yesterday" is no date and time`},
		{"place", elements(), "place: list instead of place with lat and lon"},
		{"place", fieldsOf(fields{"lon": double(1)}), "place: a place without lat"},
		{"place", fieldsOf(fields{"lat": str("1"), "lon": double(1)}), "place.lat: string instead of number"},
		{"related", str("x"), `related: "x" is neither`},
		{"related", integers(-1), "related: -1 is no id"},
		{"related", elements(), "related: list instead of id"},
		{"data", integers(1), "data: integer instead of bytes in base64"},
		{"data", str("?"), `data: "?" is no base64`},
		{"list", str("x"), "list: string instead of list"},
		{"list", elements(integers(1), str("x")), "list[1]: string instead of integer"},
		{"pair", elements(integers(1)), "pair: a list of 1 instead of 2"},
		{"map", elements(), "map: list instead of object"},
		{"map", fieldsOf(fields{"a": double(1)}), "map.a: double instead of bool"},
		{"object", str("x"), "object: string instead of object"},
		{"object", fieldsOf(fields{"name": elements()}), "object.name: list instead of string"},
		{"objects", elements(fieldsOf(fields{"name": elements()})), "objects[0].name: list instead of string"},
		{"anys", str("x"), "anys: string instead of object"},
		{"text2", integers(1), "text2: integer instead of string"},
		{"text2", str("x"), "text2: codec.backwards is no encoding.TextUnmarshaler"},
	} {
		var into document
		err := c.Decode(qdrant.NewIDNum(7), fields{test.field: test.value}, nil, &into)
		var fieldErr *FieldError
		require.ErrorAs(t, err, &fieldErr, test.want)
		assert.Equal(t, Num(7), fieldErr.ID)
		assert.ErrorContains(t, err, "document 7: "+test.want)
	}

	dense := &qdrant.VectorOutput{Vector: &qdrant.VectorOutput_Dense{Dense: &qdrant.DenseVector{Data: []float32{1}}}}
	sparse := &qdrant.VectorOutput{Vector: &qdrant.VectorOutput_Sparse{Sparse: &qdrant.SparseVector{}}}
	multi := &qdrant.VectorOutput{Vector: &qdrant.VectorOutput_MultiDense{MultiDense: &qdrant.MultiDenseVector{}}}
	for _, test := range []struct {
		name   string
		vector *qdrant.VectorOutput
		want   string
	}{
		{"", sparse, "unnamed vector: sparse vector instead of a dense one"},
		{"", nil, "unnamed vector: no vector instead of a dense one"},
		{"multi", dense, "multi: dense vector instead of a multi-vector"},
		{"sparse", multi, "sparse: multi vector instead of a sparse one"},
	} {
		var into document
		err := c.Decode(qdrant.NewIDNum(7), nil, namedVectors(test.name, test.vector), &into)
		assert.EqualError(t, err, "document 7: "+test.want)
	}
	var into document
	assert.NoError(t, c.Decode(qdrant.NewIDNum(7), nil, namedVectors("unknown", dense), &into))
	assert.NoError(t, c.Decode(qdrant.NewIDNum(7), nil, unnamedVector(dense), &into))
	assert.Equal(t, []float32{1}, into.Dense)

	assert.EqualError(t, c.Decode(nil, nil, nil, &into), "document: id: missing")
	assert.EqualError(t, c.Decode(qdrant.NewIDUUID(someUUID), nil, nil, &into),
		"document "+someUUID+": id: a UUID instead of a number")

	full, err := Of[article]()
	require.NoError(t, err)
	err = full.Decode(qdrant.NewIDNum(7), nil, namedVectors("more", &qdrant.VectorOutput{}), &article{})
	assert.EqualError(t, err, "document 7: more: no vector in the answer")
}

func namedVectors(name string, v *qdrant.VectorOutput) *qdrant.VectorsOutput {
	return &qdrant.VectorsOutput{VectorsOptions: &qdrant.VectorsOutput_Vectors{
		Vectors: &qdrant.NamedVectorsOutput{Vectors: map[string]*qdrant.VectorOutput{name: v}},
	}}
}

func unnamedVector(v *qdrant.VectorOutput) *qdrant.VectorsOutput {
	return &qdrant.VectorsOutput{VectorsOptions: &qdrant.VectorsOutput_Vector{Vector: v}}
}

func TestDecodeIDs(t *testing.T) {
	t.Parallel()
	type small struct {
		Key uint8 `vector:",id"`
	}
	type signed struct {
		Key int64 `vector:",id"`
	}
	type text struct {
		Key string `vector:",id"`
	}
	type bytes struct {
		Key [16]byte `vector:",id"`
	}
	smalls, err := Of[small]()
	require.NoError(t, err)
	assert.EqualError(t, smalls.Decode(qdrant.NewIDNum(256), nil, nil, &small{}), "document 256: id: 256 does not fit into uint8")
	signeds, err := Of[signed]()
	require.NoError(t, err)
	assert.ErrorContains(t, signeds.Decode(qdrant.NewIDNum(1<<63), nil, nil, &signed{}), "does not fit into int64")
	var s signed
	require.NoError(t, signeds.Decode(qdrant.NewIDNum(1<<63-1), nil, nil, &s))
	assert.EqualValues(t, math.MaxInt64, s.Key)
	texts, err := Of[text]()
	require.NoError(t, err)
	var x text
	require.NoError(t, texts.Decode(qdrant.NewIDUUID(someUUID), nil, nil, &x))
	assert.Equal(t, someUUID, x.Key)
	uuids, err := Of[bytes]()
	require.NoError(t, err)
	var u bytes
	require.NoError(t, uuids.Decode(qdrant.NewIDUUID(someUUID), nil, nil, &u))
	back, err := uuids.ID(&u)
	require.NoError(t, err)
	assert.Equal(t, someUUID, back.String())
	assert.EqualError(t, uuids.Decode(qdrant.NewIDNum(1), nil, nil, &u), "document 1: id: a number instead of a UUID")
}

func TestDecodeNumbersThatCrossOver(t *testing.T) {
	t.Parallel()
	type document struct {
		ID    uint64 `vector:",id"`
		Int   int
		Uint  uint
		Float float32
	}
	c, err := Of[document]()
	require.NoError(t, err)
	var got document
	payload := fields{"int": double(-3), "uint": double(3), "float": integers(3)}
	require.NoError(t, c.Decode(qdrant.NewIDNum(1), payload, nil, &got))
	assert.Equal(t, document{ID: 1, Int: -3, Uint: 3, Float: 3}, got)
}

func TestDecodeTimesThatOthersStored(t *testing.T) {
	t.Parallel()
	type document struct {
		ID   uint64 `vector:",id"`
		When time.Time
	}
	c, err := Of[document]()
	require.NoError(t, err)
	minute := time.Date(2024, 2, 29, 13, 14, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2024-02-29T13:14:00Z":         minute,
		"2024-02-29T13:14:00.25+00:00": minute.Add(time.Second / 4),
		"2024-02-29 14:14:00+01:00":    minute,
		"2024-02-29T14:14:00+0100":     minute,
		"2024-02-29 14:14:00.5+0100":   minute.Add(time.Second / 2),
		"2024-02-29T13:14:00.5":        minute.Add(time.Second / 2),
		"2024-02-29 13:14:00":          minute,
		"2024-02-29T13:14":             minute,
		"2024-02-29 13:14":             minute,
		"2024-02-29":                   minute.Truncate(24 * time.Hour),
	} {
		var got document
		require.NoError(t, c.Decode(qdrant.NewIDNum(1), fields{"when": str(text)}, nil, &got), text)
		assert.True(t, want.Equal(got.When), "%s is %s", text, got.When)
	}
}

func TestDecodeJSONNumbers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		value *qdrant.Value
		want  string
	}{{integers(3), "3"}, {double(3), "3.0"}, {double(0.5), "0.5"}, {double(1e300), "1e+300"}} {
		c, err := Of[article]()
		require.NoError(t, err)
		var a article
		require.NoError(t, c.Decode(qdrant.NewIDNum(1), fields{"number": test.value}, nil, &a))
		assert.Equal(t, test.want, a.Number.String())
		again, err := Value(a.Number)
		require.NoError(t, err)
		equal(t, test.value, again)
	}
	c, err := Of[article]()
	require.NoError(t, err)
	err = c.Decode(qdrant.NewIDNum(1), fields{"number": str("3")}, nil, &article{})
	assert.EqualError(t, err, "document 1: number: string instead of number")
	err = c.Decode(qdrant.NewIDNum(1), fields{"raw": double(math.NaN())}, nil, &article{})
	assert.ErrorContains(t, err, "document 1: raw: json: unsupported value: NaN")
}

func TestAnyValue(t *testing.T) {
	t.Parallel()
	v, err := Value(map[string]any{"a": []any{1, 2.5, "x", true, nil}})
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"a": []any{int64(1), 2.5, "x", true, nil}}, Any(v))
	assert.Nil(t, Any(nil))
}
