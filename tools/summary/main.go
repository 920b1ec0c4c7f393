// Command summary says what runs of `go test` came to, and fails unless all of it is well. It judges the events that gotestsum has
// written (FILE.json) together with the exit code of the runner, which lies beside them (FILE.exit): either alone can miss a failure.
//
//	summary [-no-skips [-allow LIST]] [-together] [-table] [-slowest N] FILE.json...
//
// Its last line has the counts. A test with sub-tests is counted by them, unless it failed or was skipped in its own body. What failed
// and is no test counts too: a package, or a run without results, without an end, or without tests.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, complaints io.Writer) int {
	flags := flag.NewFlagSet("summary", flag.ContinueOnError)
	flags.SetOutput(complaints)
	noSkips := flags.Bool("no-skips", false, "count a skipped test as failed")
	allow := flags.String("allow", "", "with -no-skips, a file of the tests that may be skipped, each with its reason")
	together := flags.Bool("together", false, "fail for want of tests only where no file has any, as -run may choose tests of one package alone")
	table := flags.Bool("table", false, "print a table of the files: their seconds and counts")
	slowest := flags.Int("slowest", 0, "print the `N` slowest tests")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() == 0 {
		_, _ = fmt.Fprintln(complaints, "summary: no file of test results was named")
		return 2
	}
	var allowed []allowance
	if *allow != "" {
		var err error
		if allowed, err = readAllowances(*allow); err != nil {
			_, _ = fmt.Fprintln(complaints, "summary:", err)
			return 2
		}
	}

	var runs []Run
	for _, path := range flags.Args() {
		runs = append(runs, Judge(path))
	}
	if !*together || !slices.ContainsFunc(runs, Run.ran) {
		for i := range runs {
			runs[i].needsTests()
		}
	}
	if *noSkips {
		forbidSkips(runs, allowed)
	}
	return report(out, runs, *table, *slowest)
}

func report(out io.Writer, runs []Run, table bool, slowest int) int {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	var passed, failed, skipped int
	for _, r := range runs {
		passed, failed, skipped = passed+r.Passed, failed+len(r.Failures), skipped+len(r.Skips)
		for _, skip := range r.Skips {
			say("skipped: %s", skip)
		}
	}
	for _, r := range runs {
		for _, test := range r.Unsteady {
			say("failed, then passed: %s", test)
		}
	}
	for _, r := range runs {
		for _, failure := range r.Failures {
			say("failed: %s", failure)
		}
	}
	if table {
		say("")
		columns := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
		_, _ = fmt.Fprintln(columns, "seconds\tpassed\tfailed\tskipped\t  suite")
		for _, r := range runs {
			_, _ = fmt.Fprintf(columns, "%.0f\t%d\t%d\t%d\t  %s\n", r.Took.Seconds(), r.Passed, len(r.Failures), len(r.Skips), r.Name)
		}
		_ = columns.Flush()
	}
	if slowest > 0 {
		say("\nthe slowest tests, in seconds")
		for _, test := range slowestOf(runs, slowest) {
			say("%7.1f  %s", test.Seconds, test.Name)
		}
	}
	if table || slowest > 0 {
		say("")
	}
	say("%d passed, %d failed, %d skipped", passed, failed, skipped)
	if failed > 0 {
		return 1
	}
	return 0
}

func slowestOf(runs []Run, n int) []Timed {
	var all []Timed
	for _, r := range runs {
		all = append(all, r.Timed...)
	}
	slices.SortStableFunc(all, func(a, b Timed) int {
		switch {
		case a.Seconds > b.Seconds:
			return -1
		case a.Seconds < b.Seconds:
			return 1
		}
		return 0
	})
	return all[:min(n, len(all))]
}
