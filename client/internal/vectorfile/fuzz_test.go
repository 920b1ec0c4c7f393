package vectorfile

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// fuzz reads whatever comes: it must end, and what is returned must be fit for a server.
func fuzz(f *testing.F, format Format, name string) {
	for _, rows := range [][][]float32{vectors(1, 1), vectors(4, 3), vectors(20, 2)} {
		for _, s := range samples(f, rows) {
			if s.format == format {
				f.Add(s.content, uint8(0))
				f.Add(s.content[:len(s.content)/2], uint8(2))
			}
		}
	}
	f.Fuzz(func(t *testing.T, content []byte, skip uint8) {
		file, err := sample{name, format, content, true}.open(Options{MaxLine: 1 << 16})
		if err != nil {
			return
		}
		if file.Skip(int64(skip)) != nil {
			return
		}
		read := 0
		for row, err := range file.Rows() {
			if err != nil {
				return
			}
			read++
			require.Len(t, row.Vector, file.Dimension())
			for _, x := range row.Vector {
				require.False(t, math.IsNaN(float64(x)) || math.IsInf(float64(x), 0))
			}
			if read == 10000 {
				return // lines of a packed file may be many
			}
		}
		if file.Len() >= 0 {
			require.Equal(t, file.Len()-int64(skip), int64(read))
		}
	})
}

func FuzzFBin(f *testing.F)      { fuzz(f, FBin, "rows.fbin") }
func FuzzNPY(f *testing.F)       { fuzz(f, NPY, "rows.npy") }
func FuzzJSONLines(f *testing.F) { fuzz(f, JSONLines, "rows.jsonl") }
func FuzzPacked(f *testing.F)    { fuzz(f, JSONLines, "rows.jsonl.gz") }
func FuzzParquet(f *testing.F)   { fuzz(f, Parquet, "rows.parquet") }
