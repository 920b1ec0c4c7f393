package stat_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/qdrant-shepherd/shepherd/internal/stat"
)

func TestSpreadOf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		values []float64
		want   stat.Spread
	}{
		"nothing":   {nil, stat.Spread{}},
		"one":       {[]float64{3}, stat.Spread{Median: 3, Min: 3, Max: 3, N: 1}},
		"odd":       {[]float64{9, 1, 2}, stat.Spread{Median: 2, Min: 1, Max: 9, N: 3}},
		"even":      {[]float64{4, 1, 2, 100}, stat.Spread{Median: 3, Min: 1, Max: 100, N: 4}},
		"all equal": {[]float64{5, 5}, stat.Spread{Median: 5, Min: 5, Max: 5, N: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, c.want, stat.SpreadOf(c.values))
		})
	}
}

func TestSpreadOfLeavesItsValuesAlone(t *testing.T) {
	t.Parallel()
	values := []float64{3, 1, 2}
	stat.SpreadOf(values)
	assert.Equal(t, []float64{3, 1, 2}, values)
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	ten := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for _, c := range []struct {
		sorted []int
		p      float64
		want   int
	}{
		{ten, 0, 1}, {ten, 10, 1}, {ten, 11, 2}, {ten, 50, 5}, {ten, 95, 10}, {ten, 100, 10},
		{[]int{7}, 50, 7}, {[]int{7}, 99, 7}, {[]int{1, 2}, 50, 1}, {[]int{1, 2}, 51, 2},
	} {
		assert.Equal(t, c.want, stat.Percentile(c.sorted, c.p), "p%v of %v", c.p, c.sorted)
	}
}

// Property: at least p percent of the values are not above the percentile, and fewer than p percent are below it.
func TestPercentileSplitsTheValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(0, 100), 1, 200).Draw(t, "values")
		p := rapid.Float64Range(1, 100).Draw(t, "p")
		spread := stat.SpreadOf(values)
		sorted := append([]float64{}, values...)
		for i := range sorted { // insertion sort, to owe nothing to the code under test
			for j := i; j > 0 && sorted[j] < sorted[j-1]; j-- {
				sorted[j], sorted[j-1] = sorted[j-1], sorted[j]
			}
		}
		found := stat.Percentile(sorted, p)
		below, upTo := 0, 0
		for _, v := range values {
			if v < found {
				below++
			}
			if v <= found {
				upTo++
			}
		}
		n := float64(len(values))
		assert.GreaterOrEqual(t, float64(upTo)+1e-9, p*n/100)
		assert.Less(t, float64(below)-1e-9, p*n/100)
		assert.LessOrEqual(t, spread.Min, spread.Median)
		assert.LessOrEqual(t, spread.Median, spread.Max)
	})
}

func TestLatencyOf(t *testing.T) {
	t.Parallel()
	var times []time.Duration
	for i := 100; i > 0; i-- {
		times = append(times, time.Duration(i)*time.Millisecond)
	}
	assert.Equal(t, stat.Latency{N: 100, Mean: 50.5, P50: 50, P95: 95, P99: 99, Max: 100}, stat.LatencyOf(times))
	assert.Equal(t, 100*time.Millisecond, times[0], "the list stays as it was")
	assert.Equal(t, stat.Latency{}, stat.LatencyOf(nil))
}

func TestRatios(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []float64{2, 0.5}, stat.Ratios([]float64{4, 1}, []float64{2, 2}))
	assert.Equal(t, []float64{2}, stat.Ratios([]float64{4, 1, math.NaN()}, []float64{2, 0, 1}), "what cannot be divided is left out")
	assert.Equal(t, []float64{2}, stat.Ratios([]float64{4}, []float64{2, 3}), "a pair that was not finished is left out")
	assert.Empty(t, stat.Ratios(nil, nil))
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	of := stat.SpreadOf
	assert.Equal(t, stat.Pass, stat.AtLeast(of([]float64{1.2, 3, 4}), 2.5))
	assert.Equal(t, stat.Fail, stat.AtLeast(of([]float64{0.9, 3, 4}), 2.5), "a pair that says the opposite")
	assert.Equal(t, stat.Fail, stat.AtLeast(of([]float64{2, 2.4, 9}), 2.5))
	assert.Equal(t, stat.Pass, stat.AtLeast(of([]float64{0.8, 0.97, 1}), 0.97), "a floor below 1 claims no speed-up")
	assert.Equal(t, stat.NotMeasured, stat.AtLeast(stat.Spread{}, 0))
	assert.Equal(t, stat.Pass, stat.AtMost(of([]float64{1, 1.05, 2}), 1.05))
	assert.Equal(t, stat.Fail, stat.AtMost(of([]float64{1.06}), 1.05))
	assert.Equal(t, stat.NotMeasured, stat.AtMost(stat.Spread{}, 1))
}

func TestAVerdictStandsOnlyWithAGoodControl(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		control []float64
		want    stat.Verdict
	}{
		{[]float64{1}, stat.Pass},
		{[]float64{0.9, 1.04, 1.2}, stat.Pass},
		{[]float64{1.06}, stat.Unreliable},
		{[]float64{0.94}, stat.Unreliable},
		{nil, stat.Unreliable},
	} {
		assert.Equal(t, c.want, stat.Judged(stat.Pass, stat.SpreadOf(c.control)), "control %v", c.control)
	}
	assert.Equal(t, stat.NotMeasured, stat.Judged(stat.NotMeasured, stat.Spread{}))
}

func TestRecall(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		found, relevant []int
		similarities    []float32
		want            float64
	}{
		"all":                          {[]int{3, 2, 1}, []int{1, 2, 3, 4}, []float32{.9, .8, .7, .6}, 1},
		"one of three":                 {[]int{9, 2, 8}, []int{1, 2, 3, 4}, []float32{.9, .8, .7, .6}, 1. / 3},
		"the fourth is not wanted":     {[]int{1, 2, 4}, []int{1, 2, 3, 4}, []float32{.9, .8, .7, .6}, 2. / 3},
		"unless it ties":               {[]int{1, 2, 4}, []int{1, 2, 3, 4}, []float32{.9, .8, .7, .7}, 1},
		"ties do not count above all":  {[]int{1, 2, 3, 4}, []int{1, 2, 3, 4}, []float32{.9, .8, .7, .7}, 1},
		"twice the same counts once":   {[]int{1, 1, 1}, []int{1, 2, 3}, []float32{.9, .8, .7}, 1. / 3},
		"fewer exist than are wanted":  {[]int{1}, []int{1, 2}, []float32{.9, .8}, .5},
		"nothing exists, nothing lost": {nil, nil, nil, 1},
		"nothing found":                {nil, []int{1, 2, 3}, []float32{.9, .8, .7}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.InDelta(t, c.want, stat.Recall(c.found, c.relevant, c.similarities, 3), 1e-9)
		})
	}
}

func TestRoundRobinAndOrder(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []string{"a", "b", "c"}, stat.RoundRobin([]string{"a", "b", "c"}, 0))
	assert.Equal(t, []string{"b", "c", "a"}, stat.RoundRobin([]string{"a", "b", "c"}, 4))
	assert.Empty(t, stat.RoundRobin[string](nil, 3))
	assert.True(t, stat.OursFirst(0))
	assert.False(t, stat.OursFirst(1))
}

func TestMean(t *testing.T) {
	t.Parallel()
	assert.InDelta(t, 2, stat.Mean([]float64{1, 3}), 1e-12)
	assert.Zero(t, stat.Mean(nil))
}
