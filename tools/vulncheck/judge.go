package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// message is one object of govulncheck's JSON stream, as far as it is needed here.
type message struct {
	OSV     *entry   `json:"osv"`
	Finding *finding `json:"finding"`
}

type entry struct {
	ID      string `json:"id"`
	Summary string `json:"summary"`
}

// finding is a vulnerability in a module of the build. Its trace begins with the module alone, then with a package that is imported,
// then with a function that is called: govulncheck writes one finding for each of these that it knows.
type finding struct {
	OSV          string `json:"osv"`
	FixedVersion string `json:"fixed_version"`
	Trace        []struct {
		Module   string `json:"module"`
		Version  string `json:"version"`
		Package  string `json:"package"`
		Function string `json:"function"`
	} `json:"trace"`
}

// stream is what a scan has found.
type stream struct {
	summaries map[string]string
	findings  []finding
}

// parse reads govulncheck's JSON. A stream that is empty is an error: a scan begins with its configuration.
func parse(r io.Reader) (stream, error) {
	result := stream{summaries: map[string]string{}}
	decoder := json.NewDecoder(r)
	messages := 0
	for {
		var m message
		err := decoder.Decode(&m)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return stream{}, fmt.Errorf("reading govulncheck's output: %w", err)
		}
		messages++
		if m.OSV != nil {
			result.summaries[m.OSV.ID] = m.OSV.Summary
		}
		if m.Finding != nil {
			if len(m.Finding.Trace) == 0 {
				return stream{}, fmt.Errorf("reading govulncheck's output: the finding of %s has no trace", m.Finding.OSV)
			}
			result.findings = append(result.findings, *m.Finding)
		}
	}
	if messages == 0 {
		return stream{}, errors.New("reading govulncheck's output: it is empty")
	}
	return result, nil
}

// judge returns a line for each vulnerability that no waiver covers, and for each waiver that is expired or covers nothing. At symbol
// level only a function that is called counts; at module level every vulnerable version.
func judge(scanned stream, level string, waivers []waiver, now time.Time) []string {
	waived := map[string]bool{}
	for _, w := range waivers {
		waived[w.key()] = true
	}
	found := map[string]bool{}
	lines := map[string]bool{}
	for _, f := range scanned.findings {
		at := f.Trace[0]
		key := f.OSV + " " + at.Module
		found[key] = true
		if waived[key] || level == symbol && at.Function == "" {
			continue
		}
		fix := "there is no fix"
		if f.FixedVersion != "" {
			fix = "fixed in " + f.FixedVersion
		}
		lines[fmt.Sprintf("%s: %s %s: %s; %s", f.OSV, at.Module, at.Version, scanned.summaries[f.OSV], fix)] = true
	}
	complaints := slices.Sorted(maps.Keys(lines))
	for _, w := range waivers {
		if !found[w.key()] {
			complaints = append(complaints, fmt.Sprintf("the waiver of %s for %s covers nothing: remove it", w.ID, w.Module))
		} else if w.expired(now) {
			complaints = append(complaints, fmt.Sprintf("the waiver of %s for %s expired on %s; it said: %s", w.ID, w.Module, w.Until, strings.TrimSpace(w.Reason)))
		}
	}
	return complaints
}
