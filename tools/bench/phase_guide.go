package main

import (
	"context"
	"runtime"
	"time"

	"github.com/qdrant-shepherd/shepherd/client/vector"
	"github.com/qdrant-shepherd/shepherd/internal/stat"
)

// Promise is a figure of the guide: a rate within a limit for the 95th percentile, and what was found instead.
type Promise struct {
	Name    string  `json:"name"`
	Rate    float64 `json:"rate"`
	LimitMs float64 `json:"limit_ms"`
	// PerCall is how many points or searches one call has; rates count those.
	PerCall int    `json:"per_call"`
	Steps   []step `json:"steps"` // the first is the promise itself
	// HoldsAt is the highest rate tried that held; 0 if none did.
	HoldsAt float64 `json:"holds_at"`
	Recall  float64 `json:"recall_at_10,omitempty"`
}

// The promises. Inserts wait, so that what is acknowledged is found.
const (
	promiseInserts  = "inserts a second, one a call, waiting"
	promiseBatches  = "inserts a second, 250 a call, waiting"
	promiseSearches = "searches a second"
)

const (
	insertBatch = 250
	guideName   = "guide"
)

// guide tries the rates of the guide in open loops, and looks for the highest rates that hold. Inserts go to a collection of their own, which
// is indexed as it grows.
func (s *session) guide(ctx context.Context, c *words, profile Profile) error {
	part := s.report.profile(profile.Name)
	empty, err := fresh[word](ctx, s, guideName, profile, true)
	if err != nil {
		return err
	}
	defer s.drop(ctx, guideName)
	written := 0 // each step writes points of its own, from here on
	inserts := func(perCall int) func() call {
		return func() call {
			from := written
			return func(ctx context.Context, i int) error {
				batch := make([]word, perCall)
				for j := range batch {
					batch[j] = s.anew(from + i*perCall + j)
				}
				return empty.Upsert(ctx, batch...)
			}
		}
	}
	promises := []struct {
		Promise
		calls func() call
	}{
		{
			Promise: Promise{Name: promiseSearches, Rate: 500, LimitMs: 10, PerCall: 1, Recall: part.recallAtEF(profile.EF)},
			calls:   func() call { return s.query(c, vector.EF(profile.EF)) },
		},
		{Promise: Promise{Name: promiseInserts, Rate: 1000, LimitMs: 50, PerCall: 1}, calls: inserts(1)},
		{Promise: Promise{Name: promiseBatches, Rate: 5000, LimitMs: 200, PerCall: insertBatch}, calls: inserts(insertBatch)},
	}
	for _, p := range promises {
		err := s.climb(ctx, &p.Promise, func(ctx context.Context, rate float64) (step, error) {
			done, calls, err := s.tryRate(ctx, p.Promise, rate, p.calls())
			if p.Name != promiseSearches {
				written += calls * p.PerCall
			}
			return done, err
		})
		if len(p.Steps) > 0 {
			part.Guide = append(part.Guide, p.Promise)
		}
		if err != nil {
			return err
		}
		s.say("%s: %.0f %s: p95 %.1f ms; %.0f a second hold below %.0f ms", profile.Name, p.Rate, p.Name, p.Steps[0].Latency.P95,
			p.HoldsAt, p.LimitMs)
	}
	return nil
}

// climb tries rates until the highest is found that holds, or an error ends it.
func (s *session) climb(ctx context.Context, p *Promise, try func(context.Context, float64) (step, error)) error {
	for {
		rate, more := nextRate(p.Rate, p.Steps)
		if !more {
			return nil
		}
		done, err := try(ctx, rate)
		if err != nil {
			return err
		}
		p.Steps = append(p.Steps, done)
		p.HoldsAt = highest(p.Steps)
	}
}

// anew is a document with an id of its own for every i, also once there are no more words.
func (s *session) anew(i int) word {
	w := wordAt(s.data.base, i%s.data.base.Len())
	w.ID = uint64(i)
	return w
}

// tryRate is one rung. Rates count points or searches, calls may have several.
func (s *session) tryRate(ctx context.Context, p Promise, rate float64, do call) (done step, calls int, err error) {
	runtime.GC()
	result, err := openLoop(ctx, rate/float64(p.PerCall), max(s.options.Level/2, 200*time.Millisecond), openLoopInFlight, do)
	if err != nil {
		return step{}, 0, err
	}
	done = step{
		Rate: rate, Achieved: result.rate() * float64(p.PerCall), Failed: result.Failed, Latency: stat.LatencyOf(result.waited()),
	}
	done.Holds = holds(done, p.LimitMs)
	return done, len(result.Times) + result.Failed, nil
}
