package qdranttest

import (
	"math"

	"github.com/qdrant/go-client/qdrant"
)

// defaultRRFK is the constant of reciprocal rank fusion that the server takes when a request names none.
const defaultRRFK = 2

// fusion makes one list of several.
func fusion(st stage) (func([][]hit) ([]hit, error), error) {
	switch q := st.query.GetVariant().(type) {
	case *qdrant.Query_Rrf:
		k := float32(defaultRRFK)
		if q.Rrf.K != nil {
			k = float32(q.Rrf.GetK())
		}
		return func(sources [][]hit) ([]hit, error) { return rrf(sources, k, q.Rrf.GetWeights()) }, nil
	case *qdrant.Query_Fusion:
		if q.Fusion == qdrant.Fusion_DBSF {
			return dbsf, nil
		}
	}
	return func(sources [][]hit) ([]hit, error) { return rrf(sources, defaultRRFK, nil) }, nil
}

// rrf sums up for each point what its places in the lists are worth.
func rrf(sources [][]hit, k float32, weights []float32) ([]hit, error) {
	if len(weights) > 0 && len(weights) != len(sources) {
		return nil, wrongInput("Validation failed: RRF weights length (%d) does not match number of prefetches (%d)",
			len(weights), len(sources))
	}
	return summed(sources, func(source, place int, _ float32) float32 {
		weight := float32(1)
		if len(weights) > 0 {
			weight = weights[source]
		}
		if weight <= 0 {
			return 0
		}
		return 1 / (float32(place+1)/weight + k - 1)
	}), nil
}

// dbsf sums up for each point its scores, which are brought from three standard deviations around the mean of their list to 0 to 1.
func dbsf(sources [][]hit) ([]hit, error) {
	type scale struct{ low, high float32 }
	scales := make([]scale, len(sources))
	for i, hits := range sources {
		var sum, squares float64
		for _, h := range hits {
			sum += float64(h.score)
		}
		mean := sum / float64(len(hits))
		for _, h := range hits {
			squares += (float64(h.score) - mean) * (float64(h.score) - mean)
		}
		deviation := 0.0
		if len(hits) > 1 {
			deviation = math.Sqrt(squares / float64(len(hits)-1))
		}
		scales[i] = scale{float32(mean - 3*deviation), float32(mean + 3*deviation)}
	}
	return summed(sources, func(source, _ int, score float32) float32 {
		s := scales[source]
		if s.low == s.high {
			return 0.5
		}
		return (score - s.low) / (s.high - s.low)
	}), nil
}

func summed(sources [][]hit, worth func(source, place int, score float32) float32) []hit {
	at := map[pointID]int{}
	var all []hit
	for source, hits := range sources {
		for place, h := range hits {
			if _, seen := at[h.id]; !seen {
				at[h.id] = len(all)
				all = append(all, hit{point: h.point})
			}
			all[at[h.id]].score += worth(source, place, h.score)
		}
	}
	return all
}
