package vectorfile

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A row is 100 numbers, and for formats with columns three of payload.
func BenchmarkRows(b *testing.B) {
	for _, s := range samples(b, vectors(2000, 100)) {
		b.Run(s.name, func(b *testing.B) {
			f, err := s.open(Options{})
			require.NoError(b, err)
			b.ReportAllocs()
			rows := 0
			for b.Loop() {
				for _, err := range f.Rows() {
					if err != nil {
						b.Fatal(err)
					}
					rows++
				}
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
