package wordvectors

import (
	"runtime"
	"slices"
	"sync"
)

// Neighbour is a row of a base and its similarity to a query.
type Neighbour struct {
	Row        int
	Similarity float32
}

// Nearest finds the k rows of the base that are most similar to each query, by
// comparing all of them, on all processors: what an index is measured against.
// Rows for which keep is false are left out; a nil keep keeps all. The vectors
// must have length one, so that their product is the cosine. Rows that are
// equally similar come in order of their number.
func Nearest(base, queries [][]float32, k int, keep func(row int) bool) [][]Neighbour {
	results := make([][]Neighbour, len(queries))
	next := make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for q := range next {
				results[q] = nearest(base, queries[q], k, keep)
			}
		})
	}
	for q := range queries {
		next <- q
	}
	close(next)
	workers.Wait()
	return results
}

func nearest(base [][]float32, query []float32, k int, keep func(row int) bool) []Neighbour {
	best := make([]Neighbour, 0, k)
	if k == 0 {
		return best
	}
	for row, vector := range base {
		if keep != nil && !keep(row) {
			continue
		}
		similarity := dot(query, vector)
		if len(best) == k {
			if similarity <= best[k-1].Similarity {
				continue
			}
			best = best[:k-1]
		}
		// k is small and insertions are rare after the first rows, so a sorted
		// list beats a heap.
		place, _ := slices.BinarySearchFunc(best, similarity, func(n Neighbour, s float32) int {
			if n.Similarity >= s {
				return -1
			}
			return 1
		})
		best = slices.Insert(best, place, Neighbour{Row: row, Similarity: similarity})
	}
	return best
}

// dot keeps four sums, so that the processor need not wait for each addition.
func dot(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3
}
