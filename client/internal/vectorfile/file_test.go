package vectorfile

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/vector"
)

type sample struct {
	name    string
	format  Format
	content []byte
	columns bool
}

// samples are the same rows in each format.
func samples(t testing.TB, rows [][]float32) []sample {
	return []sample{
		{"rows.fbin", FBin, fbinOf(rows), false},
		{"rows.npy", NPY, npyOf(rows), false},
		{"rows.jsonl", JSONLines, jsonOf(t, rows), true},
		{"rows.ndjson.gz", JSONLines, packed(t, jsonOf(t, rows)), true},
		{"rows.parquet", Parquet, parquetOf(t, rows), true},
	}
}

func (s sample) open(o Options) (*File, error) {
	return New(bytes.NewReader(s.content), int64(len(s.content)), s.name, s.format, o)
}

// all reads a file to its end or its first error.
func all(f *File) (rows []Row, err error) {
	for row, err := range f.Rows() {
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func read(s sample, o Options) ([]Row, error) {
	f, err := s.open(o)
	if err != nil {
		return nil, err
	}
	return all(f)
}

// expected are the rows that samples have.
func expected(vectors [][]float32, columns bool) []Row {
	rows := make([]Row, len(vectors))
	for i, v := range vectors {
		rows[i] = Row{ID: vector.Num(uint64(i)), Vector: v, identified: true}
		if columns {
			rows[i].Payload = map[string]any{"title": fmt.Sprint("row ", i), "views": int64(10 * i), "tags": []any{"a", "b"}}
		}
	}
	return rows
}

func TestRowsComeBackAsWritten(t *testing.T) {
	want := vectors(10, 5)
	for _, s := range samples(t, want) {
		t.Run(s.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), s.name)
			require.NoError(t, os.WriteFile(path, s.content, 0o600))
			f, err := Open(path, Options{})
			require.NoError(t, err)
			defer func() { require.NoError(t, f.Close()) }()
			assert.Equal(t, s.format, f.Format())
			assert.Equal(t, 5, f.Dimension())
			if s.format == JSONLines {
				assert.EqualValues(t, -1, f.Len())
			} else {
				assert.EqualValues(t, 10, f.Len())
			}
			for range 2 { // Rows starts over
				rows, err := all(f)
				require.NoError(t, err)
				assert.Equal(t, expected(want, s.columns), rows)
				assert.InDelta(t, 1, f.Share(), 0.001)
			}
		})
	}
}

func TestSkip(t *testing.T) {
	want := vectors(10, 5)
	for _, s := range samples(t, want) {
		t.Run(s.name, func(t *testing.T) {
			f, err := s.open(Options{})
			require.NoError(t, err)
			for skip := range int64(11) {
				require.NoError(t, f.Skip(skip))
				rows, err := all(f)
				require.NoError(t, err)
				assert.Equal(t, expected(want, s.columns)[skip:], append([]Row{}, rows...), "after %d rows", skip)
			}
			err = f.Skip(11)
			if err == nil {
				_, err = all(f)
			}
			assert.ErrorContains(t, err, "has 10")
			assert.ErrorContains(t, f.Skip(-1), "skipping -1 rows")
		})
	}
}

func TestLeavingEarly(t *testing.T) {
	for _, s := range samples(t, vectors(10, 5)) {
		f, err := s.open(Options{})
		require.NoError(t, err)
		for row, err := range f.Rows() {
			require.NoError(t, err)
			if row.ID == vector.Num(4) {
				break
			}
		}
		rows, err := all(f)
		require.NoError(t, err)
		assert.Len(t, rows, 10)
	}
}

// A file may end anywhere. What is read of it then must be rows of the whole one, and unless those are lines, there must be an error.
func TestFileCutShortAnywhere(t *testing.T) {
	vectors := vectors(4, 3)
	for _, s := range samples(t, vectors) {
		t.Run(s.name, func(t *testing.T) {
			want := expected(vectors, s.columns)
			for length := range len(s.content) {
				cut := s
				cut.content = s.content[:length]
				rows, err := read(cut, Options{})
				require.LessOrEqual(t, len(rows), len(want))
				for i := range rows {
					require.Equal(t, want[i], rows[i], "cut after %d bytes", length)
				}
				if s.name == "rows.jsonl" {
					whole := bytes.Count(cut.content, []byte("\n"))
					between := length == 0 || cut.content[length-1] == '\n'
					atEnd := s.content[length] == '\n'
					require.Equal(t, between || atEnd, err == nil, "cut after %d bytes: %v", length, err)
					require.True(t, len(rows) == whole || atEnd && len(rows) == whole+1)
					continue
				}
				require.Error(t, err, "cut after %d bytes", length)
			}
		})
	}
}

// What a header claims is compared with the file before memory is taken for it.
func TestClaimsCostNoMemory(t *testing.T) {
	footer := []byte{0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07} // field 2, the schema: a list of 2^31-1 structs
	hostile := []sample{
		{"rows.fbin", FBin, fbin(math.MaxInt32, MaxDimension, nil), false},
		{"rows.npy", NPY, npyFile(1, npyHead("<f8", false, "999999999999, 65536"), nil), false},
		{"header.npy", NPY, []byte("\x93NUMPY\x02\x00\xff\xff\xff\x7f{'desc"), false},
		{"footer.parquet", Parquet, []byte("PAR1....\xff\xff\xff\x7fPAR1"), true},
		{"list.parquet", Parquet, append(append([]byte("PAR1"), footer...), "\x07\x00\x00\x00PAR1"...), true},
	}
	for _, s := range hostile {
		t.Run(s.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := s.open(Options{})
			runtime.ReadMemStats(&after)
			assert.Error(t, err)
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
		})
	}
}

func TestWhatIsRefused(t *testing.T) {
	line := func(lines string) sample { return sample{"rows.jsonl", JSONLines, []byte(lines), true} }
	matrix := func(content []byte) sample { return sample{"rows.fbin", FBin, content, false} }
	array := func(header string, body []byte) sample {
		return sample{"rows.npy", NPY, npyFile(1, header, body), false}
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for name, c := range map[string]struct {
		sample  sample
		options Options
		err     string
	}{
		"fbin: cut in a row":    {matrix(fbinOf(vectors(3, 2))[:27]), Options{}, "opening rows.fbin: the file is cut short: the header claims 3 rows of 2 dimensions, and the file ends after 3 bytes of row 2"},
		"fbin: too long":        {matrix(append(fbinOf(vectors(3, 2)), 1, 2)), Options{}, "opening rows.fbin: 2 bytes follow the 3 rows that the header claims"},
		"fbin: no dimension":    {matrix(fbin(1, 0, nil)), Options{}, "the header claims 0 dimensions: a vector has 1 to 65536"},
		"fbin: negative":        {matrix(fbin(-1, 5, nil)), Options{}, "the header claims -1 rows"},
		"fbin: too wide":        {matrix(fbin(1, 65537, nil)), Options{}, "the header claims 65537 dimensions"},
		"fbin: empty, negative": {matrix(fbin(0, -1, nil)), Options{}, "the header claims -1 dimensions"},
		"fbin: rows after 0":    {matrix(append(fbin(0, 2, nil), 1)), Options{}, "1 bytes follow a header that claims no row"},
		"fbin: no number":       {matrix(fbinOf([][]float32{{1, 2}, {3, nan}})), Options{}, "reading rows.fbin: row 1 (id 1): number 1 of the vector is NaN"},
		"fbin: infinite":        {matrix(fbinOf([][]float32{{inf, 2}})), Options{FirstID: 70}, "row 0 (id 70): number 0 of the vector is -Inf"},
		"fbin: other size":      {matrix(fbinOf(vectors(3, 2))), Options{Dimension: 3}, "opening rows.fbin: 2 dimensions instead of 3"},
		"fbin: ids run out":     {matrix(fbinOf(vectors(3, 2))), Options{FirstID: math.MaxUint64 - 1}, "row 2: its id would be 18446744073709551614 + 2"},
		"npy: Fortran":          {array(npyHead("<f4", true, "2, 2"), make([]byte, 16)), Options{}, "the array is in Fortran order"},
		"npy: one dimension":    {array(npyHead("<f4", false, "4,"), make([]byte, 16)), Options{}, "an array of 1 dimensions is no table"},
		"npy: scalar":           {array(npyHead("<f4", false, ""), make([]byte, 4)), Options{}, "an array of 0 dimensions is no table"},
		"npy: integers":         {array(npyHead("<i8", false, "2, 2"), make([]byte, 32)), Options{}, `numbers of type "<i8"`},
		"npy: records":          {array("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", nil), Options{}, "its header is none of an array of plain numbers"},
		"npy: too long":         {array(npyHead("<f4", false, "2, 2"), make([]byte, 17)), Options{}, "1 bytes follow the 2 rows"},
		"npy: shape too long":   {array(npyHead("<f4", false, "2, 99999999999999999999"), nil), Options{}, "reading the header"},
		"npy: too large":        {array(npyHead("<f8", false, "1, 1"), []byte{0, 0, 0, 0, 0, 0, 0xf0, 0x7e}), Options{}, "row 0 (id 0): number 0 of the vector: 2.7430620343968443e+303 is too large"},
		"npy: version 3":        {sample{"rows.npy", NPY, npyFile(3, "{}", nil), false}, Options{}, "version 3 of npy"},
		"npy: other file":       {sample{"rows.npy", NPY, []byte("PK\x03\x04 and more"), false}, Options{}, "it is no npy file"},

		"lines: ragged":             {line("{\"id\":1,\"vector\":[1,2]}\n\n{\"id\":2,\"vector\":[1]}\n"), Options{}, "reading rows.jsonl: row 1 (id 2): 1 dimensions instead of 2"},
		"lines: no JSON":            {line("{\"id\":1,\"vector\":[1,2]}\n\n{\"id\":2,\n"), Options{}, "row 1: line 3: it is no JSON: unexpected end of JSON input"},
		"lines: NaN":                {line(`{"id":1,"vector":[1,NaN]}`), Options{}, "row 0: line 1: it is no JSON: invalid character 'N'"},
		"lines: a list":             {line(`[1,2]`), Options{}, "line 1: it is no JSON object"},
		"lines: null":               {line(`null`), Options{}, "line 1: it is null"},
		"lines: no id":              {line(`{"vector":[1]}`), Options{}, `line 1: there is no "id" (rows can be numbered instead)`},
		"lines: negative id":        {line(`{"id":-1,"vector":[1]}`), Options{}, `line 1: id: the id "-1" is neither a number nor a UUID`},
		"lines: fraction as id":     {line(`{"id":1.5,"vector":[1]}`), Options{}, `id: the id "1.5" is neither`},
		"lines: word as id":         {line(`{"id":"abc","vector":[1]}`), Options{}, `id: the id "abc" is neither`},
		"lines: empty id":           {line(`{"id":"","vector":[1]}`), Options{NameIDs: true}, `id: the id is empty`},
		"lines: null id":            {line(`{"id":null,"vector":[1]}`), Options{}, `id: it is neither a number nor text`},
		"lines: large id":           {line(`{"id":18446744073709551616,"vector":[1]}`), Options{}, `id: the id "18446744073709551616" is neither`},
		"lines: no vector":          {line(`{"id":1}`), Options{}, `row 0: line 1: there is no "vector"`},
		"lines: empty":              {line(`{"id":1,"vector":[ ]}`), Options{}, "row 0: the vector is empty"},
		"lines: null in vector":     {line(`{"id":1,"vector":[1,null]}`), Options{}, "vector: number 1 of the vector is null"},
		"lines: text in vector":     {line(`{"id":1,"vector":[1,"2"]}`), Options{}, `vector: number 1 of the vector is "2"`},
		"lines: nested vector":      {line(`{"id":1,"vector":[[1,2]]}`), Options{}, `vector: number 0 of the vector is [1`},
		"lines: vector is a word":   {line(`{"id":1,"vector":"x"}`), Options{}, "vector: it is no list of numbers"},
		"lines: large number":       {line(`{"id":1,"vector":[1e39]}`), Options{}, "vector: number 0 of the vector: 1e39 is too large for a 32-bit number"},
		"lines: large integer":      {line(`{"id":1,"vector":[1],"n":{"m":[9223372036854775808]}}`), Options{}, "n: 9223372036854775808 does not fit into a 64-bit integer"},
		"lines: large float":        {line(`{"id":1,"vector":[1],"n":1e999}`), Options{}, "n: 1e999 is too large"},
		"lines: not UTF-8":          {line("{\"id\":1,\"vector\":[1],\"n\":\"\xff\"}"), Options{}, "line 1: it is no valid UTF-8"},
		"lines: too long":           {line("{\"id\":1,\"vector\":[1]}\n{\"id\":2,\"vector\":[1],\"n\":\"0123456789\"}"), Options{MaxLine: 30}, "row 1: line 2: it is longer than 30 bytes"},
		"lines: not packed":         {sample{"rows.jsonl.gz", JSONLines, []byte("{\"id\":1}\n   "), true}, Options{}, "unpacking: gzip: invalid header"},
		"lines: more after packing": {sample{"rows.jsonl.gz", JSONLines, append(packed(t, []byte(`{"id":1,"vector":[1]}`)), "abcdefghijklmnop"...), true}, Options{}, "gzip: invalid header"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read(c.sample, c.options)
			assert.ErrorContains(t, err, c.err)
		})
	}
}

func TestRowErrorsTellTheRow(t *testing.T) {
	s := sample{"rows.jsonl", JSONLines, []byte("{\"id\":8,\"vector\":[1]}\n{\"id\":9,\"vector\":[2]}\n{\"id\":7,\"vector\":3}"), true}
	f, err := s.open(Options{})
	require.NoError(t, err)
	require.NoError(t, f.Skip(1))
	rows, err := all(f)
	assert.Len(t, rows, 1)
	var at *RowError
	require.ErrorAs(t, err, &at)
	assert.EqualValues(t, 2, at.Row, "of the file, wherever reading began")
	assert.Equal(t, "7", at.ID)
}

func TestEmptyFiles(t *testing.T) {
	for _, s := range []sample{
		{"rows.fbin", FBin, fbin(0, 5, nil), false},
		{"rows.npy", NPY, npyFile(1, npyHead("<f4", false, "0, 5"), nil), false},
		{"rows.jsonl", JSONLines, nil, true},
		{"rows.jsonl", JSONLines, []byte("\n \n"), true},
		{"rows.parquet", Parquet, parquetBytes[parquetRow](t, nil, 1), true},
	} {
		for _, o := range []Options{{}, {Dimension: 5}} {
			f, err := s.open(o)
			require.NoError(t, err, s.name)
			assert.Zero(t, f.Dimension(), s.name)
			rows, err := all(f)
			require.NoError(t, err, s.name)
			assert.Empty(t, rows)
		}
	}
}

func TestNumbersOfArrays(t *testing.T) {
	for name, c := range map[string]struct {
		version byte
		descr   string
		body    []byte
	}{
		"float16":                  {1, "<f2", []byte{0x00, 0x3e, 0x00, 0xc0}},
		"float16, big-endian":      {1, ">f2", []byte{0x3e, 0x00, 0xc0, 0x00}},
		"float32":                  {1, "<f4", []byte{0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0}},
		"float32, a longer header": {2, "<f4", []byte{0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0}},
		"float32, big-endian":      {1, ">f4", []byte{0x3f, 0xc0, 0, 0, 0xc0, 0, 0, 0}},
		"float64":                  {1, "<f8", []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0}},
		"float64, big-endian":      {1, ">f8", []byte{0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			s := sample{"rows.npy", NPY, npyFile(c.version, npyHead(c.descr, false, "1, 2"), c.body), false}
			rows, err := read(s, Options{})
			require.NoError(t, err)
			assert.Equal(t, []float32{1.5, -2}, rows[0].Vector)
		})
	}
}

func TestHalf(t *testing.T) {
	for bits, want := range map[uint16]float64{
		0: 0, 0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0400: math.Ldexp(1, -14), 0x0001: math.Ldexp(1, -24), 0x83ff: -math.Ldexp(1023, -24),
		0x3555: 0.333251953125, 0x7c00: math.Inf(1), 0xfc00: math.Inf(-1),
	} {
		assert.Equal(t, math.Float64bits(want), math.Float64bits(float64(half(bits))), "%#x", bits)
	}
	assert.True(t, math.IsNaN(float64(half(0x7e00))))
	assert.True(t, math.Signbit(float64(half(0x8000))))
}

func TestIDs(t *testing.T) {
	lines := sample{"rows.jsonl", JSONLines, []byte(`{"key":"A-1","vector":[1],"id":5}` + "\n" + `{"key":"12","vector":[1],"id":5}`), true}
	rows, err := read(lines, Options{IDColumn: "key", NameIDs: true})
	require.NoError(t, err)
	assert.Equal(t, vector.NameID("A-1"), rows[0].ID)
	assert.Equal(t, map[string]any{"key": "A-1", "id": int64(5)}, rows[0].Payload, "the text is not lost")
	assert.Equal(t, vector.Num(12), rows[1].ID)

	rows, err = read(lines, Options{Number: true, FirstID: 100, Payload: []string{"id"}})
	require.NoError(t, err)
	assert.Equal(t, []vector.ID{vector.Num(100), vector.Num(101)}, []vector.ID{rows[0].ID, rows[1].ID})
	assert.Equal(t, map[string]any{"id": int64(5)}, rows[0].Payload)

	rows, err = read(lines, Options{Payload: []string{}})
	require.NoError(t, err)
	assert.Len(t, rows, 2)
	assert.Empty(t, rows[0].Payload)
}

func TestFormatOf(t *testing.T) {
	for name, want := range map[string]Format{
		"a.fbin": FBin, "dir.npy/A.NPY": NPY, "a.b.jsonl": JSONLines, "a.ndjson": JSONLines, "a.jsonl.gz": JSONLines, "a.parquet": Parquet,
	} {
		got, err := FormatOf(name)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, name := range []string{"a.csv", "fbin", "", "a.fbin.gz", "a.parquet.gz"} {
		_, err := FormatOf(name)
		assert.Error(t, err, name)
	}
	_, err := Open(t.TempDir(), Options{Format: FBin})
	assert.ErrorContains(t, err, "no regular file")
}
