package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/client/vector"
	"github.com/qdrant-shepherd/shepherd/internal/stat"
	bench "github.com/qdrant-shepherd/shepherd/tools/bench"
)

func requireServer(t *testing.T) {
	t.Helper()
	if os.Getenv("QDRANT_BIN") == "" {
		t.Skip("SKIP: QDRANT_BIN is not set; set it to the path of a Qdrant server binary")
	}
}

// command runs the command with arguments, and returns its outputs.
func command(ctx context.Context, t *testing.T, arguments ...string) (out, progress string, err error) {
	t.Helper()
	c := bench.Command()
	c.SilenceErrors, c.SilenceUsage = true, true
	var stdout, stderr bytes.Buffer
	c.SetOut(&stdout)
	c.SetErr(&stderr)
	c.SetArgs(arguments)
	err = c.ExecuteContext(ctx)
	return stdout.String(), stderr.String(), err
}

// The whole benchmark in small: every phase and every comparison that needs no other program, on a real server.
func TestATinyRun(t *testing.T) {
	requireServer(t)
	directory := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()

	out, progress, err := command(ctx, t, "--tier", "quick", "--points", "3000", "--queries", "200", "--rounds", "1", "--seconds", "0.4",
		"--ef", "64", "--clients", "1,4", "--idle", "100", "--pairs", "2", "--against", "all",
		"--bfb", filepath.Join(directory, "there-is-no-bfb"), "--python", filepath.Join(directory, "there-is-no-python"),
		"--out", directory, "--docs", filepath.Join(directory, "docs"))
	require.NoError(t, err, progress)
	t.Log(progress)

	content, err := os.ReadFile(filepath.Join(directory, "report.json"))
	require.NoError(t, err)
	var report bench.Report
	require.NoError(t, json.Unmarshal(content, &report))
	assert.Empty(t, report.Error)
	assert.Contains(t, report.Versions.Server, "1.")
	assert.NotEmpty(t, report.Versions.Go)
	require.NotNil(t, report.Create)
	assert.Equal(t, 20, report.Create.Latency.N)

	require.Len(t, report.Comparisons, 7, "two controls and five opponents; bfb and Python are not there")
	assert.Equal(t, runtime.GOOS == "linux", report.Machine.ServerCPUKnown)
	for _, c := range report.Comparisons {
		assert.Equal(t, 2, c.Speed.N, c.Name)
		assert.Positive(t, c.Speed.Min, c.Name)
		assert.NotEqual(t, c.Pairs[0].OursFirst, c.Pairs[1].OursFirst, c.Name)
		if report.Machine.ServerCPUKnown {
			assert.Positive(t, c.ClientCPU.Median, c.Name)
		}
	}
	assert.Contains(t, strings.Join(report.Notes, "\n"), "not measured: against bfb")
	assert.FileExists(t, filepath.Join(directory, "docs", "benchmark.md"))
	assert.Greater(t, speedAgainst(t, report, "naive1"), 3.0, "far below the bar, and far above what chance does")

	require.Len(t, report.Profiles, 1)
	p := report.Profiles[0]
	assert.GreaterOrEqual(t, p.Graph.IndexedVectors, uint64(2970))
	assert.JSONEq(t, `16`, field(t, p.Graph.Config, "hnsw_config", "m"), "as the server has it")
	require.NotNil(t, p.Ingest)
	assert.Positive(t, p.Ingest.Upload.Median)
	assert.Greater(t, p.Ingest.TotalSeconds.Median, p.Ingest.UploadSeconds.Median)
	require.Len(t, p.Recall, 2, "the asked ef and the profile's")
	for _, f := range p.Recall {
		assert.Greater(t, f.Recall, 0.9, "ef %d", f.EF)
	}
	require.NotNil(t, p.Exact)
	assert.InDelta(t, 1, p.Exact.Recall, 1e-9)
	require.Len(t, p.Sweep, 4)
	for _, l := range append(p.Sweep, p.Filtered...) {
		assert.Positive(t, l.QPS.Median)
		assert.LessOrEqual(t, l.Latency.P50, l.Latency.P95)
		assert.Greater(t, l.Recall, 0.9)
	}
	require.NotNil(t, p.OpenLoop)
	assert.Positive(t, p.OpenLoop.Rate)
	require.NotNil(t, p.Batch)
	assert.Positive(t, p.Batch.Gain.Median)
	require.NotNil(t, p.During)
	require.Len(t, p.During.Busy, 2)
	for _, busy := range p.During.Busy {
		assert.Positive(t, busy.Written)
		assert.Greater(t, busy.Recall, 0.9)
	}
	require.NotNil(t, p.Idle)
	assert.Equal(t, 100, p.Idle.Opened)
	assert.Equal(t, 100, p.Idle.Alive)
	assert.Len(t, p.Guide, 3)

	require.NotEmpty(t, report.Bars)
	assert.NotContains(t, verdicts(report), stat.Verdict(""))
	files := strings.Fields(out)
	assert.Contains(t, files, filepath.Join(directory, "report.md"))
	pictures := 0
	for _, file := range files {
		if strings.HasSuffix(file, ".svg") && filepath.Dir(file) == directory {
			pictures++
			requireSVG(t, file)
		}
	}
	assert.Equal(t, 3, pictures)
	markdown, err := os.ReadFile(filepath.Join(directory, "report.md"))
	require.NoError(t, err)
	assert.NotContains(t, string(markdown), "NaN")
	assert.NotContains(t, string(markdown), "%!")
}

func speedAgainst(t *testing.T, report bench.Report, name string) float64 {
	t.Helper()
	for _, c := range report.Comparisons {
		if c.Name == name {
			return c.Speed.Median
		}
	}
	t.Fatalf("there is no comparison with %s", name)
	return 0
}

func verdicts(report bench.Report) []stat.Verdict {
	var all []stat.Verdict
	for _, b := range report.Bars {
		all = append(all, b.Verdict)
	}
	return all
}

// field is a value within a JSON document.
func field(t *testing.T, document json.RawMessage, path ...string) string {
	t.Helper()
	for _, name := range path {
		var object map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(document, &object))
		document = object[name]
	}
	return strings.Trim(string(document), `"`) // protojson writes 64 bits as text
}

func requireSVG(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.NotContains(t, string(content), "NaN", path)
	decoder := xml.NewDecoder(bytes.NewReader(content))
	shapes := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err, path)
		if start, is := token.(xml.StartElement); is && start.Name.Local == "path" {
			shapes++
		}
	}
	assert.Greater(t, shapes, 10, path)
}

// A run that is interrupted still says what it has found, and leaves neither server nor collections.
func TestAnInterruptedRunReports(t *testing.T) {
	requireServer(t)
	directory := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watching := &stopAt{text: "recall@10", stop: cancel}
	report, err := bench.Run(ctx, bench.Options{
		ServerBinary: os.Getenv("QDRANT_BIN"), Tier: "quick", Points: 2000, Queries: 100, Profiles: []string{"default"}, Phases: bench.Phases(),
		Rounds: 1, Builds: 1, Pairs: 1, Level: time.Second, EFs: []int{64}, Clients: []int{1}, IdleConnections: 1, Out: directory, Progress: watching,
	})
	require.ErrorIs(t, err, context.Canceled)
	require.NotNil(t, report)
	assert.NotEmpty(t, report.Error)
	require.NotNil(t, report.Create)
	files, err := report.Write(directory)
	require.NoError(t, err)
	assert.NotEmpty(t, files)
}

// stopAt interrupts when a line says something.
type stopAt struct {
	text string
	stop func()
}

func (s *stopAt) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte(s.text)) {
		s.stop()
	}
	return len(line), nil
}

// A server that is there is left as it was.
func TestATarget(t *testing.T) {
	requireServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	target, pid, stop, err := bench.StartServer(ctx, os.Getenv("QDRANT_BIN"))
	require.NoError(t, err)
	defer stop()
	db, err := vector.Connect(ctx, vector.Config{Target: target})
	require.NoError(t, err)
	defer func() { _ = db.Close() }()
	type note struct {
		ID     uint64    `vector:",id"`
		Vector []float32 `vector:",vector,unnamed,size=2"`
	}
	for _, name := range []string{"mine", "vector-bench-of-a-run-that-was-killed"} {
		_, err = vector.Open[note](ctx, db, name)
		require.NoError(t, err)
	}

	_, progress, err := command(ctx, t, "--target", target, "--server-pid", strconv.Itoa(pid), "--tier", "quick", "--points", "1000", "--queries", "50",
		"--rounds", "1", "--seconds", "0.2", "--ef", "64", "--clients", "1", "--phases", "create,ingest,sweep", "--out", t.TempDir())

	require.NoError(t, err, progress)
	left, err := db.Collections(ctx)
	require.NoError(t, err)
	assert.Equal(t, []string{"mine"}, left)
	require.NoError(t, db.Ready(ctx), "the server goes on")
}

func TestAServerThatEndsAtOnceIsShown(t *testing.T) {
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip("SKIP: there is no /bin/sh")
	}
	binary := filepath.Join(t.TempDir(), "qdrant")
	require.NoError(t, os.WriteFile(binary, []byte("#!/bin/sh\necho no space left; exit 3\n"), 0o700))
	_, _, _, err := bench.StartServer(t.Context(), binary)
	require.ErrorContains(t, err, "no space left")
}

func TestOptionsAreChecked(t *testing.T) {
	for name, c := range map[string]struct {
		arguments []string
		want      string
	}{
		"no server":          {[]string{"--server-binary", ""}, "name one with --target"},
		"a tier":             {[]string{"--tier", "huge"}, "there are full, quick, standard"},
		"a profile":          {[]string{"--profile", "default,best"}, `--profile "best"`},
		"a phase":            {[]string{"--phases", "swepe"}, "there are create, compare"},
		"an opponent":        {[]string{"--against", "milvus"}, "naive1"},
		"no rounds":          {[]string{"--rounds", "0"}, "--rounds 0"},
		"an ef below ten":    {[]string{"--ef", "5"}, "at least 10"},
		"no clients":         {[]string{"--clients", "0"}, "--clients [0]"},
		"too many queries":   {[]string{"--queries", "1001"}, "1 to 1000"},
		"an odd target":      {[]string{"--target", "static:///a:1,b:1"}, "host:port"},
		"TLS without target": {[]string{"--tls"}, "only with --target"},
		"half a certificate": {[]string{"--target", "localhost:1", "--cert", "a.pem"}, "--cert and --key go together"},
		"an argument":        {[]string{"quick"}, "usage: bench"},
		"a process too many": {[]string{"--server-pid", "1"}, "without --target"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := command(t.Context(), t, append([]string{"--server-binary", "/qdrant"}, c.arguments...)...)
			require.ErrorContains(t, err, c.want)
			require.ErrorAs(t, err, new(commandline.UsageError), "it ends with 2")
		})
	}
}

// A run burdens the server that it measures, so that only the flag names one.
func TestTheEnvironmentNamesNoTarget(t *testing.T) {
	t.Setenv("QDRANT_TARGET", "production:6334")
	t.Setenv("QDRANT_CA", filepath.Join(t.TempDir(), "authorities-of-production.pem"))
	_, _, err := command(t.Context(), t, "--server-binary", "", "--out", t.TempDir())
	require.ErrorContains(t, err, "there is no server")
	require.NotContains(t, err.Error(), "authorities", "it is about the target that does not count")
	_, _, err = command(t.Context(), t, "--target", "localhost:1", "--out", t.TempDir())
	require.ErrorContains(t, err, "reading the authorities", "with a target it counts")
}

func TestARunEndsBeforeItBeginsWhereItsResultsHaveNoPlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, flag := range []string{"--out", "--docs"} {
		_, progress, err := command(t.Context(), t, "--server-binary", "/qdrant", "--out", t.TempDir(), flag, filepath.Join(file, "results"))
		require.ErrorContains(t, err, "making a place for the report")
		assert.Empty(t, progress, "nothing was begun")
	}
}

func TestANamedOpponentHasToBeThere(t *testing.T) {
	for _, name := range []string{"bfb", "python"} {
		_, progress, err := command(t.Context(), t, "--server-binary", "/qdrant", "--out", t.TempDir(), "--against", "raw,"+name,
			"--"+name, filepath.Join(t.TempDir(), "nowhere"))
		require.ErrorContains(t, err, "--against "+name)
		assert.Empty(t, progress, "nothing was begun")
	}
}
