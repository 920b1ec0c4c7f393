package codec

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

// record is a document of types that come back as they went.
type record struct {
	ID      ID             `vector:",id"`
	Dense   []float32      `vector:",vector,unnamed"`
	Multi   [][]float32    `vector:",vector,size=2,omitempty"`
	Sparse  Sparse         `vector:",vector,omitempty"`
	Vectors map[string]any `vector:",vectors"`
	Text    string
	Int     int64
	Small   int8
	Uint    uint64
	Float   float64
	Single  float32
	Bool    bool
	Time    time.Time
	Maybe   *Geo
	List    []string
	Data    []byte
	Map     map[string]int
	Nested  []record2 `vector:",omitempty"`
	Any     any
	Other   map[string]any `vector:",payload"`
}

type record2 struct {
	Name string
	More *record2
	List [][]bool
}

func drawRecord(t *rapid.T) record {
	floats := rapid.Float32Range(-math.MaxFloat32, math.MaxFloat32)
	finite := rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64)
	r := record{
		ID:     Num(rapid.Uint64().Draw(t, "id")),
		Dense:  rapid.SliceOfN(floats, 1, 300).Draw(t, "dense"),
		Multi:  rapid.SliceOfN(rapid.SliceOfN(floats, 2, 2), 0, 70).Draw(t, "multi"),
		Sparse: SparseOf(rapid.MapOfN(rapid.Uint32(), floats, 0, 70).Draw(t, "sparse")),
		Text:   rapid.String().Draw(t, "text"),
		Int:    rapid.Int64().Draw(t, "int"),
		Small:  rapid.Int8().Draw(t, "small"),
		Uint:   rapid.Uint64Max(math.MaxInt64).Draw(t, "uint"),
		Float:  finite.Draw(t, "float"),
		Single: floats.Draw(t, "single"),
		Bool:   rapid.Bool().Draw(t, "bool"),
		Time:   time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "seconds"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).UTC(),
		List:   rapid.OneOf(rapid.Just([]string(nil)), rapid.SliceOf(rapid.String())).Draw(t, "list"),
		Data:   rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOf(rapid.Byte())).Draw(t, "data"),
		Map:    rapid.OneOf(rapid.Just(map[string]int(nil)), rapid.MapOf(rapid.String(), rapid.Int())).Draw(t, "map"),
		Any:    drawAny(finite, 3).Draw(t, "any"),
	}
	if rapid.Bool().Draw(t, "has a UUID") {
		r.ID = NameID(r.Text)
	}
	if rapid.Bool().Draw(t, "has a place") {
		r.Maybe = &Geo{Lat: rapid.Float64Range(-90, 90).Draw(t, "lat"), Lon: rapid.Float64Range(-180, 180).Draw(t, "lon")}
	}
	if len(r.Multi) == 0 {
		r.Multi = nil
	}
	if len(r.Sparse.Indices) == 0 {
		r.Sparse = Sparse{}
	}
	for range rapid.IntRange(0, 3).Draw(t, "nested") {
		r.Nested = append(r.Nested, record2{Name: strings.Repeat("x", rapid.IntRange(0, 20000).Draw(t, "length")), More: &record2{}})
	}
	r.Vectors = map[string]any{}
	for _, name := range rapid.SliceOfDistinct(rapid.String(), rapid.ID).Draw(t, "vectors") {
		if name != "" && name != "multi" && name != "sparse" {
			r.Vectors[name] = rapid.SliceOfN(floats, 1, 40).Draw(t, "more")
		}
	}
	if len(r.Vectors) == 0 {
		r.Vectors = nil
	}
	r.Other = map[string]any{"rest": drawAny(finite, 2).Draw(t, "rest")}
	return r
}

// drawAny draws what Any gives back.
func drawAny(finite *rapid.Generator[float64], depth int) *rapid.Generator[any] {
	kinds := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.String().AsAny(), rapid.Int64().AsAny(), finite.AsAny(), rapid.Bool().AsAny(),
	}
	if depth > 0 {
		inner := drawAny(finite, depth-1)
		kinds = append(kinds, rapid.SliceOfN(inner, 0, 4).AsAny(), rapid.MapOfN(rapid.String(), inner, 0, 4).AsAny())
	}
	return rapid.OneOf(kinds...)
}

// roundTrip is the law: a document that is stored and read back is the same document.
func roundTrip(t *rapid.T) {
	c, err := Of[record]()
	require.NoError(t, err)
	doc := drawRecord(t)
	var b Batch
	require.NoError(t, c.Append(&b, &doc))
	require.Equal(t, proto.Size(&qdrant.UpsertPoints{Points: b.Points()}), b.Bytes())

	wire, err := proto.Marshal(b.Points()[0].GetVectors())
	require.NoError(t, err)
	vectors := &qdrant.VectorsOutput{}
	require.NoError(t, proto.Unmarshal(wire, vectors))
	var back record
	require.NoError(t, c.Decode(b.Points()[0].GetId(), b.Points()[0].GetPayload(), vectors, &back))
	require.Equal(t, doc, back)
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, roundTrip)
}

func FuzzRoundTrip(f *testing.F) { f.Fuzz(rapid.MakeFuzz(roundTrip)) }

// FuzzDecode gives Decode whatever a server could send. What it takes, it must be able to store again, but for what only a server that
// breaks its own rules can send: numbers that are not finite, places off the earth, empty or mixed vectors.
func FuzzDecode(f *testing.F) {
	c, err := Of[article]()
	require.NoError(f, err)
	doc := fullArticle()
	var b Batch
	require.NoError(f, c.Append(&b, &doc))
	seed, err := proto.Marshal(answered(f, b.Points()[0]))
	require.NoError(f, err)
	f.Add(seed)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, wire []byte) {
		var p qdrant.RetrievedPoint
		if proto.Unmarshal(wire, &p) != nil {
			return
		}
		var doc article
		if err := c.Decode(p.GetId(), p.GetPayload(), p.GetVectors(), &doc); err != nil {
			var fieldErr *FieldError
			require.ErrorAs(t, err, &fieldErr)
			return
		}
		var again Batch
		if err := c.Append(&again, &doc); err != nil {
			var fieldErr *FieldError
			require.ErrorAs(t, err, &fieldErr)
			return
		}
		require.Len(t, again.Points(), 1)
	})
}

// FuzzField looks for paths and tags that the readers cannot cope with.
func FuzzField(f *testing.F) {
	for _, path := range []string{"title", "parts[].price", `counts."a.b"`, "tags[", "a..b", ",vector,size=3", "x,index=text"} {
		f.Add(path)
	}
	c, err := Of[record]()
	require.NoError(f, err)
	open, err := Of[struct {
		ID  uint64         `vector:",id"`
		Any map[string]any `vector:",payload"`
	}]()
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		parts, err := steps(text)
		if err == nil {
			require.NotEmpty(t, parts)
			require.False(t, parts[0].element)
		}
		require.Equal(t, err == nil, CheckPath(text) == nil)
		require.Equal(t, err == nil, open.Field(text) == nil)
		_ = c.Field(text)
		if tg, err := readTag(text); err == nil && !tg.skip {
			require.Contains(t, allowed, tg.role)
		}
		if id, err := ParseID(text); err == nil {
			again, err := ParseID(id.String())
			require.NoError(t, err)
			require.Equal(t, id, again)
		}
	})
}
