package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/internal/stat"
	"github.com/qdrant-shepherd/shepherd/internal/wordvectors"
)

// fought is an opponent after pairs with the given rates and processor times of ours; theirs are 100 and 10.
func fought(name string, rates, cpus []float64) *opponent {
	o := &opponent{Comparison: Comparison{Name: name}}
	for i := range rates {
		o.Pairs = append(o.Pairs, pair{Ours: leg{Rate: rates[i], ClientCPU: cpus[i]}, Theirs: leg{Rate: 100, ClientCPU: 10}})
	}
	return o
}

func TestComparisonsAreConcludedPairByPair(t *testing.T) {
	t.Parallel()
	done := concluded(controlIngest, []*opponent{
		fought(controlIngest, []float64{90, 101, 150}, []float64{10, 10, 10}),
		fought(againstRaw, []float64{98, 96, 99}, []float64{10, 11, 10.2}),
	})
	assert.Equal(t, stat.Spread{Median: 1.01, Min: 0.9, Max: 1.5, N: 3}, done[0].Speed)
	assert.Equal(t, stat.Spread{Median: 0.98, Min: 0.96, Max: 0.99, N: 3}, done[1].Speed)
	assert.InDelta(t, 1.02, done[1].ClientCPU.Median, 1e-9)
	assert.Zero(t, done[1].ServerCPU.N, "nobody has read it")
	assert.Zero(t, done[1].WithoutStart.N)
	assert.True(t, done[1].Reliable)
	assert.Equal(t, done[0].Speed, done[1].Control)

	done = concluded(controlIngest, []*opponent{fought(controlIngest, []float64{106}, []float64{1}), fought(againstRaw, []float64{100}, []float64{1})})
	assert.False(t, done[1].Reliable)
}

func TestStartingProcessesIsTakenOut(t *testing.T) {
	t.Parallel()
	o := &opponent{Comparison: Comparison{Name: againstPython}}
	o.Pairs = []pair{{Ours: legOf(100, time.Second, cpu{}), Theirs: legOf(100, 5*time.Second, cpu{})}}
	o.Pairs[0].Theirs.Start = 1
	done := concluded(controlIngest, []*opponent{o})
	assert.InDelta(t, 5, done[0].Speed.Median, 1e-9)
	assert.InDelta(t, 4, done[0].WithoutStart.Median, 1e-9)
}

func TestLegs(t *testing.T) {
	t.Parallel()
	l := legOf(2000, 4*time.Second, cpu{client: time.Second, server: 3 * time.Second})
	assert.Equal(t, leg{Operations: 2000, Seconds: 4, Rate: 500, ClientCPU: 500, ServerCPU: 1500}, l)
}

func sampleReport() *Report {
	r := &Report{
		Started: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Notes: []string{"a | b"},
		Create:   &Created{Latency: stat.Latency{N: 20, P50: 100, Max: 1001}},
		Settings: Settings{Phases: Phases(), Against: []string{againstNaive1, againstRaw}, Missing: []Missing{{againstBfb, "it is not here"}}},
		Profiles: []ProfileReport{{
			Profile: profiles()["default"], Recall: []Found{{EF: 64, Recall: .9}, {EF: 128, Recall: .94}, {EF: 512, Recall: .99}},
			Graph: Graph{Config: json.RawMessage(`{"hnsw_config":{"m":"16"}}`), LoweredTo: 1},
			Sweep: []Level{
				{EF: 128, Clients: 1, QPS: stat.Spread{Median: 500, Min: 400, Max: 600, N: 5}, Latency: stat.Latency{N: 10, P50: 1, P95: 2, P99: 3}},
				{EF: 128, Clients: 8, QPS: stat.Spread{Median: 900, N: 5}, Latency: stat.Latency{N: 10, P50: 5, P95: 9, P99: 9}},
				{EF: 64, Clients: 8, QPS: stat.Spread{Median: 1900, N: 5}},
			},
			Guide: []Promise{
				{Name: promiseSearches, Rate: 500, LimitMs: 10, Steps: []step{{Rate: 500, Latency: stat.Latency{P95: 11}}, {Rate: 250, Holds: true}}, HoldsAt: 250},
				{Name: promiseInserts, Rate: 1000, LimitMs: 50, Steps: []step{{Rate: 1000, Failed: 3}, {Rate: 125}}},
			},
			Idle:   &Idle{Connections: 10, Opened: 10, Alive: 9, FirstError: "a connection is IDLE"},
			During: &During{Busy: []Busy{{Wanted: 1000, Written: 990}}},
			Ingest: &Ingested{Progress: []look{{Seconds: 1, Points: 10}, {Seconds: 2, Points: 20, Indexed: 20}}},
		}},
		Comparisons: concluded(controlIngest, []*opponent{
			fought(controlIngest, []float64{100}, []float64{10}),
			fought(againstRaw, []float64{98}, []float64{10.6}),
			fought(againstNaive1, []float64{8000, 90}, []float64{1, 1}),
		}),
	}
	r.judge()
	return r
}

func TestBars(t *testing.T) {
	t.Parallel()
	r := sampleReport()
	verdicts := map[string]stat.Verdict{}
	for _, b := range r.Bars {
		verdicts[b.Name] = b.Verdict
		assert.NotEmpty(t, b.Measured, b.Name)
		assert.NotContains(t, b.Measured+b.Note, "%!", b.Name)
	}
	assert.Equal(t, map[string]stat.Verdict{
		"ingest: against go-client, one point a call, waiting":      stat.Fail, // one pair said the opposite
		"ingest: against go-client, 64 a call, one stream, waiting": stat.NotMeasured,
		"ingest: against the Python client's upload_points":         stat.NotMeasured,
		"ingest: against bfb": stat.NotMeasured,
		"ingest: against go-client with the same batches and streams":   stat.Pass,
		"search: against go-client with the same request":               stat.NotMeasured,
		"search: through the graph against exact":                       stat.NotMeasured,
		"ingest: processor time of the client, against go-client":       stat.Fail,
		"search: processor time of the client, against go-client":       stat.NotMeasured,
		"recall@10: profile default (m 16, ef_construct 100) at ef 128": stat.Pass,
		"guide: create a collection (slowest of 20)":                    stat.Fail,
		"guide: 500 searches a second (default)":                        stat.Fail,
		"guide: 1000 inserts a second, one a call, waiting (default)":   stat.Fail,
		"10 idle connections (default)":                                 stat.Fail,
	}, verdicts)
	assert.Len(t, unmet(r), 6)
}

func unmet(r *Report) []string {
	var names []string
	for _, b := range r.Unmet() {
		names = append(names, b.Name)
	}
	return names
}

// What a run was asked for and does not have is unmet, and each bar without a figure says why.
func TestUnmetBars(t *testing.T) {
	t.Parallel()
	const naive64, bfb, raw = "ingest: against go-client, 64 a call, one stream, waiting", "ingest: against bfb",
		"ingest: against go-client with the same batches and streams"
	r := sampleReport()
	assert.NotContains(t, unmet(r), naive64, "it was not asked for")
	assert.NotContains(t, unmet(r), bfb, "it is not there")
	assert.NotContains(t, unmet(r), raw, "it is cleared")
	why := map[string]string{}
	for _, b := range r.Bars {
		why[b.Name] = b.Note
	}
	assert.Equal(t, "not asked for", why[naive64])
	assert.Equal(t, "it is not here", why[bfb])

	r.Settings.Against = append(r.Settings.Against, againstNaive64)
	r.Comparisons = concluded(controlIngest, []*opponent{
		fought(controlIngest, []float64{120}, []float64{10}), fought(againstRaw, []float64{98}, []float64{10}),
	})
	r.judge()
	assert.Contains(t, unmet(r), naive64, "it has no figure")
	assert.Contains(t, unmet(r), raw, "its control was off")

	r = &Report{Settings: Settings{Phases: []string{PhaseCreate}, Against: []string{againstRaw}}}
	r.judge()
	assert.Equal(t, []string{"guide: create a collection (slowest of 20)"}, unmet(r), "nothing is compared without the phase")
}

// What was measured before an end is concluded from the rounds that there are.
func TestAnInterruptedDuelIsConcluded(t *testing.T) {
	t.Parallel()
	met := 0
	leave := errors.New("interrupted")
	fight := func(context.Context) (leg, error) {
		if met++; met > 5 {
			return leg{}, leave
		}
		return leg{Operations: 1, Seconds: 1, Rate: 100}, nil
	}
	s := &session{options: Options{Pairs: 3}, report: &Report{}}
	err := s.duel(t.Context(), controlIngest, []*opponent{
		{Comparison: Comparison{Name: controlIngest}, ours: fight, theirs: fight},
		{Comparison: Comparison{Name: againstRaw}, ours: fight, theirs: fight},
	})
	require.ErrorIs(t, err, leave)
	require.Len(t, s.report.Comparisons, 2)
	assert.Equal(t, 1, s.report.Comparisons[1].Speed.N)
	assert.True(t, s.report.Comparisons[1].Reliable)
	assert.Empty(t, concluded(controlIngest, []*opponent{{Comparison: Comparison{Name: againstRaw}}}), "who was not met is left out")
}

func TestInterruptedRoundsAreConcluded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		s := &session{options: Options{Rounds: 5, Level: 5 * time.Second}, server: &server{}, report: &Report{}}
		first := &cell{level: Level{Clients: 2}, do: answerAfter(10 * time.Millisecond)}
		second := &cell{level: Level{Clients: 1}, do: answerAfter(20 * time.Millisecond)}
		third := &cell{level: Level{Clients: 1}, do: answerAfter(20 * time.Millisecond)}
		require.ErrorIs(t, s.run(ctx, []*cell{first, second, third}), context.DeadlineExceeded)
		done := levels([]*cell{first, second, third})
		require.Len(t, done, 2, "the third had no round")
		assert.InDelta(t, 200, done[0].QPS.Median, 1)
		assert.Equal(t, 1, done[0].QPS.N)
		assert.Equal(t, stat.Spread{Median: 20, Min: 20, Max: 20, N: 1}, done[1].P95)
	})
}

func TestPublish(t *testing.T) {
	t.Parallel()
	docs := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(docs, "benchmark"), 0o755))
	old := filepath.Join(docs, "benchmark", "latency-of-another-run.svg")
	require.NoError(t, os.WriteFile(old, nil, 0o600))
	files, err := sampleReport().Publish(docs)
	require.NoError(t, err)
	assert.Len(t, files, 4)
	assert.NoFileExists(t, old)
	page, err := os.ReadFile(filepath.Join(docs, "benchmark.md"))
	require.NoError(t, err)
	links := regexp.MustCompile(`\]\(([^)]*)\)`).FindAllStringSubmatch(string(page), -1)
	require.Len(t, links, 3)
	for _, link := range links {
		assert.FileExists(t, filepath.Join(docs, link[1]))
	}
}

func TestADirectoryIsTriedFirst(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	file := filepath.Join(directory, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	deep := filepath.Join(directory, "a", "b")
	require.NoError(t, requireWritable(deep))
	left, err := os.ReadDir(deep)
	require.NoError(t, err)
	assert.Empty(t, left)
	require.ErrorContains(t, requireWritable(filepath.Join(file, "below")), "making a place for the report")
	require.NoError(t, requireWritable(""))
}

func TestUnreadFiguresAreDashes(t *testing.T) {
	t.Parallel()
	r := sampleReport()
	text := r.markdown(nil, "")
	assert.Contains(t, text, "| server's memory at its highest | – |")
	assert.NotContains(t, text, "| 0.00 |")
	assert.Zero(t, ingestion{uploads: []float64{1}, serverCPU: []float64{0}}.concluded(1, 0).ServerCPU.N)
	several := Level{Latency: stat.Latency{P50: 1, P95: 2, P99: 3}, P95: stat.Spread{Median: 2, Min: 1.5, Max: 2.5, N: 5}}
	assert.Equal(t, "1.0 / 2.0 (1.5–2.5) / 3.0", percentilesOf(several))
}

func TestTheCommitIsThisRepositorys(t *testing.T) {
	t.Parallel()
	assert.True(t, isOurs(filepath.Join("..", "..")))
	other := t.TempDir()
	assert.False(t, isOurs(other), "no module")
	require.NoError(t, os.WriteFile(filepath.Join(other, "go.mod"), []byte("module example.org/else\n"), 0o600))
	assert.False(t, isOurs(other))
}

// No step of the guide writes over what an earlier one has written, also after the words have come to their end.
func TestTheGuideWritesNewPoints(t *testing.T) {
	t.Parallel()
	s := &session{data: data{base: wordvectors.Set{Words: []string{"a", "b"}, Vectors: [][]float32{{1}, {2}}}}}
	seen := map[uint64]bool{}
	for i := range 5 {
		w := s.anew(i)
		assert.False(t, seen[w.ID])
		seen[w.ID] = true
	}
	assert.Equal(t, word{ID: 4, Vector: []float32{1}, Word: "a", Letter: "a", Length: 1}, s.anew(4))
}

func TestFbinIsWrittenWhole(t *testing.T) {
	t.Parallel()
	s := &session{files: t.TempDir(), data: data{base: wordvectors.Set{Vectors: [][]float32{{1, 2}, {3}}}}}
	_, err := s.exportFbin()
	require.ErrorContains(t, err, "writing the base for other tools")
	_, err = s.exportFbin()
	require.Error(t, err, "what was left is not taken for a whole file")
	s.data.base.Vectors[1] = []float32{3, 4}
	path, err := s.exportFbin()
	require.NoError(t, err)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Len(t, content, 8+2*2*4)
}

func TestMarkdown(t *testing.T) {
	t.Parallel()
	r := sampleReport()
	r.Error = "interrupted"
	text := r.markdown(r.plots(), "")
	for _, want := range []string{
		"**The run ended before its time:** interrupted",
		"| 500 (400–600) | 1.0 / 2.0 / 3.0 |",
		"holds at 250 a second",
		"does not hold at 125 a second either",
		"lowered to 1 KiB",
		`a \| b`,
		`"m": "16"`,
		"![Recall and searches a second](recall-qps.svg)",
		"1000 points a second are asked for",
	} {
		assert.Contains(t, text, want)
	}
	assert.NotContains(t, text, "%!")
	assert.NotContains(t, text, "\n\n\n")
	columns := 0
	for line := range strings.Lines(text) { // each row of a table has as many cells as its head
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		cells := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
		if columns == 0 {
			columns = cells
		}
		assert.Equal(t, columns, cells, line)
	}
}

func TestPlots(t *testing.T) {
	t.Parallel()
	r := sampleReport()
	var files []string
	for _, p := range r.plots() {
		files = append(files, p.file)
		content, err := p.svg()
		require.NoError(t, err)
		assert.Contains(t, string(content), "</svg>")
		assert.NotContains(t, string(content), "NaN")
	}
	assert.Equal(t, []string{"recall-qps.svg", "latency-default.svg", "ingest-default.svg"}, files)
	assert.Empty(t, (&Report{}).plots(), "nothing measured, nothing drawn")
}

func TestOneTwoFive(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lowest, highest float64
		want            []float64
	}{
		{1.4, 7, []float64{1, 2, 5, 10}},
		{1, 1, []float64{1, 2}},
		{0.03, 0.2, []float64{0.02, 0.05, 0.1, 0.2}},
		{9, 101, []float64{5, 10, 20, 50, 100, 200}},
	} {
		var values []float64
		for _, tick := range oneTwoFive(c.lowest, c.highest) {
			values = append(values, tick.Value)
		}
		assert.InDeltaSlice(t, c.want, values, 1e-9, "%v to %v", c.lowest, c.highest)
	}
}

func TestAnEmptyReportIsWritten(t *testing.T) {
	t.Parallel()
	r := &Report{Profiles: []ProfileReport{{Profile: profiles()["tuned"]}}, Error: "the server has ended"}
	r.judge()
	files, err := r.Write(t.TempDir())
	require.NoError(t, err)
	assert.Len(t, files, 2)
}

func TestThresholdsFitTheTier(t *testing.T) {
	t.Parallel()
	for points, want := range map[int]int{1000: 48, 20_000: 976, 100_000: 1000, 340_000: 1000, 1: 1} {
		assert.Equal(t, want, thresholdKiB(points), points)
		segment := points * wordvectors.Dim * 4 / 1024 / (shards * segments)
		assert.LessOrEqual(t, want, max(1, segment), "a segment gets a graph")
	}
}

func TestCheapestEF(t *testing.T) {
	t.Parallel()
	found := []Found{{EF: 512, Recall: .99}, {EF: 64, Recall: .94}, {EF: 128, Recall: .96}}
	ef, ok := cheapestEF(found, .95)
	assert.True(t, ok)
	assert.Equal(t, 128, ef)
	_, ok = cheapestEF(found, .999)
	assert.False(t, ok)
}

func TestFilteredNeighboursAreOfTheSameLetter(t *testing.T) {
	t.Parallel()
	loaded := wordvectors.Data{
		Base:    wordvectors.Set{Words: []string{"ant", "bee", "ape", "émeu"}, Vectors: [][]float32{{1, 0}, {1, 0}, {.6, .8}, {0, 1}}},
		Queries: wordvectors.Set{Words: []string{"aunt", "zoo", "école"}, Vectors: [][]float32{{0, 1}, {1, 0}, {1, 0}}},
	}
	found := nearestByLetter(loaded)
	require.Len(t, found[0], 2)
	assert.Equal(t, []int{2, 0}, []int{found[0][0].Row, found[0][1].Row}, "the nearer one first, and no bee")
	assert.Empty(t, found[1])
	require.Len(t, found[2], 1)
	assert.Equal(t, 3, found[2][0].Row)
}
