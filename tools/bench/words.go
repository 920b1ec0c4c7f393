package main

import (
	"context"
	"iter"
	"time"
	"unicode/utf8"

	"github.com/qdrant-shepherd/shepherd/client/vector"
	"github.com/qdrant-shepherd/shepherd/internal/wordvectors"
)

// word is the document of most measurements. Its id is its row in the base.
type word struct {
	ID     uint64    `vector:",id"`
	Vector []float32 `vector:",vector,unnamed,size=100"`
	Word   string    `vector:"word"`
	Letter string    `vector:"letter,index"` // the first one: what filtered searches ask for
	Length int       `vector:"length,index"` // in characters
}

// bare is a word without payload, for comparisons with tools that write none.
type bare struct {
	ID     uint64    `vector:",id"`
	Vector []float32 `vector:",vector,unnamed,size=100"`
}

func wordAt(set wordvectors.Set, row int) word {
	text := set.Words[row]
	return word{ID: uint64(row), Vector: set.Vectors[row], Word: text, Letter: letter(text), Length: utf8.RuneCountInString(text)}
}

func letter(text string) string {
	first, _ := utf8.DecodeRuneInString(text)
	return string(first)
}

// documents yields the first n words of a set.
func documents[T any](set wordvectors.Set, n int, at func(wordvectors.Set, int) T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for row := range n {
			if !yield(at(set, row), nil) {
				return
			}
		}
	}
}

func bareAt(set wordvectors.Set, row int) bare {
	return bare{ID: uint64(row), Vector: set.Vectors[row]}
}

// data is what is loaded, what is searched for, and what should be found.
type data struct {
	base    wordvectors.Set
	queries wordvectors.Set
	truth   [][]wordvectors.Neighbour // the truthDepth nearest to each query
	// filtered are the nearest among the words that begin with the same letter as the query.
	filtered [][]wordvectors.Neighbour
	info     DataInfo
}

// DataInfo describes the vectors of a run.
type DataInfo struct {
	Set      string `json:"set"`
	Points   int    `json:"points"`
	Dim      int    `json:"dimensions"`
	Queries  int    `json:"queries"`
	TruthKey string `json:"truth_sha256"`
	// TruthSeconds is how long the true neighbours took to compute; 0 when they were kept from an earlier run.
	TruthSeconds float64 `json:"truth_seconds"`
}

func loadData(ctx context.Context, points, queries int) (data, error) {
	loaded, err := wordvectors.Load(ctx, points)
	if err != nil {
		return data{}, err
	}
	if queries > 0 {
		loaded.Queries = loaded.Queries.Head(queries)
	}
	truth, err := wordvectors.LoadTruth(ctx, loaded, truthDepth)
	if err != nil {
		return data{}, err
	}
	return newData(loaded, truth), nil
}

func newData(loaded wordvectors.Data, truth wordvectors.Truth) data {
	return data{
		base: loaded.Base, queries: loaded.Queries, truth: truth.Neighbours, filtered: nearestByLetter(loaded),
		info: DataInfo{
			Set: wordvectors.Name, Points: loaded.Base.Len(), Dim: wordvectors.Dim, Queries: loaded.Queries.Len(), TruthKey: truth.Key,
			TruthSeconds: truth.Took.Round(time.Millisecond).Seconds(),
		},
	}
}

// nearestByLetter compares each query with the words of its own letter only. Queries of one letter go together, so that each part of the
// base is put together once.
func nearestByLetter(loaded wordvectors.Data) [][]wordvectors.Neighbour {
	rows := map[string][]int{}
	for row, text := range loaded.Base.Words {
		rows[letter(text)] = append(rows[letter(text)], row)
	}
	queries := map[string][]int{}
	for q, text := range loaded.Queries.Words {
		queries[letter(text)] = append(queries[letter(text)], q)
	}
	found := make([][]wordvectors.Neighbour, loaded.Queries.Len())
	for l, asked := range queries {
		part := at(loaded.Base.Vectors, rows[l])
		nearest := wordvectors.Nearest(part, at(loaded.Queries.Vectors, asked), 2*recallAt, nil)
		for i, q := range asked {
			for n := range nearest[i] {
				nearest[i][n].Row = rows[l][nearest[i][n].Row]
			}
			found[q] = nearest[i]
		}
	}
	return found
}

func at[T any](list []T, places []int) []T {
	chosen := make([]T, len(places))
	for i, place := range places {
		chosen[i] = list[place]
	}
	return chosen
}

// sameLetter is the filter that nearestByLetter answers.
func sameLetter(text string) vector.Filter { return vector.Where("letter").Is(letter(text)) }
