package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The streams in testdata/streams are those of gotestsum over the packages in testdata/broken, as the Makefile runs it. To record them
// again, for instance with another version of Go: make tools, then go test ./tools/summary -update. It runs no other test.
var update = flag.Bool("update", false, "record testdata/streams again")

const (
	streams = "testdata/streams"
	broken  = "github.com/qdrant-shepherd/shepherd/tools/summary/testdata/broken/"
)

// recordings are the streams and what is run for each, in the directory of the broken packages.
var recordings = map[string][]string{
	"passes":     {"--", "-count=1", "./passes"},
	"slow":       {"--", "-count=1", "./slow"},
	"parent":     {"--", "-count=1", "./parent"},
	"child":      {"--", "-count=1", "./child"},
	"nobuild":    {"--", "-count=1", "./nobuild", "./passes"},
	"imports":    {"--", "-count=1", "./imports", "./child"},
	"nosuch":     {"--", "-count=1", "./nosuch", "./passes"},
	"panics":     {"--", "-count=1", "./panics"},
	"timeout":    {"--", "-count=1", "./timeout"},
	"killed":     {"--", "-count=1", "./killed"},
	"exits":      {"--", "-count=1", "./exits"},
	"vanishes":   {"--", "-count=1", "./vanishes"},
	"testmain":   {"--", "-count=1", "./testmain"},
	"both":       {"--", "-count=1", "./both"},
	"zero":       {"--", "-count=1", "./zero"},
	"norun":      {"--", "-count=1", "-run", "Nothing", "./passes"},
	"skips":      {"--", "-count=1", "./skips"},
	"onlyskips":  {"--", "-count=1", "-run", "TestSkips", "./skips"},
	"flaky":      {"--rerun-fails", "--packages", "./flaky", "--", "-count=1"},
	"flakycount": {"--", "-count=2", "./flaky"},
}

func TestMain(m *testing.M) {
	flag.Parse()
	if *update {
		if err := record(); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

// record leaves no trace of the directory in which it runs.
func record() error {
	streams, err := filepath.Abs(streams)
	if err != nil {
		return err
	}
	broken, err := filepath.Abs("testdata/broken")
	if err != nil {
		return err
	}
	gotestsum, err := filepath.Abs("../../bin/gotestsum")
	if err != nil {
		return err
	}
	for name, args := range recordings {
		mark, err := os.MkdirTemp("", "flaky-") //nolint:usetesting // no test runs
		if err != nil {
			return err
		}
		command := exec.Command(gotestsum, append([]string{"--format", "none", "--jsonfile", filepath.Join(streams, name+".json")}, args...)...)
		command.Dir = broken
		command.Env = append(os.Environ(), "GOFLAGS=-trimpath", "FLAKY_MARK="+filepath.Join(mark, "mark"))
		var exit *exec.ExitError
		if err := command.Run(); err != nil && !errors.As(err, &exit) {
			return err
		}
		path := filepath.Join(streams, name+".json")
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, bytes.ReplaceAll(content, []byte(broken), []byte("DIR")), 0o644); err != nil {
			return err
		}
		code := strconv.Itoa(command.ProcessState.ExitCode()) + "\n"
		if err := os.WriteFile(filepath.Join(streams, name+".exit"), []byte(code), 0o644); err != nil {
			return err
		}
		if err := os.RemoveAll(mark); err != nil {
			return err
		}
	}
	return nil
}

// stream is a recorded one, its exit code replaced unless that is empty.
func stream(t *testing.T, name, exit string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(streams, name+".json"))
	require.NoError(t, err)
	if exit == "" {
		recorded, err := os.ReadFile(filepath.Join(streams, name+".exit"))
		require.NoError(t, err)
		exit = string(recorded)
	}
	return write(t, content, exit)
}

// write makes the two files of a run; "none" is no exit code.
func write(t *testing.T, content []byte, exit string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "suite.json"), content, 0o600))
	if exit != "none" {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "suite.exit"), []byte(exit), 0o600))
	}
	return filepath.Join(dir, "suite.json")
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, stream, exit string
		want               Run
	}{
		{
			name: "a_test_with_sub_tests_counts_by_them", stream: "passes",
			want: Run{Passed: 3},
		},
		{
			name: "a_parent_that_fails_in_its_own_body_is_a_failure", stream: "parent",
			want: Run{Passed: 2, Failures: []string{broken + "parent TestParent"}},
		},
		{
			name: "a_parent_that_fails_by_a_sub_test_is_not_counted_again", stream: "child",
			want: Run{Passed: 1, Failures: []string{broken + "child TestParent/two"}},
		},
		{
			name: "a_package_that_does_not_build", stream: "nobuild",
			want: Run{Passed: 3, Failures: []string{
				broken + "nobuild: it does not build: nobuild/nobuild.go:5:15: undefined: missing",
			}},
		},
		{
			name: "a_package_that_imports_one_which_does_not_build_beside_a_failed_test", stream: "imports",
			want: Run{Passed: 1, Failures: []string{
				broken + "child TestParent/two",
				broken + "imports: " + broken + "nobuild does not build: nobuild/nobuild.go:5:15: undefined: missing",
			}},
		},
		{
			name: "a_package_that_is_not_there", stream: "nosuch",
			want: Run{Passed: 3, Failures: []string{"./nosuch: it does not build: stat DIR/nosuch: directory not found"}},
		},
		{
			name: "a_panic", stream: "panics",
			want: Run{Passed: 1, Failures: []string{broken + "panics TestPanics: panic: assignment to entry in nil map [recovered, repanicked]"}},
		},
		{
			name: "a_timeout_names_the_test_that_was_running", stream: "timeout",
			want: Run{Passed: 1, Failures: []string{broken + "timeout TestHangs/here: it never ended: panic: test timed out after 200ms"}},
		},
		{
			name: "a_process_that_was_killed", stream: "killed",
			want: Run{Passed: 1, Failures: []string{broken + "killed TestKilled: it never ended: signal: killed"}},
		},
		{
			name: "a_test_that_ends_the_process", stream: "exits",
			want: Run{Passed: 1, Failures: []string{broken + "exits TestExits: it never ended: its process ended in the middle of it"}},
		},
		{
			name: "a_test_that_ends_the_process_with_success", stream: "vanishes",
			want: Run{Passed: 1, Failures: []string{
				broken + "vanishes: it started and never ended; running: TestVanishes",
				"suite: its exit code is 0, in spite of its failures",
			}},
		},
		{
			name: "a_TestMain_that_fails_after_all_tests_have_passed", stream: "testmain",
			want: Run{Passed: 1, Failures: []string{broken + "testmain: it failed outside its tests: FAIL: no test used the right to delete pods"}},
		},
		{
			name: "a_TestMain_that_fails_after_a_test_has_failed_too", stream: "both",
			want: Run{Passed: 1, Failures: []string{
				broken + "both TestFails",
				broken + "both: it failed outside its tests: FAIL: no test used the right to delete pods",
			}},
		},
		{
			name: "a_package_without_tests", stream: "zero",
			want: Run{Failures: []string{"suite: no test ran"}},
		},
		{
			name: "a_pattern_that_matches_no_test", stream: "norun",
			want: Run{Failures: []string{"suite: no test ran"}},
		},
		{
			name: "a_skip_has_its_reason", stream: "skips",
			want: Run{Passed: 3, Skips: []Skip{
				{broken + "skips", "TestSkips", "no Docker engine answers; start it"},
				{broken + "skips", "TestParent/skips", "the image has no web UI"},
				{broken + "skips", "TestItself", "the rest needs a node"},
			}},
		},
		{
			name: "a_run_that_skips_all_its_tests", stream: "onlyskips",
			want: Run{
				Skips:    []Skip{{broken + "skips", "TestSkips", "no Docker engine answers; start it"}},
				Failures: []string{"suite: no test ran, all were skipped"},
			},
		},
		{
			name: "a_test_that_failed_and_passed_when_it_was_run_again_is_listed", stream: "flaky",
			want: Run{Passed: 2, Unsteady: []string{broken + "flaky TestFailsOnce: the leader was not there yet"}},
		},
		{
			name: "a_test_that_failed_once_of_two_times_leaves_the_exit_code", stream: "flakycount",
			want: Run{
				Passed: 2, Unsteady: []string{broken + "flaky TestFailsOnce: the leader was not there yet"},
				Failures: []string{"suite: its exit code is 1, and nothing in its results says why"},
			},
		},
		{
			name: "a_runner_that_fails_though_its_tests_passed", stream: "passes", exit: "2",
			want: Run{Passed: 3, Failures: []string{"suite: its exit code is 2, and nothing in its results says why"}},
		},
		{
			name: "a_runner_that_succeeds_though_a_test_failed", stream: "parent", exit: "0",
			want: Run{Passed: 2, Failures: []string{
				broken + "parent TestParent",
				"suite: its exit code is 0, in spite of its failures",
			}},
		},
		{
			name: "a_run_without_an_exit_code", stream: "passes", exit: "none",
			want: Run{Passed: 3, Failures: []string{"suite: it was cut short, for it left no exit code: open DIR/suite.exit: no such file or directory"}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := stream(t, test.stream, test.exit)
			got := Judge(path)
			got.needsTests()
			test.want.Name = "suite"
			assert.Equal(t, test.want, alike(got, filepath.Dir(path)))
		})
	}
}

// alike leaves out what differs with each recording, and directories.
func alike(r Run, dir string) Run {
	for i := range r.Failures {
		r.Failures[i] = strings.ReplaceAll(r.Failures[i], dir, "DIR")
	}
	r.Took, r.Timed, r.tests, r.empty = 0, nil, nil, nil
	return r
}

// A package whose tests did not run is a failure beside others whose tests did.
func TestAPackageWithoutATest(t *testing.T) {
	t.Parallel()
	var both []byte
	for _, name := range []string{"passes", "zero"} {
		content, err := os.ReadFile(filepath.Join(streams, name+".json"))
		require.NoError(t, err)
		both = append(both, content...)
	}
	run := Read(bytes.NewReader(both))
	run.needsTests()
	assert.Equal(t, 3, run.Passed)
	assert.Equal(t, []string{broken + "zero: it passed, and none of its tests ran"}, run.Failures)
}

// Whatever the length at which the results end, the verdict is a failure.
func TestResultsThatAreCutShort(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile(filepath.Join(streams, "passes.json"))
	require.NoError(t, err)
	lines := bytes.SplitAfter(whole, []byte("\n"))
	lines = lines[:len(lines)-1] // what is behind the last newline
	upTo := func(n int) []byte { return bytes.Join(lines[:n], nil) }
	pass := broken + "passes"
	running := func(test string) string { return pass + ": it started and never ended; running: " + test }
	for _, test := range []struct {
		name    string
		content []byte
		want    Run
	}{
		{"before_the_first_line", nil, Run{Failures: []string{"suite: its exit code is 137, and nothing in its results says why"}}},
		{"behind_the_start_of_the_package", upTo(1), Run{Failures: []string{pass + ": it started and never ended"}}},
		{"in_a_test", upTo(2), Run{Failures: []string{running("TestAlone")}}},
		{"before_the_end_of_the_package", upTo(len(lines) - 1), Run{Passed: 3, Failures: []string{pass + ": it started and never ended"}}},
		{
			"in_the_middle_of_the_last_line", whole[:len(whole)-10],
			Run{Passed: 3, Failures: []string{"its results are cut short in the middle of a line", pass + ": it started and never ended"}},
		},
		{"before_the_last_newline", whole[:len(whole)-1], Run{Passed: 3, Failures: []string{"its results are cut short in the middle of a line"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := write(t, test.content, "137")
			got := Judge(path)
			got.needsTests()
			test.want.Name = "suite"
			assert.Equal(t, test.want, alike(got, filepath.Dir(path)))
		})
	}
	t.Run("at_each_line_but_the_last", func(t *testing.T) {
		t.Parallel()
		for n := range lines {
			got := Judge(write(t, upTo(n), "0"))
			got.needsTests()
			assert.NotEmpty(t, got.Failures, "%d lines", n)
		}
	})
}

func TestSummary(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "e2e-core.json")
	allow := func(lines string) string {
		path := filepath.Join(t.TempDir(), "skips")
		require.NoError(t, os.WriteFile(path, []byte(lines), 0o600))
		return path
	}
	for _, test := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{
			name: "counts_are_of_all_files", args: []string{stream(t, "passes", ""), stream(t, "child", "")},
			code: 1, want: "failed: " + broken + "child TestParent/two\n4 passed, 1 failed, 0 skipped\n",
		},
		{
			name: "all_is_well", args: []string{stream(t, "passes", "")},
			want: "3 passed, 0 failed, 0 skipped\n",
		},
		{
			name: "results_that_are_missing", args: []string{missing, stream(t, "passes", "")},
			code: 1, want: "failed: e2e-core: it left no results: open " + missing + ": no such file or directory\n3 passed, 1 failed, 0 skipped\n",
		},
		{
			name: "each_file_needs_a_test", args: []string{stream(t, "zero", ""), stream(t, "passes", "")},
			code: 1, want: "failed: suite: no test ran\n3 passed, 1 failed, 0 skipped\n",
		},
		{
			name: "together_one_of_them_needs_a_test", args: []string{"-together", stream(t, "zero", ""), stream(t, "passes", "")},
			want: "3 passed, 0 failed, 0 skipped\n",
		},
		{
			name: "together_none_has_a_test", args: []string{"-together", stream(t, "zero", ""), stream(t, "norun", "")},
			code: 1, want: "failed: suite: no test ran\nfailed: suite: no test ran\n0 passed, 2 failed, 0 skipped\n",
		},
		{
			name: "skips_are_no_failures", args: []string{"-together", stream(t, "onlyskips", ""), stream(t, "passes", "")},
			want: "skipped: " + broken + "skips TestSkips: no Docker engine answers; start it\n3 passed, 0 failed, 1 skipped\n",
		},
		{
			name: "a_test_that_was_run_again_is_said", args: []string{stream(t, "flaky", "")},
			want: "failed, then passed: " + broken + "flaky TestFailsOnce: the leader was not there yet\n2 passed, 0 failed, 0 skipped\n",
		},
		{
			name: "no_skips_makes_them_failures",
			args: []string{"-no-skips", stream(t, "skips", "")},
			code: 1, want: "failed: " + broken + "skips TestSkips: it was skipped, which may not be here: no Docker engine answers; start it\n" +
				"failed: " + broken + "skips TestParent/skips: it was skipped, which may not be here: the image has no web UI\n" +
				"failed: " + broken + "skips TestItself: it was skipped, which may not be here: the rest needs a node\n" +
				"3 passed, 3 failed, 0 skipped\n",
		},
		{
			name: "a_skip_on_the_list_is_one",
			args: []string{"-no-skips", "-allow", allow("# why\n\nbroken/skips TestSkips: no engine here\nskips TestParent/skips: no web UI here\nbroken/skips TestItself: no node here\n"), stream(t, "skips", "")},
			want: "skipped: " + broken + "skips TestSkips: no Docker engine answers; start it\n" +
				"skipped: " + broken + "skips TestParent/skips: the image has no web UI\n" +
				"skipped: " + broken + "skips TestItself: the rest needs a node\n" +
				"3 passed, 0 failed, 3 skipped\n",
		},
		{
			name: "an_entry_of_the_list_whose_test_was_not_skipped",
			args: []string{"-no-skips", "-allow", allow("broken/passes TestAlone: no engine here\nbroken/elsewhere TestAlone: its package did not run\n"), stream(t, "passes", "")},
			code: 1, want: "failed: broken/passes TestAlone: it may be skipped (no engine here) and was not: take it off the list\n3 passed, 1 failed, 0 skipped\n",
		},
		{
			name: "an_entry_of_the_list_without_a_reason",
			args: []string{"-no-skips", "-allow", allow("broken/passes TestAlone\n"), stream(t, "passes", "")},
			code: 2, want: "",
		},
		{name: "no_file", code: 2, want: ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out, complaints strings.Builder
			code := run(test.args, &out, &complaints)
			assert.Equal(t, test.code, code, out.String())
			assert.Equal(t, test.want, out.String())
			assert.Equal(t, test.code == 2, complaints.String() != "", complaints.String())
		})
	}
}

func TestTableAndSlowest(t *testing.T) {
	t.Parallel()
	var out, complaints strings.Builder
	require.Equal(t, 1, run([]string{"-table", "-slowest", "2", stream(t, "slow", ""), stream(t, "child", "")}, &out, &complaints), complaints.String())
	lines := strings.Split(out.String(), "\n")
	require.Len(t, lines, 12, out.String())
	assert.Equal(t, "failed: "+broken+"child TestParent/two", lines[0])
	assert.Equal(t, []string{"seconds", "passed", "failed", "skipped", "suite"}, strings.Fields(lines[2]))
	assert.Equal(t, []string{"3", "0", "0", "suite"}, strings.Fields(lines[3])[1:])
	assert.Equal(t, []string{"1", "1", "0", "suite"}, strings.Fields(lines[4])[1:])
	assert.Equal(t, []string{"0.1", broken + "slow", "TestParent/slowest"}, strings.Fields(lines[7]))
	assert.Equal(t, []string{"0.0", broken + "slow", "TestSlow"}, strings.Fields(lines[8]))
	assert.Equal(t, "4 passed, 1 failed, 0 skipped", lines[10])
}
