package wordvectors

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const document = `{"precision":8,"l2NormIndex":3,"words":["the","\"","nal"],
	"vectors":{"the":[3,0,-4,5,0],"\"":[0.5,0,0,0.5,1],"naïve":[1,2,2,3,2]},"unkVector":[0,0,0,0,-1]}`

func converted(t *testing.T, text string, dim int) (string, error) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "words.f32"))
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	return file.Name(), convert(strings.NewReader(text), file, dim)
}

func TestConvert(t *testing.T) {
	t.Parallel()
	path, err := converted(t, document, 3)
	require.NoError(t, err)
	vocabulary, err := open(path)
	require.NoError(t, err)
	defer vocabulary.close()

	set, err := vocabulary.read([]int{2, 0})

	require.NoError(t, err)
	assert.Equal(t, []string{"the", `"`, "naïve"}, vocabulary.words)
	assert.Equal(t, []string{"naïve", "the"}, set.Words)
	assert.Equal(t, []int{2, 0}, set.Ranks)
	assert.InDeltaSlice(t, []float32{1. / 3, 2. / 3, 2. / 3}, set.Vectors[0], 1e-6)
	assert.InDeltaSlice(t, []float32{0.6, 0, -0.8}, set.Vectors[1], 1e-6)
}

func TestConvertRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ document, want string }{
		"an empty document":  {``, "EOF"},
		"another document":   {`{"a":1}`, "it has no vectors"},
		"a list":             {`[1]`, "found ["},
		"a short vector":     {`{"vectors":{"the":[3,4,0]}}`, `vector of "the": 3 numbers instead of 5`},
		"a zero vector":      {`{"vectors":{"the":[0,0,0,0,0]}}`, "no direction"},
		"words out of order": {`{"vectors":{"the":[3,0,-4,5,7]}}`, "its index is 7, but it is number 0"},
		"a cut-off document": {document[:120], "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := converted(t, test.document, 3)
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestABrokenCacheFileIsNamed(t *testing.T) {
	t.Parallel()
	whole, err := converted(t, document, 3)
	require.NoError(t, err)
	content, err := os.ReadFile(whole)
	require.NoError(t, err)
	for name, content := range map[string][]byte{
		"cut off":        content[:len(content)-3],
		"without header": append(make([]byte, headerSize), content[headerSize:]...),
		"empty":          nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "words.f32")
			require.NoError(t, os.WriteFile(path, content, 0o600))
			_, err := open(path)
			require.ErrorContains(t, err, path+" (delete it to have it made again)")
		})
	}
}

func TestTheShuffleIsFixed(t *testing.T) {
	t.Parallel()
	small, queries := shuffled(5000, 100)
	large, sameQueries := shuffled(5000, 4000)

	assert.Equal(t, small, large[:100])
	assert.Equal(t, queries, sameQueries)
	assert.Len(t, queries, Queries)
	assert.Equal(t, []int{2979, 957, 3061}, small[:3], "recall figures would change")
	seen := map[int]bool{}
	for _, row := range slices.Concat(large, queries) {
		assert.False(t, seen[row], "row %d is in both", row)
		seen[row] = true
	}
}

func TestNearestAgreesWithANaiveSearch(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	vectors := func(n, dim int) [][]float32 {
		all := make([][]float32, n)
		for i := range all {
			all[i] = make([]float32, dim)
			for j := range all[i] {
				all[i][j] = float32(random.NormFloat64())
			}
		}
		return all
	}
	for _, test := range []struct{ rows, dim, k int }{{500, 100, 10}, {50, 7, 50}, {5, 3, 10}, {20, 4, 1}, {20, 4, 0}} {
		for _, keep := range []func(int) bool{nil, func(row int) bool { return row%3 == 0 }} {
			base, queries := vectors(test.rows, test.dim), vectors(20, test.dim)

			got := Nearest(base, queries, test.k, keep)

			for q := range queries {
				rows := []int{}
				for _, n := range got[q] {
					rows = append(rows, n.Row)
				}
				require.Equal(t, naive(base, queries[q], test.k, keep), rows, "%+v", test)
			}
		}
	}
}

func TestEquallySimilarRowsComeInOrder(t *testing.T) {
	t.Parallel()
	v := []float32{1, 0}
	got := Nearest([][]float32{{0, 1}, v, v, v}, [][]float32{v}, 3, nil)
	assert.Equal(t, []Neighbour{{1, 1}, {2, 1}, {3, 1}}, got[0])
}

// naive sorts all rows by a product in double precision.
func naive(base [][]float32, query []float32, k int, keep func(int) bool) []int {
	rows := []int{}
	products := make([]float64, len(base))
	for row := range base {
		for i := range query {
			products[row] += float64(base[row][i]) * float64(query[i])
		}
		if keep == nil || keep(row) {
			rows = append(rows, row)
		}
	}
	sort.SliceStable(rows, func(i, j int) bool { return products[rows[i]] > products[rows[j]] })
	return rows[:min(k, len(rows))]
}

func BenchmarkNearest(b *testing.B) {
	base := make([][]float32, 20_000)
	for i := range base {
		base[i] = make([]float32, Dim)
		for j := range base[i] {
			base[i][j] = rand.Float32()
		}
	}
	for b.Loop() {
		Nearest(base, base[:100], 10, nil)
	}
}
