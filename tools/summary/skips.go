package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// allowance is a test that may be skipped where nothing else may.
type allowance struct{ pkg, test, reason string }

// readAllowances reads lines such as
//
//	tests/compose TestStack/dashboard: the image has no web UI
//
// in which # begins a comment. The package is the end of an import path.
func readAllowances(path string) ([]allowance, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the tests that may be skipped: %w", err)
	}
	var all []allowance
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, reason, _ := strings.Cut(line, ": ")
		pkg, test, _ := strings.Cut(name, " ")
		if pkg == "" || test == "" || reason == "" {
			return nil, fmt.Errorf("reading the tests that may be skipped: %s: %q is not PACKAGE TEST: REASON", path, line)
		}
		all = append(all, allowance{pkg, test, reason})
	}
	return all, nil
}

func (a allowance) covers(s Skip) bool { return a.test == s.Test && a.of(s.Package) }

func (a allowance) of(pkg string) bool { return pkg == a.pkg || strings.HasSuffix(pkg, "/"+a.pkg) }

// seen says whether the test of the allowance, or the test that it is a part of, was begun.
func (a allowance) seen(r Run) bool {
	top, _, _ := strings.Cut(a.test, "/")
	return slices.ContainsFunc(r.tests, func(t [2]string) bool { return a.of(t[0]) && (t[1] == a.test || t[1] == top) })
}

// forbidSkips turns skips into failures. An allowance for a test that ran and was not skipped is a failure too, or the list would grow for ever.
func forbidSkips(runs []Run, allowed []allowance) {
	used := make([]bool, len(allowed))
	for i := range runs {
		r := &runs[i]
		r.Skips = slices.DeleteFunc(r.Skips, func(s Skip) bool {
			if at := slices.IndexFunc(allowed, func(a allowance) bool { return a.covers(s) }); at >= 0 {
				used[at] = true
				return false
			}
			r.Failures = append(r.Failures, fmt.Sprintf("%s %s: it was skipped, which may not be here: %s", s.Package, s.Test, s.Reason))
			return true
		})
	}
	for at, a := range allowed {
		if used[at] {
			continue
		}
		if i := slices.IndexFunc(runs, a.seen); i >= 0 {
			runs[i].Failures = append(runs[i].Failures, fmt.Sprintf("%s %s: it may be skipped (%s) and was not: take it off the list", a.pkg, a.test, a.reason))
		}
	}
}
