package qdranttest

import (
	"cmp"
	"math"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func (e *examples) recommend(q *qdrant.RecommendInput) (scorer, error) {
	positive, err := e.all(q.GetPositive())
	if err != nil {
		return nil, err
	}
	negative, err := e.all(q.GetNegative())
	if err != nil {
		return nil, err
	}
	if q.GetStrategy() == qdrant.RecommendStrategy_AverageVector {
		target, err := e.field.target(positive, negative)
		if err != nil {
			return nil, err
		}
		return e.near(target), nil
	}
	if len(positive)+len(negative) == 0 {
		return nil, badRequest("At least one positive or negative vector ID required with this strategy")
	}
	for _, list := range [][]vector{positive, negative} {
		for i, v := range list {
			if list[i], err = e.field.fit(v); err != nil {
				return nil, err
			}
		}
	}
	fold := sumScores
	if q.GetStrategy() == qdrant.RecommendStrategy_BestScore {
		fold = bestScore
	}
	return func(stored vector) (float32, bool) {
		return fold(e.similarities(positive, stored), e.similarities(negative, stored)), true
	}, nil
}

func (e *examples) similarities(to []vector, stored vector) []float32 {
	all := make([]float32, 0, len(to))
	for _, v := range to {
		similarity, _ := e.field.similarity(v, stored)
		all = append(all, similarity)
	}
	return all
}

func sumScores(positive, negative []float32) float32 {
	var sum float32
	for _, s := range positive {
		sum += s
	}
	for _, s := range negative {
		sum -= s
	}
	return sum
}

// bestScore takes the most similar of all examples, and counts it against the point if that is a negative one.
func bestScore(positive, negative []float32) float32 {
	best := func(all []float32) float32 {
		most := float32(math.Inf(-1))
		for _, s := range all {
			most = max(most, s)
		}
		return most
	}
	if p, n := best(positive), best(negative); p > n {
		return sigmoid(p)
	} else {
		return -sigmoid(n)
	}
}

// softsign is a curve from -1 to 1 that is cheap to compute; sigmoid is the same from 0 to 1.
func softsign(x float32) float32 { return x / (1 + float32(math.Abs(float64(x)))) }
func sigmoid(x float32) float32  { return (softsign(x) + 1) / 2 }

// target is the average of the positive examples, as far on the other side of it as the average of the negative ones is on this side.
func (f vectorField) target(positive, negative []vector) (vector, error) {
	if len(positive) == 0 {
		return vector{}, wrongInput("Positive vectors should not be empty with `average` strategy")
	}
	switch {
	case f.sparse:
		return sparseTarget(positive, negative)
	case f.multi:
		target := vector{multi: [][]float32{}}
		for _, v := range positive {
			target.multi = append(target.multi, v.rows()...)
		}
		for _, v := range negative {
			for _, row := range v.rows() {
				opposite := make([]float32, len(row))
				for i, x := range row {
					opposite[i] = -x
				}
				target.multi = append(target.multi, opposite)
			}
		}
		return f.fit(target)
	}
	average, err := f.average(positive)
	if err != nil {
		return vector{}, err
	}
	if len(negative) == 0 {
		return f.fit(vector{dense: average})
	}
	against, err := f.average(negative)
	if err != nil {
		return vector{}, err
	}
	for i := range average {
		average[i] += average[i] - against[i]
	}
	return f.fit(vector{dense: average})
}

func (v vector) rows() [][]float32 {
	if v.multi != nil {
		return v.multi
	}
	return [][]float32{v.dense}
}

func (f vectorField) average(vectors []vector) ([]float32, error) {
	sum := make([]float32, f.size)
	for _, v := range vectors {
		if v.sparse != nil || v.multi != nil {
			return nil, wrongInput("Can't average vectors with different types")
		}
		if len(v.dense) != f.size {
			return nil, wrongInput("Vector dimension error: expected dim: %d, got %d", f.size, len(v.dense))
		}
		for i, x := range v.dense {
			sum[i] += x
		}
	}
	for i := range sum {
		sum[i] /= float32(len(vectors))
	}
	return sum, nil
}

func sparseTarget(positive, negative []vector) (vector, error) {
	sum := map[uint32]float32{}
	add := func(vectors []vector, weight float32) error {
		for _, v := range vectors {
			if v.sparse == nil {
				return wrongInput("Can't average vectors with different types")
			}
			for i, index := range v.sparse.indices {
				sum[index] += v.sparse.values[i] * weight / float32(len(vectors))
			}
		}
		return nil
	}
	weight := float32(1)
	if len(negative) > 0 {
		weight = 2
	}
	err := cmp.Or(add(positive, weight), add(negative, -1))
	var indices []uint32
	var values []float32
	for index, value := range sum {
		indices, values = append(indices, index), append(values, value)
	}
	return vector{sparse: newSparse(indices, values)}, err
}

// pair is two examples that divide the space: what is nearer to the first is wanted.
type pair struct{ positive, negative vector }

func (e *examples) pairs(context *qdrant.ContextInput) ([]pair, error) {
	var pairs []pair
	for _, p := range context.GetPairs() {
		positive, err := e.required(p.GetPositive())
		if err != nil {
			return nil, err
		}
		negative, err := e.required(p.GetNegative())
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, pair{positive, negative})
	}
	return pairs, nil
}

// sides are the similarities of a vector to both examples of a pair.
func (e *examples) sides(p pair, stored vector) (positive, negative float32) {
	positive, _ = e.field.similarity(p.positive, stored)
	negative, _ = e.field.similarity(p.negative, stored)
	return positive, negative
}

// discover goes by the number of pairs on whose right side a point is, and then by how near it is to the target.
func (e *examples) discover(q *qdrant.DiscoverInput) (scorer, error) {
	if q.GetTarget() == nil {
		return nil, status.Error(codes.InvalidArgument, "DiscoverInput target is missing")
	}
	target, err := e.required(q.GetTarget())
	if err != nil {
		return nil, err
	}
	pairs, err := e.pairs(q.GetContext())
	return func(stored vector) (float32, bool) {
		rank := 0
		for _, p := range pairs {
			rank += cmp.Compare(e.sides(p, stored))
		}
		similarity, _ := e.field.similarity(target, stored)
		return float32(rank) + sigmoid(similarity), true
	}, err
}

// context is 0 for points that are on the right side of all pairs, and the less the farther they are on the wrong one.
func (e *examples) context(q *qdrant.ContextInput) (scorer, error) {
	pairs, err := e.pairs(q)
	return func(stored vector) (float32, bool) {
		var loss float32
		for _, p := range pairs {
			positive, negative := e.sides(p, stored)
			loss += softsign(min(positive-negative-epsilon, 0))
		}
		return loss, true
	}, err
}
