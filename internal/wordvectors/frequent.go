package wordvectors

import (
	"bytes"
	"context"
	_ "embed" // words/frequent.i8
	"fmt"
	"math"
	"strings"
)

// MaxFrequent is how many words Frequent has, not counting the queries.
const MaxFrequent = 5000

// frequent holds MaxFrequent+Queries words, the most frequent one first: their
// vectors, each component one signed byte, and then the words, a line each.
//
//go:embed words/frequent.i8
var frequent []byte

// Frequent returns the n most frequent words in order of their frequency, and
// the 1000 words that follow the first 5000 as queries. Neighbours of these mean
// something to a reader, which those of Load seldom do. The words are part of
// the source: they need neither network nor cache.
func Frequent(n int) (Data, error) {
	if n < 1 || n > MaxFrequent {
		return Data{}, fmt.Errorf("reading %d frequent words: there are 1 to %d", n, MaxFrequent)
	}
	set, err := decodeFrequent(frequent, MaxFrequent+Queries, Dim)
	if err != nil {
		return Data{}, fmt.Errorf("reading the frequent words: %w", err)
	}
	return Data{Base: set.Head(n), Queries: set.Tail(MaxFrequent)}, nil
}

// MakeFrequent makes the file that Frequent reads from the whole vocabulary,
// which it may download.
func MakeFrequent(ctx context.Context) ([]byte, error) {
	vocabulary, err := openPublished(ctx)
	if err != nil {
		return nil, err
	}
	defer vocabulary.close()
	rows := make([]int, MaxFrequent+Queries)
	for i := range rows {
		rows[i] = i
	}
	set, err := vocabulary.read(rows)
	if err != nil {
		return nil, err
	}
	return encodeFrequent(set), nil
}

// encodeFrequent scales each vector so that its largest component is ±127, and
// rounds. The scale is not kept, because all vectors have length one.
func encodeFrequent(set Set) []byte {
	var content bytes.Buffer
	for _, vector := range set.Vectors {
		var largest float64
		for _, x := range vector {
			largest = max(largest, math.Abs(float64(x)))
		}
		for _, x := range vector {
			content.WriteByte(byte(int8(math.Round(float64(x) / largest * math.MaxInt8))))
		}
	}
	content.WriteString(strings.Join(set.Words, "\n"))
	return content.Bytes()
}

func decodeFrequent(content []byte, rows, dim int) (Set, error) {
	if len(content) < rows*dim {
		return Set{}, fmt.Errorf("%d bytes do not hold %d vectors", len(content), rows)
	}
	vectors, words := content[:rows*dim], content[rows*dim:]
	set := Set{Words: strings.Split(string(words), "\n"), Ranks: make([]int, rows), Vectors: make([][]float32, rows)}
	if set.Len() != rows {
		return Set{}, fmt.Errorf("there are %d words for %d vectors", set.Len(), rows)
	}
	flat := make([]float32, rows*dim)
	for row := range rows {
		from, to := row*dim, (row+1)*dim
		var sum float64
		for _, b := range vectors[from:to] {
			sum += float64(int8(b)) * float64(int8(b))
		}
		for i, b := range vectors[from:to] {
			flat[from+i] = float32(float64(int8(b)) / math.Sqrt(sum))
		}
		set.Ranks[row], set.Vectors[row] = row, flat[from:to:to]
	}
	return set, nil
}
