package stat

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Latency sums up how long calls took, in milliseconds.
type Latency struct {
	// N is the number of calls. A percentile of few calls says little: p99 of 100 is the slowest but one.
	N    int     `json:"n"`
	Mean float64 `json:"mean_ms"`
	P50  float64 `json:"p50_ms"`
	P95  float64 `json:"p95_ms"`
	P99  float64 `json:"p99_ms"`
	Max  float64 `json:"max_ms"`
}

// LatencyOf takes times in any order, and leaves the list as it is.
func LatencyOf(times []time.Duration) Latency {
	if len(times) == 0 {
		return Latency{}
	}
	sorted := slices.Sorted(slices.Values(times))
	var sum time.Duration
	for _, t := range sorted {
		sum += t
	}
	return Latency{
		N:    len(sorted),
		Mean: Milliseconds(sum) / float64(len(sorted)),
		P50:  Milliseconds(Percentile(sorted, 50)),
		P95:  Milliseconds(Percentile(sorted, 95)),
		P99:  Milliseconds(Percentile(sorted, 99)),
		Max:  Milliseconds(sorted[len(sorted)-1]),
	}
}

// Percentile picks the smallest of the values that at least p percent do not exceed: the nearest-rank method, which returns only values that
// were measured. The values are sorted, and there is at least one; p is 0 to 100.
func Percentile[T cmp.Ordered](sorted []T, p float64) T {
	rank := int(math.Ceil(p * float64(len(sorted)) / 100))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// Milliseconds is a duration as the tables print it.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
