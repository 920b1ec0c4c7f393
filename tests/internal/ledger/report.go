package ledger

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Figures count the requests of all writers, or of all readers.
type Figures struct {
	Requests int
	// Succeeded is the number of requests that succeeded at last.
	Succeeded int
	// RawFailures counts each attempt that failed.
	RawFailures int
	// Failed is the number of requests that no retry has helped.
	Failed int
	// Unknown is how many of Failed may have had an effect.
	Unknown int
	// LongestGap is the longest time that one writer or reader had to wait from
	// a success to the next; with several, that of the one that waited longest.
	LongestGap time.Duration
	// LongestGapAt is when it began, counted from the start.
	LongestGapAt time.Duration
}

// Report are the figures of a ledger.
type Report struct {
	Writes, Reads Figures
	// IDs is how many points were acknowledged at least once.
	IDs int
	// Stale counts reads that succeeded and answered with less than what had
	// been acknowledged before.
	Stale    int
	Duration time.Duration
	// Errors has a sample of the failed attempts, with how often each occurred.
	Errors map[string]int
}

func (l *Ledger) makeReport(now time.Time) Report {
	writers := make([]*stream, 0, len(l.writers))
	for _, w := range l.writers {
		writers = append(writers, w.stream)
	}
	return Report{
		Writes:   figures(writers, now),
		Reads:    figures(l.readers, now),
		IDs:      len(l.acked),
		Stale:    l.stale,
		Duration: now.Sub(l.started),
		Errors:   l.errors,
	}
}

func figures(streams []*stream, now time.Time) Figures {
	var f Figures
	for _, s := range streams {
		s.gap(now)
		f.Requests += s.requests
		f.Succeeded += int(s.succeeded.Load())
		f.RawFailures += s.rawFailures
		f.Failed += s.failed
		f.Unknown += s.unknown
		if s.longestGap > f.LongestGap {
			f.LongestGap, f.LongestGapAt = s.longestGap, s.longestGapAt.Sub(s.started)
		}
	}
	return f
}

// String is the line of figures that tests print.
func (r Report) String() string {
	line := fmt.Sprintf("writes: %s; reads: %s; %d ids, %s",
		r.Writes.line("acknowledged"), r.Reads.line("answered"), r.IDs, round(r.Duration))
	if r.Stale > 0 {
		line += fmt.Sprintf("; %d stale reads", r.Stale)
	}
	return line
}

func (f Figures) line(done string) string {
	return fmt.Sprintf("%d %s, %d raw failures, %d failed after retries (%d unknown), longest gap %s at +%s",
		f.Succeeded, done, f.RawFailures, f.Failed, f.Unknown, round(f.LongestGap), round(f.LongestGapAt))
}

func round(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Millisecond)
}

// ErrorSample lists what went wrong, the most frequent first, one a line.
func (r Report) ErrorSample() string {
	texts := make([]string, 0, len(r.Errors))
	for text, count := range r.Errors {
		texts = append(texts, fmt.Sprintf("%6d x %s", count, text))
	}
	slices.SortFunc(texts, func(a, b string) int { return strings.Compare(b, a) })
	return strings.Join(texts, "\n")
}

// Budget is what a test allows. Requests that fail after their retries, of
// writers and readers together, and the longest gap of either; a zero gap is
// not checked.
type Budget struct {
	Failed   int
	WriteGap time.Duration
	ReadGap  time.Duration
}

// Within returns an error that names each figure that is over the budget. No
// requests at all is over any budget: it would prove nothing.
func (r Report) Within(budget Budget) error {
	var over []string
	if r.Writes.Succeeded == 0 || r.Reads.Succeeded == 0 {
		over = append(over, fmt.Sprintf("%d writes and %d reads succeeded, at least one of each is needed", r.Writes.Succeeded, r.Reads.Succeeded))
	}
	if failed := r.Writes.Failed + r.Reads.Failed; failed > budget.Failed {
		over = append(over, fmt.Sprintf("%d requests failed after retries, %d allowed", failed, budget.Failed))
	}
	if budget.WriteGap > 0 && r.Writes.LongestGap > budget.WriteGap {
		over = append(over, fmt.Sprintf("no write for %s, %s allowed", round(r.Writes.LongestGap), budget.WriteGap))
	}
	if budget.ReadGap > 0 && r.Reads.LongestGap > budget.ReadGap {
		over = append(over, fmt.Sprintf("no read for %s, %s allowed", round(r.Reads.LongestGap), budget.ReadGap))
	}
	if len(over) > 0 {
		return fmt.Errorf("over budget: %s", strings.Join(over, "; "))
	}
	return nil
}
