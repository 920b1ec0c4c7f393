package command

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/client/qdrantprocess"
	"github.com/qdrant-shepherd/shepherd/client/qdranttest"
)

// desk is a person at a terminal, or a script: it runs commands against a cluster.
type desk struct {
	t        *testing.T
	target   string
	env      map[string]string
	in       string
	input    io.Reader // in place of in
	terminal bool      // both ways
}

// answer is what a command said.
type answer struct {
	code     int
	out, err string
}

func (d desk) run(args ...string) answer {
	d.t.Helper()
	return d.runFor(d.t.Context(), args...)
}

func (d desk) runFor(ctx context.Context, args ...string) answer {
	var out bytes.Buffer
	screen := &screen{}
	env := func(name string) string {
		if name == "QDRANT_TARGET" && d.env[name] == "" {
			return d.target
		}
		return d.env[name]
	}
	var in io.Reader = strings.NewReader(d.in)
	if d.input != nil {
		in = d.input
	}
	code := Run(ctx, "test", args, Process{Env: env, In: in, Out: &out, Err: screen, Terminal: d.terminal, InTerminal: d.terminal})
	return answer{code, out.String(), screen.String()}
}

// does runs a command that must succeed.
func (d desk) does(args ...string) string {
	d.t.Helper()
	a := d.run(args...)
	require.Equal(d.t, commandline.ExitDone, a.code, "%v: %s", args, a.err)
	return a.out
}

// screen is written to by several goroutines.
type screen struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func randomVectors(n, dimension int) [][]float32 {
	random := rand.New(rand.NewPCG(1, 2))
	rows := make([][]float32, n)
	for i := range rows {
		rows[i] = make([]float32, dimension)
		for j := range rows[i] {
			rows[i][j] = random.Float32() - 0.5
		}
	}
	return rows
}

func writeFBin(t *testing.T, path string, rows [][]float32) {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(rows)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(rows[0])))
	for _, row := range rows {
		for _, x := range row {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		}
	}
	require.NoError(t, os.WriteFile(path, b, 0o600))
}

func writeLines(t *testing.T, path string, rows [][]float32) {
	var b bytes.Buffer
	for i, v := range rows {
		line, err := json.Marshal(map[string]any{"id": i + 1, "vector": v, "lang": []string{"en", "de"}[i%2], "year": 2000 + i, "title": fmt.Sprint("row ", i)})
		require.NoError(t, err)
		b.Write(append(line, '\n'))
	}
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
}

// The whole of it, against both.
func TestLoadQueryInspect(t *testing.T) {
	cluster := qdranttest.Start(t, 2, qdranttest.Options{APIKey: "secret"})
	course(desk{t: t, target: cluster.Target(), env: map[string]string{"QDRANT_API_KEY": "secret"}})
}

func TestLoadQueryInspectOfRealServers(t *testing.T) {
	cluster := qdrantprocess.Start(t, 2, qdrantprocess.Options{APIKey: "secret"})
	course(desk{t: t, target: "static:///" + strings.Join(cluster.GRPC(), ","), env: map[string]string{"QDRANT_API_KEY": "secret"}})
}

func course(d desk) {
	t := d.t
	dir := t.TempDir()
	rows := randomVectors(300, 8)
	numbers, lines := filepath.Join(dir, "rows.fbin"), filepath.Join(dir, "rows.jsonl")
	writeFBin(t, numbers, rows)
	writeLines(t, lines, rows)

	out := d.does("load", numbers, "--collection", "plain", "--shards", "2", "--replication-factor", "2", "--distance", "euclid", "--profile", "development", "--on-disk")
	assert.Contains(t, out, "loaded 300 rows")
	assert.Contains(t, out, "collection plain has 300 points")
	var stats loaded
	require.NoError(t, json.Unmarshal([]byte(d.does("load", lines, "--collection", "docs", "--index", "lang:keyword,year:integer", "--quantization", "int8",
		"--vector-name", "text", "--batch-bytes", "2000", "--output", "json")), &stats))
	assert.Equal(t, 300, stats.Rows)
	assert.EqualValues(t, 300, stats.Points)
	assert.Greater(t, stats.Batches, 5)
	left, err := filepath.Glob(filepath.Join(dir, "*progress*"))
	require.NoError(t, err)
	assert.Empty(t, left, "a load that is done leaves nothing")

	// A second load of the same changes nothing; flags that cannot count any more are said.
	again := d.run("load", numbers, "--collection", "plain", "--shards", "5")
	assert.Equal(t, commandline.ExitDone, again.code)
	assert.Contains(t, again.out, "has 300 points")
	assert.Contains(t, again.err, "collection plain is there already: --shards only counts when it is created")

	// Searching.
	vector, err := json.Marshal(rows[7])
	require.NoError(t, err)
	table := d.does("query", "plain", "--vector", string(vector), "--limit", "1")
	assert.Regexp(t, `^SCORE +ID +PAYLOAD\n0 +7\s+$`, table)
	var hits []hitJSON
	require.NoError(t, json.Unmarshal([]byte(d.does("query", "docs", "--vector", string(vector), "--limit", "3", "--output", "json", "--with-vectors", "--exact",
		"--filter", `lang = de and year >= 2005`, "--payload", "title")), &hits))
	require.Len(t, hits, 3)
	assert.Equal(t, "8", hits[0].ID.String())
	assert.Equal(t, map[string]any{"title": "row 7"}, hits[0].Payload)
	assert.Len(t, hits[0].Vectors["text"], 8)
	hits = nil
	require.NoError(t, json.Unmarshal([]byte(d.does("query", "docs", "--like", "8", "--ef", "64", "--output", "json", "--no-payload",
		"--filter", `{"must_not":[{"key":"lang","match":{"value":"de"}}]}`)), &hits))
	require.Len(t, hits, 10)
	for _, hit := range hits {
		number, _ := hit.ID.Number()
		assert.Equal(t, uint64(1), number%2)
		assert.Empty(t, hit.Payload)
	}
	piped := d
	piped.in = string(vector) + "\n"
	assert.Contains(t, piped.does("query", "docs", "--profile", "development"), "row 7")

	// Inspecting.
	shown := d.does("inspect", "docs")
	for _, part := range []string{`status\s+green`, `points\s+300`, `vector text\s+8 dimensions, cosine, in memory, quantized \(int8, always in memory\)`,
		`index lang\s+keyword`, `index year\s+integer`, `graph\s+m 16, ef_construct 100`, `vectors text\s+9\.4 KiB`, `vectors text, quantized\s+2\.3 KiB`,
		`not included\s+payload indexes`, `WARNING\s+no graph: segments of about .* are below the indexing threshold of`} {
		assert.Regexp(t, part, shown)
	}
	var inspected inspection
	require.NoError(t, json.Unmarshal([]byte(d.does("inspect", "plain", "--output", "json")), &inspected))
	assert.EqualValues(t, 2, inspected.ShardNumber)
	require.Len(t, inspected.Shards, 2)
	assert.Len(t, inspected.Shards[0].Replicas, 2)
	assert.Equal(t, "m 48, ef_construct 512, full scan below 10,000 KiB", inspected.Graph)
	assert.Equal(t, []vectorShown{{"", "8 dimensions, euclid, on disk"}}, inspected.Vectors)
	assert.Equal(t, 2*inspected.Memory.Copy, inspected.Memory.All)
	assert.Regexp(t, `docs\s+green\s+300\s+0 %[\s\S]*plain\s+green\s+300`, d.does("inspect"))

	refusals(d, dir, rows)
}

// refusals are what people get wrong. Nothing of it changes a collection.
func refusals(d desk, dir string, rows [][]float32) {
	t := d.t
	numbers := filepath.Join(dir, "rows.fbin")
	narrow, bad := filepath.Join(dir, "narrow.fbin"), filepath.Join(dir, "bad.jsonl")
	empty := filepath.Join(dir, "empty.fbin")
	require.NoError(t, os.WriteFile(empty, []byte{0, 0, 0, 0, 4, 0, 0, 0}, 0o600)) // of 4 dimensions, it says
	writeFBin(t, narrow, randomVectors(3, 4))
	writeLines(t, bad, rows)
	file, err := os.OpenFile(bad, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteString(`{"id":301,"vector":[1,2,3,4,5,6,7]}` + "\n")
	require.NoError(t, err)
	require.NoError(t, file.Close())
	for _, c := range []struct {
		args []string
		code int
		err  string
	}{
		{[]string{"load", narrow, "--collection", "plain"}, commandline.ExitFailed, "loading into collection plain: the file has 4 dimensions, and its vectors have 8"},
		{[]string{"load", numbers, "--collection", "plain", "--distance", "dot"}, commandline.ExitFailed, "it compares by euclid instead of dot"},
		{[]string{"load", numbers, "--collection", "docs"}, commandline.ExitFailed, `it has no unnamed vector: name one of "text" with --vector-name`},
		{[]string{"load", numbers, "--collection", "docs", "--vector-name", "image"}, commandline.ExitFailed, `it has no vector "image", only "text"`},
		{[]string{"load", numbers, "--collection", "nothing", "--must-exist"}, commandline.ExitFailed, "opening collection nothing: "},
		{[]string{"load", filepath.Join(dir, "missing.fbin"), "--collection", "plain"}, commandline.ExitFailed, "no such file"},
		{[]string{"load", bad, "--collection", "bad"}, commandline.ExitFailed, "row 300 (id 301): 7 dimensions instead of 8; 300 rows are loaded: repair the file, and the same command with --continue continues there"},
		{[]string{"load", numbers}, commandline.ExitUsage, "say which collection: --collection NAME"},
		{[]string{"load"}, commandline.ExitUsage, "usage: vector load FILE --collection NAME [flags]"},
		{[]string{"load", numbers, "--collection", "x", "--distance", "cosinus"}, commandline.ExitUsage, `--distance: "cosinus" is not one of cosine, dot, euclid, manhattan`},
		{[]string{"load", numbers, "--collection", "x", "--index", "lang"}, commandline.ExitUsage, `--index: "lang" is not FIELD:KIND`},
		{[]string{"load", numbers, "--collection", "x", "--format", "csv"}, commandline.ExitUsage, `--format: "csv" is not one of`},
		{[]string{"load", numbers, "--collection", "x", "--streams", "-1"}, commandline.ExitUsage, "must not be negative"},
		{[]string{"load", numbers, "--collection", "x", "--batch-bytes", "33554433"}, commandline.ExitUsage, "--batch-bytes: 33554433 is more than 33554432"},
		{[]string{"load", numbers, "--collection", "x", "--restart", "--continue"}, commandline.ExitUsage, "--restart and --continue contradict each other"},
		{[]string{"load", empty, "--collection", "x"}, commandline.ExitFailed, "empty.fbin: it has no rows"},
		{[]string{"load", numbers, "--collection", "x", "--nothing"}, commandline.ExitUsage, "unknown flag: --nothing"},
		{[]string{"query", "plain"}, commandline.ExitUsage, "say what to search for"},
		{[]string{"query", "plain", "--vector", "[1,null]"}, commandline.ExitUsage, "--vector: number 1 is none that a vector can have"},
		{[]string{"query", "plain", "--vector", "[]"}, commandline.ExitUsage, "--vector is empty"},
		{[]string{"query", "plain", "--vector", "[1,2]"}, commandline.ExitFailed, "2 dimensions instead of 8"},
		{[]string{"query", "plain", "--like", "abc"}, commandline.ExitUsage, "--like: "},
		{[]string{"query", "plain", "--like", "1", "--vector", "[1]"}, commandline.ExitUsage, "contradict each other"},
		{[]string{"query", "plain", "--like", "1", "--filter", "lang is en"}, commandline.ExitUsage, "--filter: at 6: after lang there must be one of"},
		{[]string{"query", "plain", "--like", "1", "--limit", "0"}, commandline.ExitUsage, "--limit must be positive"},
		{[]string{"query", "nothing", "--like", "1"}, commandline.ExitFailed, "opening collection nothing: "},
		{[]string{"inspect", "nothing"}, commandline.ExitFailed, "inspecting collection nothing: not found"},
		{[]string{"inspect", "--output", "xml"}, commandline.ExitUsage, `--output: "xml" is not one of text, json`},
		{[]string{"inspect", "--log-level", "loud"}, commandline.ExitUsage, `--log-level (VECTOR_LOG_LEVEL): "loud" is not one of`},
		{[]string{"inspect", "--cert", "x"}, commandline.ExitUsage, "--cert and --key go together"},
		{[]string{"inspect", "--ca", numbers}, commandline.ExitFailed, "has no certificate in PEM"},
		{[]string{"inspect", "--api-key-file", filepath.Join(dir, "missing")}, commandline.ExitFailed, "reading the API key"},
		{[]string{"nothing"}, commandline.ExitUsage, `unknown command "nothing"`},
	} {
		a := d.run(c.args...)
		assert.Equal(t, c.code, a.code, "%v", c.args)
		assert.Contains(t, a.err, c.err, "%v", c.args)
		assert.Empty(t, a.out, "%v", c.args)
	}
	assert.Contains(t, d.run("inspect", "x").err, "not found", "what is refused creates nothing")
	wrong := d
	wrong.env = map[string]string{"QDRANT_API_KEY": "other"}
	assert.Equal(t, commandline.ExitFailed, wrong.run("inspect").code)
	wrong.env = map[string]string{"QDRANT_TIMEOUT": "soon"}
	assert.Contains(t, wrong.run("inspect").err, `QDRANT_TIMEOUT (--timeout): "soon" is not a duration`)
	keyFile := filepath.Join(dir, "key")
	require.NoError(t, os.WriteFile(keyFile, []byte("secret\n"), 0o600))
	wrong.env = map[string]string{"QDRANT_API_KEY_FILE": keyFile}
	assert.Equal(t, commandline.ExitDone, wrong.run("inspect").code)
}

func TestStoppedLoadContinues(t *testing.T) {
	cluster := qdranttest.Start(t, 1, qdranttest.Options{})
	d := desk{t: t, target: cluster.Target(), terminal: true}
	rows := randomVectors(3000, 4)
	for _, name := range []string{"rows.fbin", "rows.jsonl"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			args := []string{"load", path, "--collection", name, "--batch-bytes", "1", "--streams", "1"}
			if strings.HasSuffix(name, "fbin") {
				writeFBin(t, path, rows)
			} else {
				writeLines(t, path, rows)
			}

			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			before := len(cluster.Calls())
			go func() { // stops the load after some hundred of its batches
				for ctx.Err() == nil && len(cluster.Calls()) < before+300 {
					select {
					case <-ctx.Done():
					case <-time.After(time.Millisecond):
					}
				}
				interrupt()
			}()
			stopped := d.runFor(ctx, args...)
			require.Equal(t, commandline.ExitInterrupted, stopped.code, stopped.err)
			assert.Contains(t, stopped.err, "stopped; ")
			assert.Contains(t, stopped.err, "the same command continues there")
			content, err := os.ReadFile(path + "." + name + ".progress")
			require.NoError(t, err)
			var kept progress
			require.NoError(t, json.Unmarshal(content, &kept))
			require.Positive(t, kept.Acknowledged)
			require.Less(t, kept.Acknowledged, len(rows))

			// Another load must not take that for its own.
			other := d.run(append(args, "--first-id", "5")...)
			assert.Equal(t, commandline.ExitFailed, other.code)
			assert.Contains(t, other.err, `first id was "0" and is "5"`)

			before = len(cluster.Calls())
			out := d.does(append(args, "--output", "json")...)
			var stats loaded
			require.NoError(t, json.Unmarshal([]byte(out), &stats))
			assert.Equal(t, kept.Acknowledged, stats.Earlier)
			assert.Equal(t, len(rows)-kept.Acknowledged, stats.Rows, "what was acknowledged is not sent again")
			assert.EqualValues(t, len(rows), stats.Points)
			assert.Equal(t, stats.Rows, stats.Batches)
			first := uint64(kept.Acknowledged)
			if strings.HasSuffix(name, "jsonl") {
				first++ // ids from 1 on
			}
			upserts := 0
			for _, call := range cluster.Calls()[before:] { // of which the first may be the one that was under way when the load was stopped
				if upsert, is := call.Request.(*qdrant.UpsertPoints); is {
					assert.GreaterOrEqual(t, upsert.GetPoints()[0].GetId().GetNum(), first)
					upserts++
				}
			}
			assert.GreaterOrEqual(t, upserts, stats.Batches)
			assert.NoFileExists(t, path+"."+name+".progress")
		})
	}
}

func TestProgressOfACollectionThatIsGone(t *testing.T) {
	cluster := qdranttest.Start(t, 1, qdranttest.Options{})
	d := desk{t: t, target: cluster.Target()}
	path := filepath.Join(t.TempDir(), "rows.fbin")
	writeFBin(t, path, randomVectors(20, 4))
	release := cluster.Server(0).FailCalls(qdranttest.CallFault{Method: "Upsert", Code: codes.InvalidArgument, Message: "not today"})
	failed := d.run("load", path, "--collection", "c")
	release()
	assert.Equal(t, commandline.ExitFailed, failed.code)
	assert.Contains(t, failed.err, "not today")
	assert.Contains(t, failed.err, "0 rows are loaded")

	content, err := os.ReadFile(path + ".c.progress")
	require.NoError(t, err)
	changed := strings.Replace(string(content), `"acknowledged":0`, `"acknowledged":12`, 1)
	require.NotEqual(t, string(content), changed)
	moved := strings.Replace(changed, `"collection":"c"`, `"collection":"d"`, 1)
	require.NoError(t, os.WriteFile(path+".d.progress", []byte(moved), 0o600))
	a := d.run("load", path, "--collection", "d")
	assert.Equal(t, commandline.ExitDone, a.code, a.err)
	assert.Contains(t, a.err, "collection d was not there any more: beginning at the first row")
	assert.Contains(t, a.out, "loaded 20 rows")

	require.NoError(t, os.WriteFile(path+".c.progress", []byte("{"), 0o600))
	assert.Contains(t, d.run("load", path, "--collection", "c").err, "does not say how far an earlier load came; --restart starts over")
	assert.Equal(t, commandline.ExitDone, d.run("load", path, "--collection", "c", "--restart").code)

	// Where nothing can be kept, loading goes on all the same.
	a = d.run("load", path, "--collection", "c", "--progress-file", filepath.Join(t.TempDir(), "missing", "file"))
	assert.Equal(t, commandline.ExitDone, a.code)
	assert.Contains(t, a.err, "a load that stops will have to start over")
}

func TestStoppedBeforeItBegins(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	began := time.Now()
	assert.Equal(t, commandline.ExitInterrupted, desk{t: t, target: "127.0.0.1:1"}.runFor(ctx, "inspect").code)
	assert.Less(t, time.Since(began), 5*time.Second)
}
