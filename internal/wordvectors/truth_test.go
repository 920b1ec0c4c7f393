package wordvectors

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func randomData(base, queries int) Data {
	random := rand.New(rand.NewPCG(1, 2))
	set := func(n int) Set {
		s := Set{Words: make([]string, n), Ranks: make([]int, n)}
		for range n {
			vector := make([]float32, 8)
			for i := range vector {
				vector[i] = random.Float32() - 0.5
			}
			s.Vectors = append(s.Vectors, vector)
		}
		return s
	}
	return Data{Base: set(base), Queries: set(queries)}
}

func TestTruthIsComputedOnceForTheSameVectors(t *testing.T) {
	t.Parallel()
	directory, data := t.TempDir(), randomData(300, 210)

	first, err := loadTruth(t.Context(), directory, data, 7)
	require.NoError(t, err)
	second, err := loadTruth(t.Context(), directory, data, 7)
	require.NoError(t, err)

	assert.Equal(t, Nearest(data.Base.Vectors, data.Queries.Vectors, 7, nil), first.Neighbours)
	assert.Equal(t, first.Neighbours, second.Neighbours)
	assert.Positive(t, first.Took)
	assert.Zero(t, second.Took, "the second one was kept")

	data.Base.Vectors[3][0] += 0.25
	other, err := loadTruth(t.Context(), directory, data, 7)
	require.NoError(t, err)
	assert.NotEqual(t, first.Key, other.Key, "other vectors have another key")
	assert.Positive(t, other.Took)
}

func TestABrokenFileOfNeighboursIsComputedAgain(t *testing.T) {
	t.Parallel()
	directory, data := t.TempDir(), randomData(50, 5)
	first, err := loadTruth(t.Context(), directory, data, 3)
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(directory, "*.knn"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	whole, err := os.ReadFile(files[0])
	require.NoError(t, err)

	impossible := append([]byte{}, whole...)
	binary.LittleEndian.PutUint32(impossible[16:], 50)
	for name, content := range map[string][]byte{"cut off": whole[:len(whole)-1], "empty": nil, "a row that is not there": impossible} {
		require.NoError(t, os.WriteFile(files[0], content, 0o600), name)
		again, err := loadTruth(t.Context(), directory, data, 3)
		require.NoError(t, err, name)
		assert.Equal(t, first.Neighbours, again.Neighbours, name)
		assert.Positive(t, again.Took, name)
	}
}

func TestTruthRefuses(t *testing.T) {
	t.Parallel()
	data := randomData(3, 1)
	_, err := loadTruth(t.Context(), t.TempDir(), data, 4)
	require.ErrorContains(t, err, "k must be 1 to 3")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = loadTruth(over, t.TempDir(), data, 2)
	require.ErrorIs(t, err, context.Canceled)
}
