package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Run is what one run of `go test` came to.
type Run struct {
	Name   string // of its file
	Passed int
	// Failures are the tests that failed, and whatever else was wrong, each with its cause where the results tell it.
	Failures []string
	Skips    []Skip
	// Unsteady are the tests that failed before they passed, each with its cause.
	Unsteady []string
	// Timed are the tests that have no sub-tests and came to an end.
	Timed []Timed
	Took  time.Duration

	tests [][2]string // package and name of each test that was begun
	empty []string    // packages that passed without a test
}

// Skip is a skipped test.
type Skip struct{ Package, Test, Reason string }

func (s Skip) String() string { return fmt.Sprintf("%s %s: %s", s.Package, s.Test, s.Reason) }

// Timed is how long a test took.
type Timed struct {
	Name    string
	Seconds float64
}

// Judge reads the results of a run and its exit code.
func Judge(path string) Run {
	name := strings.TrimSuffix(filepath.Base(path), ".json")
	file, err := os.Open(path)
	if err != nil {
		return Run{Name: name, Failures: []string{fmt.Sprintf("%s: it left no results: %v", name, err)}}
	}
	defer func() { _ = file.Close() }()
	r := Read(file)
	r.Name = name
	code, err := exitCode(strings.TrimSuffix(path, ".json") + ".exit")
	switch {
	case err != nil:
		r.Failures = append(r.Failures, fmt.Sprintf("%s: it was cut short, for it left no exit code: %v", name, err))
	case code != 0 && len(r.Failures) == 0:
		r.Failures = append(r.Failures, fmt.Sprintf("%s: its exit code is %d, and nothing in its results says why", name, code))
	case code == 0 && len(r.Failures) > 0:
		r.Failures = append(r.Failures, fmt.Sprintf("%s: its exit code is 0, in spite of its failures", name))
	}
	return r
}

func exitCode(path string) (int, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(content)))
}

func (r Run) ran() bool { return r.Passed > 0 || len(r.Failures) > 0 }

// needsTests makes a run that proved nothing a failure, and a package of it that did not.
func (r *Run) needsTests() {
	switch {
	case r.ran():
		for _, pkg := range r.empty {
			r.Failures = append(r.Failures, pkg+": it passed, and none of its tests ran")
		}
	case len(r.Skips) > 0:
		r.Failures = append(r.Failures, r.Name+": no test ran, all were skipped")
	default:
		r.Failures = append(r.Failures, r.Name+": no test ran")
	}
}

// event is one line of `go test -json`: see `go doc test2json`, and `go help buildjson` for those of the compiler.
type event struct {
	Time                                                   time.Time
	Action, Package, Test, Output, ImportPath, FailedBuild string
	Elapsed                                                float64
}

// attempt is one execution of a test; there are more where tests are run again.
type attempt struct {
	test    *test
	outcome string // pass, fail or skip; empty while it runs
	seconds float64
	passed  bool // it has said so itself
	crash   string
	said    []string // lines with a place in the source: the causes of failures and skips are among them
	assert  string   // what testify has said under such a line
}

type test struct {
	pkg, name string
	parent    bool
	attempts  []*attempt
}

// binary is one execution of a package's tests.
type binary struct {
	pkg, outcome, failedBuild string
	attempts                  []*attempt
	judged                    bool // PASS or FAIL was said: the tests are over
	crash                     string
	complaint                 string // the first line outside a test that says FAIL: or why the process ends
	last                      string // the last line outside a test
}

// reader gathers the events of a run.
type reader struct {
	tests    map[[2]string]*test
	order    []*test
	binaries []*binary
	current  map[string]*binary
	builds   map[string]string // what the compiler said of a package
	broken   []string          // the packages that did not build
	first    time.Time
	last     time.Time
	damage   []string
}

// Read judges the events of a run alone.
func Read(from io.Reader) Run {
	r := reader{tests: map[[2]string]*test{}, current: map[string]*binary{}, builds: map[string]string{}}
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			r.line(line)
		}
		if errors.Is(err, io.EOF) {
			return r.run()
		}
		if err != nil {
			r.damage = append(r.damage, fmt.Sprintf("reading its results: %v", err))
			return r.run()
		}
	}
}

func (r *reader) line(line []byte) {
	var e event
	err := json.Unmarshal(line, &e)
	switch {
	case !bytes.HasSuffix(line, []byte("\n")):
		r.damage = append(r.damage, "its results are cut short in the middle of a line")
	case err != nil && bytes.HasPrefix(line, []byte("{")):
		r.damage = append(r.damage, fmt.Sprintf("a line of its results is damaged: %.100s", line))
	}
	if err != nil {
		return // lines without a brace are what the toolchain puts between
	}
	if !e.Time.IsZero() {
		if r.first.IsZero() {
			r.first = e.Time
		}
		r.last = e.Time
	}
	switch {
	case e.Action == "build-output":
		if r.builds[e.ImportPath] == "" && !strings.HasPrefix(e.Output, "# ") {
			r.builds[e.ImportPath] = strings.TrimSpace(e.Output)
		}
	case e.Action == "build-fail":
		r.broken = append(r.broken, e.ImportPath)
	case e.Package == "":
	case e.Test == "":
		r.ofPackage(e)
	default:
		r.ofTest(e)
	}
}

func (r *reader) binary(pkg string) *binary {
	if r.current[pkg] == nil {
		r.current[pkg] = &binary{pkg: pkg}
		r.binaries = append(r.binaries, r.current[pkg])
	}
	return r.current[pkg]
}

func (r *reader) ofPackage(e event) {
	b := r.binary(e.Package)
	switch e.Action {
	case "output":
		line := strings.TrimRight(e.Output, "\n")
		crash := crashOf(line)
		switch {
		case line == "PASS" || line == "FAIL":
			b.judged = true
		case strings.HasPrefix(line, "FAIL\t") || strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "coverage: ") || strings.TrimSpace(line) == "":
		default:
			b.last = line
			if b.complaint == "" && (crash != "" || strings.HasPrefix(line, "FAIL: ")) {
				b.complaint = line
			}
		}
		if b.crash == "" {
			b.crash = crash
		}
	case "pass", "fail", "skip":
		b.outcome, b.failedBuild = e.Action, e.FailedBuild
		delete(r.current, e.Package)
	}
}

func (r *reader) ofTest(e event) {
	key := [2]string{e.Package, e.Test}
	t := r.tests[key]
	if t == nil {
		t = &test{pkg: e.Package, name: e.Test}
		r.tests[key] = t
		r.order = append(r.order, t)
		for i := range e.Test {
			if parent := r.tests[[2]string{e.Package, e.Test[:i]}]; e.Test[i] == '/' && parent != nil {
				parent.parent = true
			}
		}
	}
	b := r.binary(e.Package)
	if e.Action == "run" || len(t.attempts) == 0 {
		a := &attempt{test: t}
		t.attempts = append(t.attempts, a)
		b.attempts = append(b.attempts, a)
	}
	a := t.attempts[len(t.attempts)-1]
	switch e.Action {
	case "output":
		line := strings.TrimSpace(e.Output)
		if strings.HasPrefix(line, "--- PASS: ") {
			a.passed = true
		}
		if strings.Contains(line, ".go:") && !strings.HasPrefix(line, "/") {
			a.said = append(a.said, line)
		}
		if said, found := strings.CutPrefix(line, "Error:"); found && a.assert == "" {
			a.assert = strings.TrimSpace(said)
		}
		if crash := crashOf(e.Output); crash != "" && a.crash == "" {
			a.crash = crash
			if b.crash == "" {
				b.crash = crash
			}
		}
	case "pass":
		// A process that ends with success in the middle of a test is taken for a pass of that test; a real one has a line of its own.
		if a.passed {
			a.outcome, a.seconds = e.Action, e.Elapsed
		}
	case "fail", "skip":
		a.outcome, a.seconds = e.Action, e.Elapsed
	}
}

// crashOf is the line with which a process says why it ends.
func crashOf(line string) string {
	for _, begin := range []string{"panic: ", "fatal error: ", "signal: "} {
		if strings.HasPrefix(line, begin) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// run is the verdict over all that was read.
func (r *reader) run() Run {
	run := Run{Took: r.last.Sub(r.first), Failures: r.damage}
	for _, t := range r.order {
		run.tests = append(run.tests, [2]string{t.pkg, t.name})
		r.judge(t, &run)
	}
	explained := map[string]bool{}
	for _, b := range r.binaries {
		if b.outcome == "pass" && len(b.attempts) == 0 {
			run.empty = append(run.empty, b.pkg)
		}
		explained[b.failedBuild] = true
		if failure := r.failureOf(b); failure != "" {
			run.Failures = append(run.Failures, b.pkg+": "+failure)
		}
	}
	for _, path := range r.broken {
		if !explained[path] {
			run.Failures = append(run.Failures, path+": it does not build: "+r.builds[path])
		}
	}
	return run
}

// judge adds a test to the verdict. A parent counts only for what happened in its own body.
func (r *reader) judge(t *test, run *Run) {
	last := t.attempts[len(t.attempts)-1]
	name := t.pkg + " " + t.name
	if !t.parent && last.outcome != "" {
		run.Timed = append(run.Timed, Timed{name, last.seconds})
	}
	switch last.outcome {
	case "pass":
		if !t.parent {
			run.Passed++
		}
		for _, a := range t.attempts {
			if (a.outcome == "" || a.outcome == "fail") && (!t.parent || !r.below(t, failed)) {
				run.Unsteady = append(run.Unsteady, name+because(a.cause()))
				break
			}
		}
	case "skip":
		run.Skips = append(run.Skips, Skip{t.pkg, t.name, last.reason()})
	case "fail":
		if !t.parent || !r.below(t, failed) {
			run.Failures = append(run.Failures, name+because(last.crash))
		}
	default: // a package that never ended has its own line, and says which tests were running
		b := r.binaryOf(last)
		if b.outcome != "" && (!t.parent || !r.below(t, failed)) {
			run.Failures = append(run.Failures, name+": it never ended"+because(last.endOf(b)))
		}
	}
}

// failureOf says what was wrong with a package beyond its tests, empty for nothing.
func (r *reader) failureOf(b *binary) string {
	switch {
	case b.outcome == "":
		var running []string
		for _, a := range b.attempts {
			if a.outcome == "" && (!a.test.parent || !r.below(a.test, unended)) {
				running = append(running, a.test.name)
			}
		}
		if len(running) == 0 {
			return "it started and never ended"
		}
		return "it started and never ended; running: " + strings.Join(running, ", ")
	case b.outcome != "fail":
		return ""
	case b.failedBuild != "":
		who := "it"
		if broken, _, _ := strings.Cut(b.failedBuild, " ["); broken != b.pkg {
			who = broken
		}
		return who + " does not build" + because(r.builds[b.failedBuild])
	case b.judged && b.complaint != "":
		return "it failed outside its tests: " + b.complaint
	}
	for _, a := range b.attempts {
		if failed(a) {
			return "" // which explains it
		}
	}
	return "it failed outside its tests" + because(cmp.Or(b.complaint, b.last))
}

func failed(a *attempt) bool { return a.outcome == "fail" || a.outcome == "" }

func unended(a *attempt) bool { return a.outcome == "" }

// below says whether a sub-test of t had such an attempt.
func (r *reader) below(t *test, such func(*attempt) bool) bool {
	for _, other := range r.order {
		if other.pkg == t.pkg && strings.HasPrefix(other.name, t.name+"/") && slices.ContainsFunc(other.attempts, such) {
			return true
		}
	}
	return false
}

func (r *reader) binaryOf(a *attempt) *binary {
	i := slices.IndexFunc(r.binaries, func(b *binary) bool { return slices.Contains(b.attempts, a) })
	return r.binaries[i]
}

// endOf is why the process ended, said by the test itself or by another of its package.
func (a *attempt) endOf(b *binary) string {
	return cmp.Or(a.crash, b.crash, "its process ended in the middle of it")
}

// cause is why a test failed, as far as one line can tell.
func (a *attempt) cause() string { return cmp.Or(a.crash, a.assert, a.message()) }

// message is the last thing that a test has said, without the place in the source.
func (a *attempt) message() string {
	if len(a.said) == 0 {
		return ""
	}
	_, message, _ := strings.Cut(a.said[len(a.said)-1], ": ")
	return message
}

// reason is why a test was skipped.
func (a *attempt) reason() string {
	for _, line := range a.said {
		if _, said, found := strings.Cut(line, "SKIP: "); found {
			return said
		}
	}
	return cmp.Or(a.message(), "no reason given")
}

func because(cause string) string {
	if cause == "" {
		return ""
	}
	return ": " + cause
}
