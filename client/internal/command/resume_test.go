package command

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/client/qdranttest"
	"github.com/qdrant-shepherd/shepherd/client/vector"
)

// requests are those of a method that have been answered.
func requests(cluster *qdranttest.Cluster, method string) (list []qdranttest.Call) {
	for _, call := range cluster.Calls() {
		if strings.HasSuffix(call.Method, "/"+method) {
			list = append(list, call)
		}
	}
	return list
}

// during runs a command, and does something after some calls of a method. The command waits for that at a call that hangs, if one is named.
func (d desk) during(cluster *qdranttest.Cluster, method string, times int, hanging string, do func(interrupt func()), args ...string) answer {
	d.t.Helper()
	release := func() {}
	if hanging != "" {
		release = sync.OnceFunc(cluster.Server(0).FailCalls(qdranttest.CallFault{Method: hanging, Hang: true}))
	}
	before := len(requests(cluster, method))
	met := func() bool { return len(requests(cluster, method)) >= before+times }
	ctx, interrupt := context.WithCancel(d.t.Context())
	defer interrupt()
	done := make(chan answer, 1)
	go func() { done <- d.runFor(ctx, args...) }()
	require.Eventually(d.t, met, 10*time.Second, time.Millisecond)
	do(interrupt)
	if ctx.Err() == nil { // else the call that hangs might still succeed, and the load with it
		release()
	}
	a := <-done
	release()
	return a
}

// connected is a client of the cluster's.
func connected(t *testing.T, cluster *qdranttest.Cluster) *vector.DB {
	db, err := vector.Connect(t.Context(), vector.Config{Target: cluster.Target()})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	return db
}

// stats is the summary as JSON of a load that must succeed.
func (d desk) stats(args ...string) (s loaded) {
	d.t.Helper()
	require.NoError(d.t, json.Unmarshal([]byte(d.does(append(args, "--output", "json")...)), &s))
	return s
}

// Whoever stops a load must hear that the index could not be put back.
func TestStoppedLoadTellsWhatElseWentWrong(t *testing.T) {
	cluster := qdranttest.Start(t, 1, qdranttest.Options{})
	path := filepath.Join(t.TempDir(), "rows.fbin")
	writeFBin(t, path, randomVectors(3000, 4))
	a := desk{t: t, target: cluster.Target()}.during(cluster, "Upsert", 100, "", func(interrupt func()) {
		cluster.Server(0).FailCalls(qdranttest.CallFault{Method: "Collections/Update", Code: codes.InvalidArgument, Message: "not today"})
		interrupt()
	}, "load", path, "--collection", "c", "--batch-bytes", "1", "--streams", "1")
	assert.Equal(t, commandline.ExitInterrupted, a.code)
	assert.Regexp(t, `loading into collection c: stopped: indexing collection c again: not today.*; [\d,]+ rows are loaded: the same command continues there`, a.err)
	assert.NotContains(t, a.err, "cancel")
}

// Rows that were acknowledged and are lost are not skipped the next time.
func TestLostPointsAreLoadedAgain(t *testing.T) {
	cluster := qdranttest.Start(t, 1, qdranttest.Options{})
	d := desk{t: t, target: cluster.Target()}
	path := filepath.Join(t.TempDir(), "rows.fbin")
	writeFBin(t, path, randomVectors(20, 4))
	a := d.during(cluster, "DeletePayload", 1, "Count", func(func()) {
		_, err := connected(t, cluster).Raw().Delete(t.Context(), &qdrant.DeletePoints{
			CollectionName: "c", Points: qdrant.NewPointsSelector(qdrant.NewIDNum(3)), Wait: qdrant.PtrOf(true),
		})
		require.NoError(t, err)
	}, "load", path, "--collection", "c", "--defer-index", "never")
	assert.Equal(t, commandline.ExitFailed, a.code)
	assert.Contains(t, a.err, "it has 19 points after documents with 20 different ids: the same command loads everything again")
	assert.NoFileExists(t, path+".c.progress")
	stats := d.stats("load", path, "--collection", "c", "--defer-index", "never")
	assert.Equal(t, 20, stats.Rows)
	assert.EqualValues(t, 20, stats.Points)
}

// A collection that was dropped meanwhile and has other points does not have what was loaded.
func TestProgressOfACollectionThatWasFilledAnew(t *testing.T) {
	cluster := qdranttest.Start(t, 1, qdranttest.Options{})
	d := desk{t: t, target: cluster.Target()}
	rows := randomVectors(20, 4)
	dir := t.TempDir()
	numbers, lines := filepath.Join(dir, "rows.fbin"), filepath.Join(dir, "rows.jsonl")
	writeFBin(t, numbers, rows)
	writeLines(t, lines, rows) // with ids from 1 on
	few := filepath.Join(dir, "few.fbin")
	writeFBin(t, few, rows[:5])
	for name, c := range map[string]struct {
		path, firstID, lost string
	}{
		"other": {numbers, "1000", "point 0"},
		"half":  {numbers, "0", "point 11"},
		"lines": {lines, "1000", "point 1"},
		"part":  {lines, "1", "point 12"},
		"same":  {lines, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			d.t = t
			load := []string{"load", c.path, "--collection", name}
			progressFile := loadedSoFar(t, cluster, d, 12, load...)
			if c.lost == "" {
				d.does("load", c.path, "--collection", name, "--progress-file", filepath.Join(t.TempDir(), "x"))
			} else {
				d.does("load", few, "--collection", name, "--first-id", c.firstID)
			}
			require.FileExists(t, progressFile)
			before := len(requests(cluster, "DeletePayload"))
			a := d.run(load...)
			assert.Equal(t, commandline.ExitDone, a.code, a.err)
			if c.lost == "" {
				assert.Contains(t, a.out, "loaded 8 rows")
				assert.Contains(t, a.out, "12 rows were loaded earlier")
				return
			}
			assert.Contains(t, a.err, "collection "+name+" does not have "+c.lost+", which was loaded: beginning at the first row")
			assert.Contains(t, a.out, "loaded 20 rows")
			assert.Len(t, requests(cluster, "DeletePayload")[before:], 2, "before that the queues are waited for, as at the end")
		})
	}
}

// loadedSoFar drops the collection of a load that came to some row, and leaves its progress.
func loadedSoFar(t *testing.T, cluster *qdranttest.Cluster, d desk, rows int, load ...string) (progressFile string) {
	progressFile = load[1] + "." + load[3] + ".progress"
	a := d.during(cluster, "DeletePayload", 1, "Count", func(interrupt func()) { interrupt() }, append(load, "--defer-index", "never")...)
	require.Equal(t, commandline.ExitInterrupted, a.code, a.err)
	content, err := os.ReadFile(progressFile)
	require.NoError(t, err)
	var is progress
	require.NoError(t, json.Unmarshal(content, &is))
	is.Acknowledged = rows
	content, err = json.Marshal(is)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(progressFile, content, 0o600))
	require.NoError(t, connected(t, cluster).Raw().DeleteCollection(t.Context(), load[3]))
	return progressFile
}

// After a bad row the repaired file is another one, and loading continues with it.
func TestContinuingWithARepairedFile(t *testing.T) {
	cluster := qdranttest.Start(t, 1, qdranttest.Options{})
	d := desk{t: t, target: cluster.Target()}
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	rows := randomVectors(30, 4)
	broken := slices.Clone(rows)
	broken[20] = rows[20][:3]
	load := []string{"load", path, "--collection", "c"}
	writeLines(t, path, broken)
	a := d.run(append(load, "--restart")...)
	assert.Equal(t, commandline.ExitFailed, a.code)
	assert.Contains(t, a.err, "row 20 (id 21): 3 dimensions instead of 4; 20 rows are loaded: repair the file, and the same command with --continue instead of --restart continues there\n")
	a = d.run(load...)
	assert.Contains(t, a.err, "20 rows are loaded: repair the file, and the same command with --continue continues there\n")

	writeLines(t, path, rows)
	a = d.run(load...)
	assert.Equal(t, commandline.ExitFailed, a.code)
	assert.Regexp(t, `is of another load \(size was .*\); --continue continues with the changed file, --restart starts over`, a.err)
	a = d.run(append(load, "--continue", "--no-payload")...)
	assert.Regexp(t, `is of another load \(.*payload was "all" and is "".*\); --restart starts over`, a.err)
	stats := d.stats(append(load, "--continue")...)
	assert.Equal(t, 20, stats.Earlier)
	assert.Equal(t, 10, stats.Rows)
	assert.EqualValues(t, 30, stats.Points)

	// So it is after a row that has another row's id, which the reader does not notice.
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(content), `"id":21,`, `"id":5,`, 1)), 0o600))
	assert.Contains(t, d.run(load...).err, "an earlier document has the same; 20 rows are loaded: repair the file, and the same command with --continue continues there\n")
}

func TestRestartedLoadTellsHowItContinues(t *testing.T) {
	cluster := qdranttest.Start(t, 1, qdranttest.Options{})
	path := filepath.Join(t.TempDir(), "rows.fbin")
	writeFBin(t, path, randomVectors(20, 4))
	cluster.Server(0).FailCalls(qdranttest.CallFault{Method: "Upsert", Code: codes.InvalidArgument, Message: "not today"})
	d := desk{t: t, target: cluster.Target()}
	assert.Regexp(t, "not today.*; 0 rows are loaded: the same command without --restart continues there\n", d.run("load", path, "--collection", "c", "--restart").err)
	assert.Regexp(t, "not today.*; 0 rows are loaded: the same command continues there, with --restart it starts over\n", d.run("load", path, "--collection", "c").err)
}

// A load that was stopped before it had loaded anything is in nobody's way.
func TestProgressOfNothing(t *testing.T) {
	cluster := qdranttest.Start(t, 1, qdranttest.Options{})
	d := desk{t: t, target: cluster.Target()}
	path := filepath.Join(t.TempDir(), "rows.fbin")
	writeFBin(t, path, randomVectors(20, 4))
	release := cluster.Server(0).FailCalls(qdranttest.CallFault{Method: "Upsert", Code: codes.InvalidArgument, Message: "not today"})
	require.Equal(t, commandline.ExitFailed, d.run("load", path, "--collection", "c").code)
	release()
	require.FileExists(t, path+".c.progress")
	assert.Equal(t, 20, d.stats("load", path, "--collection", "c", "--first-id", "5").Rows)
}

// What happens to the file of the progress is no reason to call a complete load incomplete.
func TestProgressThatIsGoneAtTheEnd(t *testing.T) {
	cluster := qdranttest.Start(t, 1, qdranttest.Options{})
	d := desk{t: t, target: cluster.Target()}
	path := filepath.Join(t.TempDir(), "rows.fbin")
	progressFile := path + ".c.progress"
	writeFBin(t, path, randomVectors(20, 4))
	load := []string{"load", path, "--collection", "c", "--defer-index", "never"}

	a := d.during(cluster, "DeletePayload", 1, "Count", func(func()) { require.NoError(t, os.Remove(progressFile)) }, load...)
	assert.Equal(t, commandline.ExitDone, a.code, a.err)
	assert.Contains(t, a.out, "loaded 20 rows")

	a = d.during(cluster, "DeletePayload", 1, "Count", func(func()) { // a directory that is not empty cannot be removed
		require.NoError(t, os.Remove(progressFile))
		require.NoError(t, os.MkdirAll(filepath.Join(progressFile, "x"), 0o700))
	}, load...)
	assert.Equal(t, commandline.ExitFailed, a.code)
	assert.Contains(t, a.err, "removing how far the load came: ")
	assert.Contains(t, a.out, "loaded 20 rows", "all the same")
}

func TestRecordLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "progress")
	require.NoError(t, os.Mkdir(path, 0o700)) // which no file can replace
	require.ErrorContains(t, (&record{path: path}).save(5), "keeping how far the load came: ")
	assert.NoFileExists(t, path+".new")
}

// The last one of several rows with the same id wins, for which they must be sent in order.
func TestDuplicatesAreSentInOrder(t *testing.T) {
	cluster := qdranttest.Start(t, 1, qdranttest.Options{})
	d := desk{t: t, target: cluster.Target()}
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(`{"id":1,"vector":[1,2]}`+"\n"+`{"id":1,"vector":[3,4]}`+"\n"), 0o600))
	load := []string{"load", path, "--collection", "c", "--allow-duplicates"}
	assert.Equal(t, 1, d.stats(load...).Streams)
	assert.Equal(t, 3, d.stats(append(load, "--streams", "3")...).Streams)

	numbers := filepath.Join(t.TempDir(), "rows.fbin")
	writeFBin(t, numbers, randomVectors(2, 2))
	assert.Equal(t, 2, d.stats("load", numbers, "--collection", "c").Streams)
}
