package tend

import (
	"maps"
	"time"
)

// backoff makes what has failed wait before it is tried again, longer each time.
type backoff struct {
	first, most time.Duration
	entries     map[string]retry
}

type retry struct {
	wait  time.Duration
	until time.Time
}

func newBackoff(first, most time.Duration) *backoff {
	return &backoff{first: first, most: most, entries: map[string]retry{}}
}

// failed notes a failure and returns how long to wait.
func (b *backoff) failed(what string, now time.Time) time.Duration {
	wait := b.first
	if last, known := b.entries[what]; known {
		wait = min(2*last.wait, b.most)
	}
	b.entries[what] = retry{wait, now.Add(wait)}
	return wait
}

func (b *backoff) worked(what string) { delete(b.entries, what) }

func (b *backoff) waits(what string, now time.Time) bool { return now.Before(b.entries[what].until) }

// keep forgets all but these.
func (b *backoff) keep(what map[string]bool) {
	maps.DeleteFunc(b.entries, func(key string, _ retry) bool { return !what[key] })
}
