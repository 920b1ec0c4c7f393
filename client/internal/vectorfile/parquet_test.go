package vectorfile

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/vector"
)

func parquetSample[T any](t testing.TB, rows ...T) sample {
	return sample{"rows.parquet", Parquet, parquetBytes(t, rows, 2), true}
}

func pointer[T any](x T) *T { return &x }

func TestParquetPayload(t *testing.T) {
	type row struct {
		Key     uuid.UUID `parquet:"key,uuid"`
		Vector  []float64 `parquet:"embedding"` // repeated, without the levels of a list
		Name    *string   `parquet:"name,optional"`
		Small   uint32    `parquet:"small"`
		Large   uint64    `parquet:"large"`
		Yes     bool      `parquet:"yes"`
		Weight  float32   `parquet:"weight"`
		Written time.Time `parquet:"written,timestamp(microsecond)"`
		Day     int32     `parquet:"day,date"`
		Scores  []int64   `parquet:"scores,optional,list"`
		More    string    `parquet:"more,json"`
	}
	key := uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
	at := time.Date(1969, 7, 20, 20, 17, 40, 123456000, time.UTC)
	s := parquetSample(t,
		row{key, []float64{1, 2}, pointer("n"), 4294967295, 1 << 62, true, 0.5, at, -165, []int64{1, -2}, `{"a":[1,2.5]}`},
		row{uuid.UUID{15: 1}, []float64{3, 4}, nil, 0, 0, false, 0, time.Unix(0, 0), 0, []int64{}, `null`},
	)
	rows, err := read(s, Options{IDColumn: "key", VectorColumn: "embedding"})
	require.NoError(t, err)
	require.Len(t, rows, 2)
	assert.Equal(t, vector.UUID(key), rows[0].ID)
	assert.Equal(t, []float32{1, 2}, rows[0].Vector)
	assert.Equal(t, map[string]any{
		"name": "n", "small": int64(4294967295), "large": int64(1 << 62), "yes": true, "weight": 0.5, "written": "1969-07-20T20:17:40.123456Z",
		"day": "1969-07-20", "scores": []any{int64(1), int64(-2)}, "more": map[string]any{"a": []any{int64(1), 2.5}},
	}, rows[0].Payload)
	assert.NotContains(t, rows[1].Payload, "name", "null is left out")
	assert.Equal(t, "1970-01-01T00:00:00Z", rows[1].Payload["written"])
}

func TestParquetIDs(t *testing.T) {
	type named struct {
		ID     string    `parquet:"id"`
		Vector []float32 `parquet:"vector,list"`
	}
	rows, err := read(parquetSample(t, named{"7", []float32{1}}, named{"x", []float32{2}}), Options{NameIDs: true})
	require.NoError(t, err)
	assert.Equal(t, vector.Num(7), rows[0].ID)
	assert.Equal(t, vector.NameID("x"), rows[1].ID)
	assert.Equal(t, map[string]any{"id": "x"}, rows[1].Payload)

	type unsigned struct {
		ID     uint64    `parquet:"id"`
		Vector []float32 `parquet:"vector,list"`
	}
	rows, err = read(parquetSample(t, unsigned{1<<64 - 1, []float32{1}}), Options{})
	require.NoError(t, err)
	assert.Equal(t, vector.Num(1<<64-1), rows[0].ID)
}

func TestParquetRefuses(t *testing.T) {
	type plain struct {
		ID     int64     `parquet:"id"`
		Vector []float32 `parquet:"vector,list"`
	}
	type optional struct {
		ID     *int64     `parquet:"id,optional"`
		Vector []*float32 `parquet:"vector,optional,list"`
		Large  *uint64    `parquet:"large,optional"`
		Score  *float64   `parquet:"score,optional"`
		Bytes  []byte     `parquet:"bytes,optional"`
	}
	type nested struct {
		ID     int64                  `parquet:"id"`
		Vector []float32              `parquet:"vector,list"`
		In     struct{ A, B []int32 } `parquet:"in"`
	}
	type old struct {
		ID     int64            `parquet:"id"`
		Vector []float32        `parquet:"vector,list"`
		At     deprecated.Int96 `parquet:"at"`
	}
	type decimal struct {
		ID     int64     `parquet:"id"`
		Vector []float32 `parquet:"vector,list"`
		Price  int64     `parquet:"price,decimal(2:10)"`
	}
	type noList struct {
		ID     int64   `parquet:"id"`
		Vector float32 `parquet:"vector"`
	}
	type wholeNumbers struct {
		ID     int64   `parquet:"id"`
		Vector []int32 `parquet:"vector,list"`
	}
	one := pointer(float32(1))
	nan := float32(0)
	nan /= nan
	for name, c := range map[string]struct {
		sample  sample
		options Options
		err     string
	}{
		"ragged":          {parquetSample(t, plain{1, []float32{1, 2}}, plain{2, []float32{1, 2}}, plain{3, []float32{1}}), Options{}, "reading rows.parquet: row 2 (id 3): 1 dimensions instead of 2"},
		"no number":       {parquetSample(t, plain{1, []float32{1, 2}}, plain{2, []float32{1, nan}}), Options{}, "row 1 (id 2): number 1 of the vector is NaN"},
		"empty":           {parquetSample(t, plain{1, nil}), Options{}, "row 0: the vector is empty"},
		"negative id":     {parquetSample(t, plain{-1, []float32{1}}), Options{}, "id: -1 is negative"},
		"null id":         {parquetSample(t, optional{nil, []*float32{one}, nil, nil, nil}), Options{}, "id: it is null"},
		"null in vector":  {parquetSample(t, optional{pointer(int64(1)), []*float32{one, nil}, nil, nil, nil}), Options{}, "vector: number 1 of the vector is null"},
		"large integer":   {parquetSample(t, optional{pointer(int64(1)), []*float32{one}, pointer(uint64(1 << 63)), nil, nil}), Options{}, "large: 9223372036854775808 does not fit"},
		"no score":        {parquetSample(t, optional{pointer(int64(1)), []*float32{one}, nil, pointer(float64(nan)), nil}), Options{}, "score: it is NaN"},
		"bytes":           {parquetSample(t, optional{pointer(int64(1)), []*float32{one}, nil, nil, []byte{0xff}}), Options{}, "bytes: it is no valid UTF-8"},
		"struct":          {parquetSample(t, nested{ID: 1, Vector: []float32{1}}), Options{}, "column in: it is a struct or a map"},
		"old timestamps":  {parquetSample(t, old{ID: 1, Vector: []float32{1}}), Options{}, "column at: values of type INT96 cannot be payload"},
		"decimal":         {parquetSample(t, decimal{ID: 1, Vector: []float32{1}}), Options{}, "column price: values of type DECIMAL(10,2) cannot be payload"},
		"no list":         {parquetSample(t, noList{1, 1}), Options{}, "column vector is no list of numbers"},
		"whole numbers":   {parquetSample(t, wholeNumbers{1, []int32{1}}), Options{}, "column vector is no list of numbers"},
		"no id column":    {parquetSample(t, plain{1, []float32{1}}), Options{IDColumn: "key"}, "there is no column key (rows can be numbered instead); the file has id, vector"},
		"no vectors":      {parquetSample(t, plain{1, []float32{1}}), Options{VectorColumn: "embedding"}, "there is no column embedding; the file has id, vector"},
		"another file":    {sample{"rows.parquet", Parquet, []byte("id,vector\n1,2\n"), true}, Options{}, "it is no parquet file"},
		"bytes follow it": {sample{"rows.parquet", Parquet, append(parquetOf(t, vectors(1, 1)), 0), true}, Options{}, "the file is cut short, or bytes follow it"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read(c.sample, c.options)
			assert.ErrorContains(t, err, c.err)
		})
	}
	_, err := read(parquetSample(t, nested{ID: 1, Vector: []float32{1}}), Options{Payload: []string{}})
	assert.NoError(t, err, "a column that cannot be read may be left out")
}

// Every codec that writers use, and pages of both versions.
func TestParquetCodecs(t *testing.T) {
	rows := make([]parquetRow, 300)
	for i, v := range vectors(len(rows), 40) {
		rows[i] = parquetRow{ID: int64(i), Vector: v, Title: "the same", Tags: []string{}}
	}
	for name, option := range map[string]parquet.WriterOption{
		"plain": parquet.Compression(&parquet.Uncompressed), "snappy": parquet.Compression(&parquet.Snappy), "gzip": parquet.Compression(&parquet.Gzip),
		"zstd": parquet.Compression(&parquet.Zstd), "lz4": parquet.Compression(&parquet.Lz4Raw), "brotli": parquet.Compression(&parquet.Brotli),
	} {
		for version := 1; version <= 2; version++ {
			content := parquetBytes(t, rows, 100, option, parquet.DataPageVersion(version), parquet.PageBufferSize(1000))
			got, err := read(sample{"rows.parquet", Parquet, content, true}, Options{})
			require.NoError(t, err, "%s, version %d", name, version)
			require.Len(t, got, len(rows))
			assert.Equal(t, rows[299].Vector, got[299].Vector)
			assert.Equal(t, map[string]any{"title": "the same", "views": int64(0), "tags": []any{}}, got[299].Payload)
		}
	}
}

// Any byte of a file may be another: that ends in an error or in as many rows as there are said to be, never in a panic, nor in memory without end.
func TestParquetChangedAnywhere(t *testing.T) {
	whole := parquetOf(t, vectors(4, 3))
	read := 0
	for at := range whole {
		for _, change := range []byte{0x01, 0x80, 0xff} {
			content := append([]byte{}, whole...)
			content[at] ^= change
			f, err := sample{"rows.parquet", Parquet, content, true}.open(Options{})
			if err != nil {
				continue
			}
			if rows, err := all(f); err == nil {
				require.Len(t, rows, int(f.Len()), "byte %d", at)
				read++
			}
		}
	}
	assert.Positive(t, read, "text in a payload may be another text")
}
