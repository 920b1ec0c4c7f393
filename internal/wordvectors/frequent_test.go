package wordvectors

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// randomSet has vectors of length one.
func randomSet(n, dim int) Set {
	random := rand.New(rand.NewPCG(1, 2))
	var set Set
	for i := range n {
		vector, sum := make([]float32, dim), 0.
		for j := range vector {
			x := random.NormFloat64()
			vector[j] = float32(x)
			sum += x * x
		}
		for j := range vector {
			vector[j] /= float32(math.Sqrt(sum))
		}
		set.Words, set.Vectors = append(set.Words, fmt.Sprintf("word%d", i)), append(set.Vectors, vector)
	}
	return set
}

// frequentDigest is the SHA-256 of words/frequent.i8. Another file gives other recall figures.
const frequentDigest = "f1c8b7c49fead87237cf86450125cfbae0e27a477319c6884559caee3a5ee3d8"

func TestTheFrequentWordsInTheTree(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256(frequent)
	assert.Equal(t, frequentDigest, hex.EncodeToString(sum[:]))
	data, err := Frequent(MaxFrequent)
	require.NoError(t, err)
	require.Equal(t, MaxFrequent, data.Base.Len())
	require.Equal(t, Queries, data.Queries.Len())
	assert.Equal(t, []string{"the", ",", "."}, data.Base.Words[:3])

	seen, ranks := map[string]bool{}, slices.Concat(data.Base.Ranks, data.Queries.Ranks)
	for i, word := range slices.Concat(data.Base.Words, data.Queries.Words) {
		require.NotEmpty(t, word)
		require.Falsef(t, seen[word], "%q is there twice", word)
		seen[word] = true
		require.Equal(t, i, ranks[i])
	}
	for i, vector := range slices.Concat(data.Base.Vectors, data.Queries.Vectors) {
		require.Len(t, vector, Dim)
		require.InDelta(t, 1, dot(vector, vector), 1e-5, i)
	}
}

func TestFewerFrequentWordsAreTheFirstOnes(t *testing.T) {
	t.Parallel()
	all, err := Frequent(MaxFrequent)
	require.NoError(t, err)
	few, err := Frequent(300)
	require.NoError(t, err)
	assert.Equal(t, Data{Base: all.Base.Head(300), Queries: all.Queries}, few, "the queries are the same for any number")
	for _, n := range []int{0, -1, MaxFrequent + 1} {
		_, err = Frequent(n)
		require.ErrorContains(t, err, "there are 1 to 5000")
	}
}

func TestNeighboursOfFrequentWordsMakeSense(t *testing.T) {
	t.Parallel()
	data, err := Frequent(MaxFrequent)
	require.NoError(t, err)
	for word, wants := range map[string][]string{
		"king":    {"prince", "queen"},
		"coffee":  {"tea", "beer"},
		"germany": {"austria", "switzerland"},
		"music":   {"musical", "pop"},
	} {
		row := slices.Index(data.Base.Words, word)
		require.Positive(t, row, word)
		var found []string
		for _, n := range Nearest(data.Base.Vectors, data.Base.Vectors[row:row+1], 5, nil)[0] {
			found = append(found, data.Base.Words[n.Row])
		}
		assert.Equal(t, word, found[0], "the nearest is the word itself")
		assert.Subset(t, found, wants)
	}
}

func TestRoundedVectorsKeepTheirDirection(t *testing.T) {
	t.Parallel()
	set := randomSet(200, Dim)

	rounded, err := decodeFrequent(encodeFrequent(set), 200, Dim)

	require.NoError(t, err)
	assert.Equal(t, set.Words, rounded.Words)
	for i, vector := range set.Vectors {
		assert.Greater(t, dot(vector, rounded.Vectors[i]), float32(0.99985), "the cosine of one degree is 0.99985")
	}
	first := encodeFrequent(set)
	assert.Equal(t, first, encodeFrequent(set), "the file is always the same")
}

func TestABrokenFileOfFrequentWordsIsRefused(t *testing.T) {
	t.Parallel()
	whole := encodeFrequent(randomSet(3, 4))
	for name, test := range map[string]struct {
		content []byte
		want    string
	}{
		"a file without words":   {whole[:12], "1 words for 3 vectors"},
		"a file without a row":   {whole[:11], "11 bytes do not hold 3 vectors"},
		"a file with more words": {append(slices.Clone(whole), "\nmore"...), "4 words for 3 vectors"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := decodeFrequent(test.content, 3, 4)
			require.ErrorContains(t, err, test.want)
		})
	}
}

// TestOnlyLargeLoadsMayDownload holds the tests that need no network to Frequent: Load may download 118 MB.
func TestOnlyLargeLoadsMayDownload(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	may := map[string]string{
		"tools/bench/words.go": "the benchmark",
		"tests/e2e":            "20,000 vectors and more",
		"tools/gen/main.go":    "it makes the file of frequent words",
	}
	used := map[string]bool{}
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if slices.Contains([]string{".git", "bin", "dist", "artifacts", "testdata"}, entry.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		place, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			selector, ok := node.(*ast.SelectorExpr)
			if !ok || !slices.Contains([]string{"Load", "MakeFrequent"}, selector.Sel.Name) {
				return true
			}
			if of, ok := selector.X.(*ast.Ident); !ok || of.Name != "wordvectors" {
				return true
			}
			for allowed := range may {
				if place == allowed || strings.HasPrefix(place, allowed+"/") {
					used[allowed] = true
					return true
				}
			}
			t.Errorf("%s calls wordvectors.%s, which may download; wordvectors.Frequent needs no network", place, selector.Sel.Name)
			return true
		})
		return nil
	}))
	for allowed := range may {
		assert.Truef(t, used[allowed], "%s calls neither wordvectors.Load nor wordvectors.MakeFrequent", allowed)
	}
}
