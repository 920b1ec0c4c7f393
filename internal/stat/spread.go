// Package stat holds the arithmetic of the benchmark: percentiles, spreads, ratios of pairs and their verdicts. Nothing in it measures.
package stat

import (
	"math"
	"slices"
)

// Spread is what a figure was over several rounds.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	// N is the number of rounds. 0 means that nothing was measured.
	N int `json:"n"`
}

// SpreadOf takes values in any order. The median of an even number of values is the mean of the middle two.
func SpreadOf(values []float64) Spread {
	n := len(values)
	if n == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	return Spread{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1], N: n}
}

// Ratios divides pair by pair. Both lists have one value a round. A pair whose divisor is 0 or unknown (NaN) is left out: it tells nothing.
func Ratios(numerators, divisors []float64) []float64 {
	ratios := make([]float64, 0, min(len(numerators), len(divisors)))
	for i := range min(len(numerators), len(divisors)) {
		ratio := numerators[i] / divisors[i]
		if !math.IsNaN(ratio) && !math.IsInf(ratio, 0) {
			ratios = append(ratios, ratio)
		}
	}
	return ratios
}
