package wink

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMadeUpWords(t *testing.T) {
	t.Parallel()
	data := MadeUp(5000)

	require.Equal(t, 5000, data.Base.Len())
	require.Equal(t, Queries, data.Queries.Len())
	seen := map[string]bool{}
	for _, set := range []Set{data.Base, data.Queries} {
		for i, word := range set.Words {
			require.Falsef(t, seen[word], "%s is there twice", word)
			seen[word] = true
			var sum float64
			for _, x := range set.Vectors[i] {
				sum += float64(x) * float64(x)
			}
			require.InDelta(t, 1, sum, 1e-4, word)
		}
	}
	assert.Equal(t, data, MadeUp(5000), "they are the same each time")
}

// TestMadeUpWordsHaveNeighbours: a word's nearest is near, as with real words, and unlike among vectors drawn at random.
func TestMadeUpWordsHaveNeighbours(t *testing.T) {
	t.Parallel()
	data := MadeUp(1000)
	near := 0
	for _, query := range data.Queries.Vectors[:100] {
		best := float32(-1)
		for _, vector := range data.Base.Vectors {
			var dot float32
			for i := range vector {
				dot += vector[i] * query[i]
			}
			best = max(best, dot)
		}
		if best > 0.6 {
			near++
		}
	}
	assert.Greater(t, near, 95)
}
