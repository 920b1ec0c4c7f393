package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/qdranttest"
	"github.com/qdrant-shepherd/shepherd/client/vector"
	"github.com/qdrant-shepherd/shepherd/internal/stat"
	"github.com/qdrant-shepherd/shepherd/internal/wordvectors"
)

// rehearsal is data like wink's, made up: vectors of length one, and words of few first letters.
func rehearsal(points, queries int) *data {
	random := rand.New(rand.NewPCG(1, 2))
	set := func(n int) wordvectors.Set {
		var s wordvectors.Set
		for i := range n {
			v := make([]float32, wordvectors.Dim)
			sum := 0.0
			for j := range v {
				v[j] = float32(random.NormFloat64())
				sum += float64(v[j]) * float64(v[j])
			}
			for j := range v {
				v[j] /= float32(math.Sqrt(sum))
			}
			s.Vectors, s.Words, s.Ranks = append(s.Vectors, v), append(s.Words, fmt.Sprintf("%c%d", 'a'+i%4, i)), append(s.Ranks, i)
		}
		return s
	}
	loaded := wordvectors.Data{Base: set(points), Queries: set(queries)}
	d := newData(loaded, wordvectors.Truth{Neighbours: wordvectors.Nearest(loaded.Base.Vectors, loaded.Queries.Vectors, truthDepth, nil), Key: "made up"})
	return &d
}

// rehearsed are the options of a run against a cluster inside of this test. Its server builds no graph and is faster or slower than a real one,
// so that the figures say nothing; that each phase comes to them is what is tested.
func rehearsed(t *testing.T, phases, against []string) Options {
	t.Helper()
	const key = "sesame"
	cluster := qdranttest.Start(t, 1, qdranttest.Options{APIKey: key})
	return Options{
		Connection: vector.Config{Target: cluster.Target(), APIKey: key}, rehearsal: rehearsal(1000, 40),
		Tier: "quick", Profiles: []string{"default", "default"}, Phases: phases, Against: against,
		Rounds: 2, Builds: 1, Pairs: 2, Level: 200 * time.Millisecond, EFs: []int{64}, Clients: []int{1, 4}, IdleConnections: 10,
		Python: "/nowhere/python", Bfb: "/nowhere/bfb", Out: t.TempDir(),
	}
}

func TestARehearsal(t *testing.T) {
	t.Parallel()
	o := rehearsed(t, Phases(), []string{againstAll})
	var progress bytes.Buffer
	o.Progress = &progress

	r, err := Run(t.Context(), o)

	require.NoError(t, err, progress.String())
	require.NotNil(t, r.Create)
	assert.Equal(t, creations, r.Create.Latency.N)
	assert.Equal(t, []string{againstNaive1, againstNaive64, againstRaw, againstRawSearch, againstExact}, r.Settings.Against)
	assert.Len(t, r.Settings.Missing, 2)
	require.Len(t, r.Comparisons, 7, "with two controls")
	for _, c := range r.Comparisons {
		assert.Equal(t, 2, c.Speed.N, c.Name)
	}
	require.Len(t, r.Profiles, 1, "each once")
	for _, p := range r.Profiles {
		require.NotNil(t, p.Ingest)
		assert.Equal(t, 2, p.Ingest.Upload.N)
		assert.Equal(t, 1, p.Ingest.TotalSeconds.N)
		require.NotEmpty(t, p.Recall)
		for _, f := range p.Recall {
			assert.InDelta(t, 1, f.Recall, 1e-9, "that server compares all vectors")
		}
		require.NotNil(t, p.Exact)
		require.Len(t, p.Sweep, 4, "two efs and two numbers of clients")
		require.Len(t, p.Filtered, 2)
		for _, l := range append(p.Sweep, p.Filtered...) {
			assert.Equal(t, 2, l.QPS.N)
			assert.Equal(t, 2, l.P95.N)
			assert.LessOrEqual(t, l.P95.Min, l.P95.Max)
			assert.InDelta(t, 1, l.Recall, 1e-9)
			assert.Zero(t, l.Failed)
		}
		require.NotNil(t, p.OpenLoop)
		assert.Positive(t, p.OpenLoop.Rate)
		require.NotNil(t, p.Batch)
		assert.Equal(t, 2, p.Batch.Gain.N)
		require.NotNil(t, p.Idle)
		assert.Equal(t, []int{10, 10}, []int{p.Idle.Opened, p.Idle.Alive})
		assert.Len(t, p.Guide, 3)
		require.NotNil(t, p.During)
		require.Len(t, p.During.Busy, 2)
		for _, busy := range p.During.Busy {
			assert.Positive(t, busy.Written)
			assert.Equal(t, 2, busy.RecallSpread.N)
			assert.InDelta(t, 1, busy.Recall, 1e-9)
			assert.Zero(t, busy.ClientCPU, "it is that of the writes as well")
		}
	}
	require.NotEmpty(t, r.Bars)
	for _, b := range r.Bars {
		if b.Verdict == stat.NotMeasured {
			assert.NotEmpty(t, b.Note, b.Name)
		}
	}
	files, err := r.Write(o.Out)
	require.NoError(t, err)
	assert.Len(t, files, 5, "the report twice, and three plots")
	left, err := vector.Connect(t.Context(), o.Connection)
	require.NoError(t, err)
	defer func() { _ = left.Close() }()
	names, err := left.Collections(t.Context())
	require.NoError(t, err)
	assert.Empty(t, names)
}

// A run that is interrupted has what was measured until then, whichever phase it was in.
func TestAnInterruptedRehearsalReports(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		at    string
		phase string
		has   func(*Report) bool
	}{
		"a comparison": {"raw, pair 1 of 2", PhaseCompare, func(r *Report) bool { return len(r.Comparisons) > 0 && r.Comparisons[0].Speed.N == 1 }},
		"loading":      {"ingest 2 of 2", PhaseIngest, func(r *Report) bool { return r.Profiles[0].Ingest.Upload.N == 1 }},
		"the guide": {
			promiseSearches + ": p95", PhaseGuide,
			func(r *Report) bool { return len(r.Profiles[0].Guide) == 1 && len(r.Profiles[0].Guide[0].Steps) > 0 },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			o := rehearsed(t, []string{c.phase}, []string{againstRaw})
			o.Progress = &interrupter{text: c.at, stop: cancel}
			r, err := Run(ctx, o)
			require.ErrorIs(t, err, context.Canceled)
			assert.Contains(t, r.Error, "phase "+c.phase)
			assert.True(t, c.has(r), "%+v", r)
			_, err = r.Write(o.Out)
			require.NoError(t, err)
		})
	}
}

// interrupter stops a run when a line of its progress says something.
type interrupter struct {
	text string
	stop func()
}

func (i *interrupter) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte(i.text)) {
		i.stop()
	}
	return len(line), nil
}

// A server that answers nothing but errors is not measured, and the report says so.
func TestARehearsalFailsWithItsServer(t *testing.T) {
	t.Parallel()
	o := rehearsed(t, []string{PhaseSweep}, nil)
	o.Connection.APIKey = "wrong"
	r, err := Run(t.Context(), o)
	require.ErrorIs(t, err, vector.ErrUnauthorized)
	assert.Contains(t, r.Error, "Invalid API key")
	assert.Empty(t, r.Profiles)
}
