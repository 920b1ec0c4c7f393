// Package gate tries the recipes that judge this project, those of the Makefile and .ci/run, on small packages that break in every way in
// which tests break. They are the real recipes: only the packages, and where the results go, are others.
package gate

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	root   = "../.."
	broken = "./tools/summary/testdata/broken/"
	// longest is far beyond the second that one recipe takes, for a machine that is busy.
	longest = 10 * time.Minute
)

// kinds are the ways to break, each with what the summary must say. The last one is about a whole run.
var kinds = []struct{ name, says string }{
	{"parent", "/parent TestParent\n"},
	{"child", "/child TestParent/two\n"},
	{"nobuild", "/nobuild: it does not build: "},
	{"panics", "/panics TestPanics: panic: assignment to entry in nil map"},
	{"timeout", "/timeout TestHangs/here: it never ended: panic: test timed out"},
	{"killed", "/killed TestKilled: it never ended: signal: killed\n"},
	{"exits", "/exits TestExits: it never ended"},
	{"vanishes", "/vanishes: it started and never ended; running: TestVanishes\n"},
	{"testmain", "/testmain: it failed outside its tests: FAIL: no test used the right to delete pods\n"},
	{"zero", ": no test ran\n"},
}

// trials are packages to try a recipe with, and what the summary must say of them: each kind alone, or, for a recipe that takes longer, the
// first and the last alone and all others at once.
func trials(each bool) map[string][]string {
	all := map[string][]string{}
	var others, say []string
	for i, kind := range kinds {
		if each || i == 0 || i == len(kinds)-1 {
			all[broken+kind.name] = []string{kind.says}
			continue
		}
		others, say = append(others, broken+kind.name), append(say, kind.says)
	}
	if len(others) > 0 {
		all[strings.Join(others, " ")] = say
	}
	return all
}

// try runs a command in the repository, as a person would from a shell: without what make and CI hand to this very test.
func try(t *testing.T, environ []string, command ...string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Dir = root
	for _, variable := range os.Environ() {
		switch name, _, _ := strings.Cut(variable, "="); name {
		case "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "CI", "RACE", "RUN", "SUITE", "SUMMARY", "FULL", "E2E_SUITE", "PACKAGES", "RESULTS", "GOTESTSUM_FORMAT":
		default:
			c.Env = append(c.Env, variable)
		}
	}
	c.Env = append(c.Env, environ...)
	// A recipe that was ended may leave a child with the pipe.
	c.WaitDelay = 10 * time.Second
	out, err := c.CombinedOutput()
	if c.ProcessState == nil {
		require.NoError(t, err)
	}
	require.NoError(t, ctx.Err(), "%s", out)
	return c.ProcessState.ExitCode(), string(out)
}

// failures are the lines in which the summary says what failed.
func failures(out string) string {
	var lines strings.Builder
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "failed: ") {
			lines.WriteString(line)
		}
	}
	return lines.String()
}

func TestTargets(t *testing.T) {
	for _, target := range []struct {
		name   string
		passed string // of three tests, in each run of gotestsum
		runs   int
	}{
		{"test-unit", "3 passed", 1},
		{"test-compose", "3 passed", 1},
		{"test-e2e", "3 passed", 1},
		{"test", "9 passed", 3},
	} {
		t.Run(target.name, func(t *testing.T) {
			t.Run("well", func(t *testing.T) { // the first one also builds gotestsum, if nobody has
				code, out := try(t, nil, "make", target.name, "RESULTS="+t.TempDir(), "PACKAGES="+broken+"passes")
				assert.Equal(t, 0, code, out)
				assert.Empty(t, failures(out))
				assert.Contains(t, out, "\n"+target.passed+", 0 failed, 0 skipped\n")
			})
			for packages, says := range trials(target.name == "test-unit") {
				t.Run(name(packages), func(t *testing.T) {
					t.Parallel()
					code, out := try(t, nil, "make", target.name, "RESULTS="+t.TempDir(), "PACKAGES="+packages)
					assert.NotZero(t, code, out)
					for _, say := range says {
						assert.Equal(t, target.runs, strings.Count(failures(out), say), "%s\n%s", say, out)
					}
				})
			}
		})
	}
}

// name is the last part of a path, or says that there are more.
func name(packages string) string {
	if strings.Contains(packages, " ") {
		return "the_others"
	}
	return filepath.Base(packages)
}

func TestRunnerThatFails(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, packages, variable, says string }{
		{"it_is_killed", broken + "killsrunner", "RUN=.", "failed: "},
		{"it_leaves_no_results", broken + "passes", "GOTESTSUM_FORMAT=nonsense", "failed: test: it left no results: "},
		{"its_packages_are_not_there", broken + "nosuch", "RUN=.", "/nosuch: it does not build: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			code, out := try(t, nil, "make", "test-unit", "RESULTS="+t.TempDir(), "PACKAGES="+test.packages, test.variable)
			assert.NotZero(t, code, out)
			assert.Contains(t, failures(out), test.says, out)
		})
	}
}

func TestRaceDetector(t *testing.T) {
	t.Parallel()
	for _, variable := range []string{"RACE=1", "CI=true"} {
		t.Run(variable+"_without_a_C_compiler", func(t *testing.T) {
			t.Parallel()
			code, out := try(t, []string{"CC=/nowhere/cc"}, "make", "test-unit", "RESULTS="+t.TempDir(), "PACKAGES="+broken+"passes", variable)
			assert.NotZero(t, code, out)
			assert.Contains(t, out, "needs a C compiler: apt-get install gcc")
		})
	}
	t.Run("off_unless_it_is_asked_for", func(t *testing.T) {
		t.Parallel()
		for variable, race := range map[string]bool{"RACE=": false, "RACE=0": false, "RACE=1": true, "CI=true": true, "CI=": false} {
			code, out := try(t, []string{"CC=true"}, "make", "--dry-run", "test-unit", "RESULTS="+t.TempDir(), "PACKAGES="+broken+"passes", variable)
			assert.Equal(t, 0, code, out)
			assert.Equal(t, race, strings.Contains(out, " -race "), "%s: %s", variable, out)
		}
	})
}

func TestSuites(t *testing.T) {
	t.Parallel()
	results := t.TempDir()
	code, out := try(t, nil, "make", "test-e2e", "SUITE=core,scaling", "RESULTS="+results, "PACKAGES="+broken+"parent "+broken+"suite")
	assert.NotZero(t, code, out)
	for _, suite := range []string{"core", "scaling"} { // the second one also after the first has failed
		assert.FileExists(t, filepath.Join(results, "e2e-"+suite+".json"))
		assert.Contains(t, out, "E2E_SUITE is "+suite)
		assert.Regexp(t, `(?m)^ +\d+ +2 +2 +0  e2e-`+suite+`$`, out)
	}
}

func TestCIRun(t *testing.T) {
	t.Parallel()
	lab := []string{"CI_LAB=" + t.TempDir()}
	noLab := []string{"CI_LAB=/nowhere"}
	run := func(t *testing.T, environ []string, packages string, sections ...string) (int, string) {
		t.Helper()
		return try(t, append(environ, "RESULTS="+t.TempDir(), "PACKAGES="+packages), append([]string{"bash", ".ci/run"}, sections...)...)
	}
	t.Run("well", func(t *testing.T) {
		t.Parallel()
		code, out := run(t, lab, broken+"passes", "test", "compose", "e2e")
		assert.Equal(t, 0, code, out)
		assert.Empty(t, failures(out))
		assert.Regexp(t, `(?m)^\d+ passed, 0 failed, 0 skipped\n\z`, out)
		for _, line := range []string{`test`, `compose`, `e2e`, `3 +0 +0  test`, `3 +0 +0  controlplane`, `3 +0 +0  compose`, `3 +0 +0  e2e-core`} {
			assert.Regexp(t, `(?m)^ +\d+ +`+line+`$`, out)
		}
		assert.Contains(t, out, "the slowest tests, in seconds\n")
	})
	for packages, says := range trials(false) {
		t.Run(name(packages), func(t *testing.T) {
			t.Parallel()
			code, out := run(t, noLab, packages, "compose")
			assert.NotZero(t, code, out)
			for _, say := range says {
				assert.Contains(t, failures(out), say, out)
			}
			assert.Regexp(t, `(?m)^\d+ passed, [1-9]\d* failed, 0 skipped\n\z`, out)
		})
	}
	for _, section := range []string{"test", "e2e"} {
		t.Run("a_failure_in_"+section, func(t *testing.T) {
			t.Parallel()
			code, out := run(t, noLab, broken+"parent", section)
			assert.NotZero(t, code, out)
			assert.Contains(t, out, "\nFAILED: "+section+"\n")
			assert.Contains(t, failures(out), "/parent TestParent\n")
		})
	}
	t.Run("a_skip_without_the_lab", func(t *testing.T) {
		t.Parallel()
		code, out := run(t, noLab, broken+"skips", "compose")
		assert.Equal(t, 0, code, out)
		assert.Contains(t, out, "3 passed, 0 failed, 3 skipped\n")
	})
	t.Run("a_skip_with_the_lab", func(t *testing.T) {
		t.Parallel()
		for _, section := range []string{"test", "compose"} {
			code, out := run(t, lab, broken+"skips", section)
			assert.NotZero(t, code, out)
			assert.Contains(t, failures(out), "TestSkips: it was skipped, which may not be here: no Docker engine answers; start it\n")
		}
	})
}

// programs makes scripts of these names in a directory and returns a PATH on which they come first.
func programs(t *testing.T, scripts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, script := range scripts {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755))
	}
	return "PATH=" + dir + string(os.PathListSeparator) + os.Getenv("PATH")
}

// What the lab could provide and does not is a failure that says what to do; elsewhere it is a loud skip.
func TestCIRunLooksForDocker(t *testing.T) {
	t.Parallel()
	lab := t.TempDir()
	for name, script := range map[string]string{"up": "exit 0", "env": "exit 0"} {
		require.NoError(t, os.WriteFile(filepath.Join(lab, name), []byte("#!/bin/sh\n"+script), 0o755))
	}
	for _, test := range []struct{ name, lab, docker, says string }{
		{"an_image_is_missing", lab, `[ "$1" = info ]`, "build a server from its source and run shared/lab/qdrant-image BINARY v"},
		{"no_engine_answers", lab, "exit 1", "no Docker engine answers: start one"},
		{"the_lab_does_not_start", t.TempDir(), "exit 1", "the lab did not start: "},
		{"an_image_is_missing_without_a_lab", "/nowhere", `[ "$1" = info ]`, "there is no image docker.io/qdrant/qdrant:v"},
		{"no_engine_answers_without_a_lab", "/nowhere", "exit 1", "no Docker engine answers: start one"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			code, out := try(t, []string{"CI_LAB=" + test.lab, "RESULTS=" + t.TempDir(), programs(t, map[string]string{"docker": test.docker})}, "bash", ".ci/run", "docker", "compose", "e2e")
			assert.Equal(t, test.lab != "/nowhere", code != 0, out)
			assert.Contains(t, out, test.says)
			assert.Contains(t, out, "\nSKIP: compose and e2e were not run")
		})
	}
}

func TestCIRunCleansOnlyWhatIsItsOwn(t *testing.T) {
	t.Parallel()
	log, caches, temporary := filepath.Join(t.TempDir(), "log"), t.TempDir(), t.TempDir()
	for i, dir := range []string{"v1-oldest", "v1-older", "v1-newest", "other"} {
		require.NoError(t, os.Mkdir(filepath.Join(caches, dir), 0o700))
		when := time.Now().Add(time.Duration(i-10) * time.Hour)
		require.NoError(t, os.Chtimes(filepath.Join(caches, dir), when, when))
	}
	for _, dir := range []string{"qdrant-image-1", "qdrant-image-2", "other"} {
		require.NoError(t, os.Mkdir(filepath.Join(temporary, dir), 0o700))
	}
	long := time.Now().Add(-24 * time.Hour)
	require.NoError(t, os.Chtimes(filepath.Join(temporary, "qdrant-image-1"), long, long))
	path := programs(t, map[string]string{
		"kind": `[ "$1" = get ] && printf 'qdrant-e2e-0a1b\nqdrant-e2e-young\nmine\nmy-qdrant-e2e-x\n' || echo "kind $*" >>` + log,
		"docker": `case "$*" in
info*) echo /;;
inspect*young*) date --utc +%FT%TZ;;
inspect*) echo 2026-01-02T03:04:05.678901234Z;;
*dangling=true*title=shepherd*) echo 0123abcd;;
*"image ls"*) printf 'qdrant-shepherd:dev\nqdrant-shepherd:old\nqdrant-shepherd:<none>\n';;
*) echo "docker $*" >>` + log + `;;
esac`,
		"df": "printf 'Avail\n 14\n'",
	})
	code, out := try(t, []string{path, "CI_LAB=/nowhere", "RESULTS=" + t.TempDir(), "LOCALKUBE_CACHE=" + caches, "TMPDIR=" + temporary}, "bash", ".ci/run", "clean")
	assert.Equal(t, 0, code, out)
	assert.Contains(t, out, "WARNING: 14 GB are free on the disk of /")
	did, err := os.ReadFile(log)
	require.NoError(t, err)
	assert.Equal(t, "kind delete cluster --name qdrant-e2e-0a1b\ndocker image rm 0123abcd\ndocker image rm qdrant-shepherd:old\n", string(did))
	names := func(dir string) (names []string) {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		return names
	}
	assert.Equal(t, []string{"other", "v1-newest", "v1-older"}, names(caches))
	assert.Equal(t, []string{"other", "qdrant-image-2"}, names(temporary))
}
