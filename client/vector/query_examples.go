package vector

import (
	"fmt"

	"github.com/qdrant/go-client/qdrant"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/codec"
)

// Example is a vector in a query, or the id of a point whose vector is meant; LookupFrom says where else such points may be.
type Example struct {
	build func() (*qdrant.VectorInput, error)
}

// ByID is the vector of a point, which the search leaves out of its hits.
func ByID(id ID) Example {
	return Example{func() (*qdrant.VectorInput, error) { return qdrant.NewVectorInputID(id.Proto()), nil }}
}

// ByIDs are the vectors of points, for Recommend.
func ByIDs(ids ...ID) []Example {
	examples := make([]Example, len(ids))
	for i, id := range ids {
		examples[i] = ByID(id)
	}
	return examples
}

// ByVector is a dense vector.
func ByVector(vector []float32) Example {
	return Example{func() (*qdrant.VectorInput, error) {
		if err := checkDense(vector); err != nil {
			return nil, err
		}
		return &qdrant.VectorInput{Variant: &qdrant.VectorInput_Dense{Dense: &qdrant.DenseVector{Data: vector}}}, nil
	}}
}

// BySparse is a sparse vector, whose indices ascend.
func BySparse(vector Sparse) Example {
	return Example{func() (*qdrant.VectorInput, error) {
		if err := vector.Validate(); err != nil {
			return nil, err
		}
		return qdrant.NewVectorInputSparse(vector.Indices, vector.Values), nil
	}}
}

// ByMulti is a multi-vector: one or more vectors of one size.
func ByMulti(vectors [][]float32) Example {
	return Example{func() (*qdrant.VectorInput, error) {
		if len(vectors) == 0 {
			return nil, fmt.Errorf("empty vector")
		}
		for i, v := range vectors {
			if err := checkDense(v); err != nil {
				return nil, fmt.Errorf("vector %d: %w", i, err)
			}
			if len(v) != len(vectors[0]) {
				return nil, fmt.Errorf("vector %d: %d dimensions after %d", i, len(v), len(vectors[0]))
			}
		}
		return qdrant.NewVectorInputMulti(vectors), nil
	}}
}

// ByRaw is an input of the raw API, such as a document for a server that makes vectors itself. It is not checked.
func ByRaw(input *qdrant.VectorInput) Example {
	return Example{func() (*qdrant.VectorInput, error) {
		if input.GetVariant() == nil {
			return nil, fmt.Errorf("nothing in it")
		}
		return input, nil
	}}
}

// input makes the example, of which the error says what it is in the query.
func (e Example) input(what string, numbers ...any) (*qdrant.VectorInput, error) {
	if e.build == nil {
		return nil, invalidf(what+": no vector and no id", numbers...)
	}
	input, err := e.build()
	if err != nil {
		return nil, invalidf(what+": %w", append(numbers, err)...)
	}
	return input, nil
}

func exampleInputs(what string, examples []Example) ([]*qdrant.VectorInput, error) {
	inputs := make([]*qdrant.VectorInput, len(examples))
	for i, example := range examples {
		var err error
		if inputs[i], err = example.input(what+" %d", i); err != nil {
			return nil, err
		}
	}
	return inputs, nil
}

// checkDense says what keeps a vector from being searched for.
func checkDense(vector []float32) error {
	if len(vector) == 0 {
		return fmt.Errorf("empty vector")
	}
	for i, x := range vector {
		if !codec.Finite(x) {
			return fmt.Errorf("%v at position %d", x, i)
		}
	}
	return nil
}

// Strategy is how Recommend makes one score of many examples.
type Strategy int

// The strategies.
const (
	// AverageVector searches for the positive examples' average, moved away from the negative ones' average. It needs a positive one.
	AverageVector Strategy = iota
	// BestScore scores by the example that is nearest, below zero if that is a negative one.
	BestScore
	// SumScores adds the scores against the positive examples and subtracts those against the negative ones.
	SumScores
)

// Recommend is a Query that finds what is like the positive examples and unlike the negative ones.
type Recommend struct {
	Positive, Negative []Example
	Strategy           Strategy
}

func (r Recommend) queryParts(defaults) (*qdrant.Query, []*qdrant.PrefetchQuery, error) {
	strategies := map[Strategy]qdrant.RecommendStrategy{
		AverageVector: qdrant.RecommendStrategy_AverageVector,
		BestScore:     qdrant.RecommendStrategy_BestScore,
		SumScores:     qdrant.RecommendStrategy_SumScores,
	}
	strategy, known := strategies[r.Strategy]
	switch {
	case !known:
		return nil, nil, invalidf("recommend: unknown strategy %d", r.Strategy)
	case len(r.Positive)+len(r.Negative) == 0:
		return nil, nil, invalidf("recommend: no examples")
	case len(r.Positive) == 0 && r.Strategy == AverageVector:
		return nil, nil, invalidf("recommend: an average of no positive examples; BestScore and SumScores do with negative ones")
	}
	positive, err := exampleInputs("recommend: positive example", r.Positive)
	if err != nil {
		return nil, nil, err
	}
	negative, err := exampleInputs("recommend: negative example", r.Negative)
	if err != nil {
		return nil, nil, err
	}
	return qdrant.NewQueryRecommend(&qdrant.RecommendInput{Positive: positive, Negative: negative, Strategy: &strategy}), nil, nil
}

// Pair is two examples, of which hits are to be nearer to the positive one.
type Pair struct{ Positive, Negative Example }

// Discover is a Query that finds what is nearest to the target among that which is on the right side of the most pairs.
type Discover struct {
	Target  Example
	Context []Pair
}

func (q Discover) queryParts(defaults) (*qdrant.Query, []*qdrant.PrefetchQuery, error) {
	target, err := q.Target.input("discover: target")
	if err != nil {
		return nil, nil, err
	}
	pairs, err := contextPairs("discover", q.Context)
	if err != nil {
		return nil, nil, err
	}
	return qdrant.NewQueryDiscover(&qdrant.DiscoverInput{Target: target, Context: pairs}), nil, nil
}

// Context is a Query that finds what is on the right side of all pairs, or not far from it. It needs at least one.
type Context []Pair

func (q Context) queryParts(defaults) (*qdrant.Query, []*qdrant.PrefetchQuery, error) {
	if len(q) == 0 {
		return nil, nil, invalidf("context: no pairs")
	}
	pairs, err := contextPairs("context", q)
	if err != nil {
		return nil, nil, err
	}
	return qdrant.NewQueryContext(pairs), nil, nil
}

func contextPairs(what string, pairs []Pair) (*qdrant.ContextInput, error) {
	context := &qdrant.ContextInput{}
	for i, pair := range pairs {
		positive, err := pair.Positive.input(what+": pair %d: positive", i)
		if err != nil {
			return nil, err
		}
		negative, err := pair.Negative.input(what+": pair %d: negative", i)
		if err != nil {
			return nil, err
		}
		context.Pairs = append(context.Pairs, &qdrant.ContextInputPair{Positive: positive, Negative: negative})
	}
	return context, nil
}

// Judged is an example with the score that somebody who knows better gave it.
type Judged struct {
	Example Example
	Score   float32
}

// Feedback is a Query that goes on from hits of an earlier search that a slower judge has scored. A, B and C are coefficients that are
// trained for the pair of judge and vectors: score = A*similarity + the sum over pairs of judged examples of confidence^B * C *
// difference.
type Feedback struct {
	Target  Example
	Judged  []Judged
	A, B, C float32
}

func (q Feedback) queryParts(defaults) (*qdrant.Query, []*qdrant.PrefetchQuery, error) {
	target, err := q.Target.input("feedback: target")
	if err != nil {
		return nil, nil, err
	}
	switch {
	case !codec.Finite(q.A) || !codec.Finite(q.B) || !codec.Finite(q.C):
		return nil, nil, invalidf("feedback: coefficients %v, %v, %v", q.A, q.B, q.C)
	case q.B < 0:
		return nil, nil, invalidf("feedback: B is %v, less than 0", q.B)
	}
	strategy := qdrant.NewFeedbackStrategyNaive(&qdrant.NaiveFeedbackStrategy{A: q.A, B: q.B, C: q.C})
	input := &qdrant.RelevanceFeedbackInput{Target: target, Strategy: strategy}
	for i, j := range q.Judged {
		example, err := j.Example.input("feedback: example %d", i)
		if err != nil {
			return nil, nil, err
		}
		if !codec.Finite(j.Score) {
			return nil, nil, invalidf("feedback: example %d: %v is no score", i, j.Score)
		}
		input.Feedback = append(input.Feedback, &qdrant.FeedbackItem{Example: example, Score: j.Score})
	}
	return qdrant.NewQueryRelevanceFeedback(input), nil, nil
}
