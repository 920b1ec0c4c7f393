// Package evidence collects what explains a failed test while it can still be seen: objects, events, logs, the Helm
// releases and each peer's own view of its cluster. It writes them into a directory that the test's output names, next to
// a digest of a few lines.
//
// Nothing is collected from a test that passed. Collecting has a deadline of its own, never fails a test, and writes no
// secret: Secrets' values are replaced wherever they appear.
package evidence

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/qdrant-shepherd/shepherd/tests/internal/cluster"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// Collector gathers the evidence of one test.
type Collector struct {
	cluster    *cluster.Cluster
	namespaces []string
}

// OnFailure has the evidence of the namespaces collected if the test fails. Call it right after the namespace was made:
// cleanups run backwards, so it then looks before anything is deleted.
func OnFailure(t testing.TB, c *cluster.Cluster, namespaces ...string) *Collector {
	t.Helper()
	collector := &Collector{cluster: c, namespaces: namespaces}
	directory := directory(t) // ArtifactDir may not be asked for in a cleanup
	t.Cleanup(func() {
		if t.Failed() {
			collector.collect(t, directory)
		}
	})
	return collector
}

var unfit = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// directory says where the evidence goes: a directory for this test under $ARTIFACTS, go test -artifacts' own, or a
// temporary one. It is made when there is something to write.
func directory(t testing.TB) func() (string, error) {
	name := unfit.ReplaceAllString(t.Name(), "_")
	if base := os.Getenv("ARTIFACTS"); base != "" {
		return func() (string, error) {
			dir, err := filepath.Abs(filepath.Join(base, name))
			if err != nil {
				return "", err
			}
			return dir, os.MkdirAll(dir, 0o755)
		}
	}
	// Without -artifacts, ArtifactDir is deleted with the test.
	if kept := flag.Lookup("test.artifacts"); kept != nil && kept.Value.String() == "true" {
		dir := t.ArtifactDir()
		return func() (string, error) { return dir, nil }
	}
	return func() (string, error) { return os.MkdirTemp("", "qdrant-e2e-"+name+"-") } //nolint:usetesting // it outlives the test
}

// collect runs each part, whatever becomes of the others.
func (c *Collector) collect(t testing.TB, directory func() (string, error)) {
	defer func() {
		if cause := recover(); cause != nil {
			t.Logf("evidence: collecting it panicked: %v\n%s", cause, debug.Stack())
		}
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), timeouts.Evidence)
	defer cancel()
	begin := time.Now()
	dir, err := directory()
	if err != nil {
		t.Logf("evidence: no directory for it: %v", err)
		return
	}
	out := &writer{dir: dir}
	if err := out.learnSecrets(ctx, c.cluster, c.namespaces); err != nil {
		// Without the Secrets nothing can be redacted by value, so nothing that may hold them is written.
		t.Logf("evidence: %v; none is collected", err)
		return
	}

	var digest []string
	for _, namespace := range c.namespaces {
		// The peers first: they are what changes while the rest is read.
		out.attempt("peers of "+namespace, func() error { return c.peers(ctx, out, namespace, &digest) })
		out.attempt("pods of "+namespace, func() error { return c.pods(ctx, out, namespace, &digest) })
		out.attempt("events of "+namespace, func() error { return c.events(ctx, out, namespace, &digest) })
		out.attempt("objects of "+namespace, func() error { return c.objects(ctx, out, namespace) })
		out.attempt("releases of "+namespace, func() error { return c.releases(out, namespace, &digest) })
		out.attempt("logs of "+namespace, func() error { return c.logs(ctx, out, namespace) })
	}
	out.attempt("objects of the cluster", func() error { return c.clusterObjects(ctx, out) })
	if len(out.errs) > 0 {
		_ = out.write("collecting-errors.txt", errors.Join(out.errs...).Error()+"\n")
		digest = append(digest, fmt.Sprintf("%d parts could not be collected, see collecting-errors.txt", len(out.errs)))
	}
	_ = out.write("digest.txt", strings.Join(digest, "\n")+"\n")
	t.Logf("evidence of this failure: %s (%d files, %.0f s)\n%s", dir, out.files, time.Since(begin).Seconds(), out.redact(shorten(digest, 10)))
}

// shorten keeps the digest to the lines that a person reads in a test's output; the file has them all.
func shorten(lines []string, most int) string {
	if len(lines) > most {
		lines = append(append([]string(nil), lines[:most-1]...), fmt.Sprintf("… %d more in digest.txt", len(lines)-most+1))
	}
	for i, line := range lines {
		if runes := []rune(line); len(runes) > 220 {
			lines[i] = string(runes[:220]) + "…"
		}
	}
	return "  " + strings.Join(lines, "\n  ")
}
