package wink

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
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

func TestFrequentWordsComeInOrder(t *testing.T) {
	t.Parallel()
	base, queries := inOrder(5000, 3)
	assert.Equal(t, []int{0, 1, 2}, base)
	assert.Equal(t, 3, queries[0])
	assert.Len(t, queries, Queries)
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

func TestRegistry(t *testing.T) {
	t.Setenv("npm_config_registry", "")
	t.Setenv("NPM_CONFIG_REGISTRY", "https://mirror.example/npm/")
	assert.Equal(t, "https://mirror.example/npm", registry(t.Context()))

	t.Setenv("NPM_CONFIG_REGISTRY", "")
	t.Setenv("PATH", t.TempDir())
	assert.Empty(t, registry(t.Context()), "without npm")

	npm := filepath.Join(t.TempDir(), "npm")
	require.NoError(t, os.WriteFile(npm, []byte("#!/bin/sh\necho https://of-npm.example/\n"), 0o755))
	t.Setenv("PATH", filepath.Dir(npm))
	assert.Equal(t, "https://of-npm.example", registry(t.Context()))
}

func TestADownloadWithAnotherDigestIsRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/"+name+"/-/"+name+"-"+version+".tgz" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte("something else"))
	}))
	t.Cleanup(server.Close)
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("HOME", cache)
	t.Setenv(tarballVariable, "")
	t.Setenv("npm_config_registry", server.URL)

	_, err := Load(t.Context(), 10)

	require.ErrorContains(t, err, "not "+digest)
	require.ErrorContains(t, err, tarballVariable)
	left, err := filepath.Glob(filepath.Join(cache, "*", "*"))
	require.NoError(t, err)
	assert.Empty(t, left, "nothing stays behind")

	t.Setenv("npm_config_registry", server.URL+"/elsewhere")
	_, err = Load(t.Context(), 10)
	require.ErrorContains(t, err, "404")

	t.Setenv(tarballVariable, filepath.Join(cache, "missing.tgz"))
	_, err = Load(t.Context(), 10)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestADownloadHasAnEnd(t *testing.T) {
	t.Parallel()
	var kept bytes.Buffer
	endless := strings.NewReader(strings.Repeat("x", 1000))
	require.ErrorContains(t, verify(endless, &kept, 100), "more than 100 bytes")
	assert.Less(t, kept.Len(), 110)
	require.ErrorContains(t, verify(strings.NewReader(strings.Repeat("x", 100)), io.Discard, 100), "SHA-256")
}

func TestConvertingIsInterrupted(t *testing.T) {
	t.Parallel()
	tarball := filepath.Join(t.TempDir(), "words.tgz")
	var content bytes.Buffer
	packed := gzip.NewWriter(&content)
	archive := tar.NewWriter(packed)
	require.NoError(t, archive.WriteHeader(&tar.Header{Name: "package/" + name + ".json", Size: int64(len(document)), Mode: 0o600}))
	_, err := archive.Write([]byte(document))
	require.NoError(t, errors.Join(err, archive.Close(), packed.Close()))
	require.NoError(t, os.WriteFile(tarball, content.Bytes(), 0o600))
	to, err := os.Create(filepath.Join(t.TempDir(), "words.f32"))
	require.NoError(t, err)
	defer func() { _ = to.Close() }()

	require.ErrorContains(t, convertTarball(t.Context(), tarball, to), "numbers instead of 102", "it is read to its vectors")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, convertTarball(over, tarball, to), context.Canceled)
}

// TestLoad reads the real thing. It is skipped where that would mean a download,
// so that a plain test run needs no registry for this package.
func TestLoad(t *testing.T) {
	t.Parallel()
	offline, cancel := context.WithCancel(t.Context())
	cancel()
	data, err := Load(offline, 2000)
	if errors.Is(err, context.Canceled) {
		t.Skip("SKIP: the vectors are not in the cache; `go run ./tests/smoke -fetch` downloads them (118 MB)")
	}
	require.NoError(t, err)
	assert.Equal(t, 2000, data.Base.Len())
	assert.Equal(t, Queries, data.Queries.Len())
	for i, vector := range data.Base.Vectors {
		var sum float64
		for _, x := range vector {
			sum += float64(x) * float64(x)
		}
		require.InDelta(t, 1, math.Sqrt(sum), 1e-5, data.Base.Words[i])
	}

	frequent, err := LoadFrequent(t.Context(), 5000)
	require.NoError(t, err)
	require.Equal(t, "the", frequent.Base.Words[0])
	king := slices.Index(frequent.Base.Words, "king")
	require.Positive(t, king)
	neighbours := Nearest(frequent.Base.Vectors, [][]float32{frequent.Base.Vectors[king]}, 4, nil)[0]
	words := []string{}
	for _, n := range neighbours {
		words = append(words, frequent.Base.Words[n.Row])
	}
	assert.Equal(t, "king", words[0])
	assert.Contains(t, words, "prince")

	_, err = Load(t.Context(), 341_479)
	require.EqualError(t, err, "loading 341479 words: there are 1 to 340479")
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
