// Command summary reads the JSON that `go test` writes and says what it came to: each failed and each skipped test with its
// reason, and the counts. It fails when a test failed, when no test ran, or, with -no-skips, when one was skipped.
//
//	summary [-no-skips] FILE...
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// event is one line of `go test -json`.
type event struct {
	Action, Package, Test, Output string
}

// Results are the tests of some runs, by how they ended. A test with subtests is counted by its subtests alone.
type Results struct {
	Passed, Failed, Skipped int
	// Skips has a line for each skipped test: its name and the reason.
	Skips []string
	// Failures has the names of failed tests and of packages that did not build.
	Failures []string
}

func main() {
	noSkips := flag.Bool("no-skips", false, "fail when a test was skipped")
	flag.Parse()
	results, err := readFiles(flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "summary:", err)
		os.Exit(2)
	}
	for _, skip := range results.Skips {
		fmt.Println("skipped:", skip)
	}
	for _, failure := range results.Failures {
		fmt.Println("failed:", failure)
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", results.Passed, results.Failed, results.Skipped)
	if results.Failed > 0 || results.Passed == 0 || (*noSkips && results.Skipped > 0) {
		os.Exit(1)
	}
}

func readFiles(paths []string) (Results, error) {
	var all Results
	if len(paths) == 0 {
		return all, errors.New("no file of test results was named")
	}
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			return all, fmt.Errorf("reading test results: %w", err)
		}
		results, err := Read(file)
		_ = file.Close()
		if err != nil {
			return all, fmt.Errorf("reading test results %s: %w", path, err)
		}
		all.Passed += results.Passed
		all.Failed += results.Failed
		all.Skipped += results.Skipped
		all.Skips = append(all.Skips, results.Skips...)
		all.Failures = append(all.Failures, results.Failures...)
	}
	return all, nil
}

// Read counts the tests of one run.
func Read(from io.Reader) (Results, error) {
	type name struct{ pkg, test string }
	ended := map[name]string{}
	output := map[name][]string{}
	parents := map[name]bool{}
	brokenPackages := map[string]bool{}
	failedTests := map[string]bool{}
	var order []name

	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			continue // the toolchain puts plain lines between, such as those of a failed build
		}
		n := name{e.Package, e.Test}
		switch e.Action {
		case "output":
			output[n] = append(output[n], e.Output)
		case "pass", "fail", "skip":
			if e.Test == "" {
				if e.Action == "fail" {
					brokenPackages[e.Package] = true
				}
				continue
			}
			if e.Action == "fail" {
				failedTests[e.Package] = true
			}
			if _, seen := ended[n]; !seen {
				order = append(order, n)
			}
			ended[n] = e.Action
			if i := strings.LastIndex(e.Test, "/"); i > 0 {
				parents[name{e.Package, e.Test[:i]}] = true
			}
		}
	}
	var results Results
	for _, n := range order {
		if parents[n] {
			continue
		}
		full := n.pkg + " " + n.test
		switch ended[n] {
		case "pass":
			results.Passed++
		case "fail":
			results.Failed++
			results.Failures = append(results.Failures, full)
		case "skip":
			results.Skipped++
			results.Skips = append(results.Skips, full+": "+reason(output[n]))
		}
	}
	for pkg := range brokenPackages {
		if !failedTests[pkg] { // it did not build, or ended outside a test
			results.Failed++
			results.Failures = append(results.Failures, pkg)
		}
	}
	slices.Sort(results.Failures)
	return results, lines.Err()
}

// reason is what a skipped test said, without the file and line before it.
func reason(output []string) string {
	for _, line := range output {
		if _, said, found := strings.Cut(line, "SKIP: "); found && !strings.HasPrefix(strings.TrimSpace(line), "--- SKIP") {
			return strings.TrimSpace(said)
		}
	}
	for _, line := range output {
		if _, said, found := strings.Cut(line, ".go:"); found {
			return strings.TrimSpace(said)
		}
	}
	return "no reason given"
}
