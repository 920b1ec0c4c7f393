package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qdrant-shepherd/shepherd/internal/stat"
)

func TestTheLadderFindsWhatHolds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		capacity float64 // rates up to this one hold
		tried    []float64
		highest  float64
	}{
		"the promise and no more":  {1200, []float64{1000, 2000}, 1000},
		"far more":                 {1e9, []float64{1000, 2000, 4000, 8000}, 8000},
		"somewhat more":            {2500, []float64{1000, 2000, 4000}, 2000},
		"half":                     {700, []float64{1000, 500}, 500},
		"nothing":                  {1, []float64{1000, 500, 250, 125}, 0},
		"the last rung just holds": {125, []float64{1000, 500, 250, 125}, 125},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var steps []step
			var rates []float64
			for {
				rate, more := nextRate(1000, steps)
				if !more {
					break
				}
				rates = append(rates, rate)
				steps = append(steps, step{Rate: rate, Holds: rate <= c.capacity})
			}
			assert.Equal(t, c.tried, rates)
			assert.InDelta(t, c.highest, highest(steps), 0)
		})
	}
}

func TestHolds(t *testing.T) {
	t.Parallel()
	good := step{Rate: 100, Achieved: 99, Latency: stat.Latency{N: 100, P95: 9.9}}
	assert.True(t, holds(good, 10))
	slow, failed, nothing := good, good, step{Rate: 100, Achieved: 100}
	slow.Latency.P95, failed.Failed = 10, 1
	assert.False(t, holds(slow, 10), "at the limit is not below it")
	assert.False(t, holds(failed, 10))
	assert.False(t, holds(nothing, 10))
}
