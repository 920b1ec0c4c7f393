package workload

import (
	"math"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/internal/stat"
	"github.com/qdrant-shepherd/shepherd/internal/wordvectors"
)

func scored(pairs ...float32) []*qdrant.ScoredPoint {
	var points []*qdrant.ScoredPoint
	for i := 0; i < len(pairs); i += 2 {
		points = append(points, &qdrant.ScoredPoint{Id: qdrant.NewIDNum(uint64(pairs[i])), Score: pairs[i+1]})
	}
	return points
}

func TestTheFourDistances(t *testing.T) {
	t.Parallel()
	a, b := []float32{3, 4}, []float32{4, -3}
	want := map[qdrant.Distance][2]float64{ // of a to b, of a to itself
		qdrant.Distance_Cosine:    {0, 1},
		qdrant.Distance_Dot:       {0, 25},
		qdrant.Distance_Euclid:    {7.0710678, 0},
		qdrant.Distance_Manhattan: {8, 0},
	}
	for _, d := range distances {
		assert.InDelta(t, want[d.distance][0], d.measure(a, b), 1e-6, d.distance)
		assert.InDelta(t, want[d.distance][1], d.measure(a, a), 1e-6, d.distance)
	}
	assert.Len(t, distances, len(want))
}

func TestCheckScores(t *testing.T) {
	t.Parallel()
	want := []float64{0.1, 0.9, 0.5}
	for _, test := range []struct {
		name         string
		found        []*qdrant.ScoredPoint
		smallerFirst bool
		wantErr      string
	}{
		{"largest first", scored(1, 0.9, 2, 0.5), false, ""},
		{"smallest first", scored(0, 0.1, 2, 0.5), true, ""},
		{"the wrong end", scored(0, 0.1, 2, 0.5), false, "the score at place 1 is"},
		{"one left out", scored(1, 0.9, 0, 0.1), false, "the score at place 2 is"},
		{"a wrong score", scored(1, 0.9, 2, 0.6), false, "the score of point 2 is"},
		{"no number", scored(1, float32(math.NaN()), 2, 0.5), false, "the score of point 1 is"},
		{"too few", scored(1, 0.9), false, "1 points were found instead of 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := checkScores(test.found, want, 2, test.smallerFirst)
			if test.wantErr == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, test.wantErr)
			}
		})
	}
}

func TestNear(t *testing.T) {
	t.Parallel()
	nan := float32(math.NaN())
	assert.True(t, near([]float32{1, 2}, []float32{1, 2}))
	for name, other := range map[string][]float32{"another": {1, 2.1}, "shorter": {1}, "no number": {1, nan}, "infinite": {1, float32(math.Inf(1))}} {
		assert.False(t, near(other, []float32{1, 2}), name)
		assert.False(t, near([]float32{1, 2}, other), name)
	}
}

func TestCheckExact(t *testing.T) {
	t.Parallel()
	truth := []wordvectors.Neighbour{{Row: 4, Similarity: 0.8}, {Row: 2, Similarity: 0.7}}

	require.NoError(t, checkExact(scored(4, 0.8, 2, 0.70001), truth))
	require.ErrorContains(t, checkExact(scored(4, 0.8), truth), "1 points were found, there are 2")
	require.ErrorContains(t, checkExact(scored(4, 0.8, 3, 0.6), truth), "the score at place 2 is 0.6, it should be 0.7")
}

func TestCheckMatches(t *testing.T) {
	t.Parallel()
	point := func(word string) *qdrant.ScoredPoint {
		return &qdrant.ScoredPoint{Payload: map[string]*qdrant.Value{fieldWord: qdrant.NewValueString(word), fieldRank: qdrant.NewValueInt(3)}}
	}
	starts := filterCases()[0]

	require.NoError(t, checkMatches([]*qdrant.ScoredPoint{point("sea"), point("sun")}, starts))
	require.EqualError(t, checkMatches([]*qdrant.ScoredPoint{point("sea"), point("moon")}, starts), `the answer has "moon" (rank 3), which does not match`)
}

func TestRecallCountsTheTrueNeighbours(t *testing.T) {
	t.Parallel()
	base := wordvectors.Set{Ranks: []int{70, 80, 90}}
	truth := []wordvectors.Neighbour{{Row: 0}, {Row: 2}}

	assert.Equal(t, 2, overlap(scored(90, 1, 70, 1), base, truth))
	assert.Equal(t, 1, overlap(scored(80, 1, 70, 1), base, truth))
	assert.Equal(t, 0, overlap(scored(0, 1, 2, 1), base, truth), "rows are not ids")
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	var times []time.Duration
	for i := range 100 {
		times = append(times, time.Duration(i+1))
	}
	assert.Equal(t, time.Duration(50), stat.Percentile(times, 50))
	assert.Equal(t, time.Duration(95), stat.Percentile(times, 95))
	assert.Equal(t, time.Duration(1), stat.Percentile(times[:1], 95))
	assert.Equal(t, time.Duration(3), stat.Percentile(times[:3], 95))
}

func TestThePayloadOfAWord(t *testing.T) {
	t.Parallel()
	points := pointsOf(wordvectors.Set{Words: []string{"état"}, Ranks: []int{12}, Vectors: [][]float32{{1}}})

	payload := points[0].GetPayload()
	assert.Equal(t, uint64(12), points[0].GetId().GetNum())
	assert.Equal(t, "é", payload[fieldLetter].GetStringValue())
	assert.Equal(t, int64(4), payload[fieldLength].GetIntegerValue())
	assert.Equal(t, int64(12), payload[fieldRank].GetIntegerValue())
}

func TestConnectRefusesBadTargets(t *testing.T) {
	t.Parallel()
	_, err := Connect("localhost", "")
	require.ErrorContains(t, err, `reading target "localhost"`)
	_, err = Connect("localhost:grpc", "")
	require.ErrorContains(t, err, `reading the port of target "localhost:grpc"`)
}
