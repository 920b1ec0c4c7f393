package qdranttest

import (
	"math"

	"github.com/qdrant/go-client/qdrant"
)

// similarity of two vectors that fit the field: the larger the nearer, whatever the distance. The second result is false if there is
// none, which is so for sparse vectors that have no index in common.
func (f vectorField) similarity(asked, stored vector) (float32, bool) {
	switch {
	case f.sparse:
		return asked.sparse.dot(stored.sparse)
	case f.multi:
		// The sum over all rows that are asked for of the best of the stored ones.
		var sum float32
		for _, row := range asked.multi {
			best := float32(math.Inf(-1))
			for _, other := range stored.multi {
				best = max(best, f.dense(row, other))
			}
			sum += best
		}
		return sum, true
	default:
		return f.dense(asked.dense, stored.dense), true
	}
}

func (f vectorField) dense(a, b []float32) float32 {
	var sum float32
	switch f.distance {
	case qdrant.Distance_Euclid:
		for i, x := range a {
			sum -= (x - b[i]) * (x - b[i])
		}
	case qdrant.Distance_Manhattan:
		for i, x := range a {
			sum -= float32(math.Abs(float64(x - b[i])))
		}
	default:
		for i, x := range a {
			sum += x * b[i]
		}
	}
	return sum
}

func (s *sparse) dot(other *sparse) (float32, bool) {
	var sum float32
	met := false
	for i, j := 0, 0; i < len(s.indices) && j < len(other.indices); {
		switch a, b := s.indices[i], other.indices[j]; {
		case a < b:
			i++
		case a > b:
			j++
		default:
			sum += s.values[i] * other.values[j]
			met = true
			i++
			j++
		}
	}
	return sum, met
}

// shown is a similarity as the server shows it: distances are positive, and the nearer the smaller.
func (f vectorField) shown(similarity float32) float32 {
	switch {
	case f.sparse:
		return similarity
	case f.distance == qdrant.Distance_Euclid:
		return float32(math.Sqrt(math.Abs(float64(similarity))))
	case f.distance == qdrant.Distance_Manhattan:
		return float32(math.Abs(float64(similarity)))
	default:
		return similarity
	}
}

// smallerIsNearer says which way shown scores of nearest points go.
func (f vectorField) smallerIsNearer() bool {
	return !f.sparse && (f.distance == qdrant.Distance_Euclid || f.distance == qdrant.Distance_Manhattan)
}
