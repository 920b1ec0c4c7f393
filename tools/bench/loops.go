package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// call makes request number i. Numbers count from 0 over all clients.
type call func(ctx context.Context, i int) error

// timed is what a loop has seen.
type timed struct {
	Times   []time.Duration // of the calls that succeeded, in no order
	Elapsed time.Duration   // from the first call to the end of the last
	Failed  int
	// CutOff are those of the failed that an open loop did not wait for any longer, until then.
	CutOff []time.Duration
	First  error // the first failure
}

// rate is the number of successful calls a second.
func (t *timed) rate() float64 {
	if t.Elapsed <= 0 {
		return 0
	}
	return float64(len(t.Times)) / t.Elapsed.Seconds()
}

// waited is how long users have waited, those who gave up included: percentiles of those alone who were answered get better the more are not.
func (t *timed) waited() []time.Duration { return slices.Concat(t.Times, t.CutOff) }

func (t *timed) fail(err error) {
	t.Failed++
	if t.First == nil {
		t.First = err
	}
}

// tolerated is the share of calls that may fail in a closed loop. One that failed is in the report; more than these say that the loop has
// measured something else.
const tolerated = 0.01

// closedLoop has each of several clients make one call after the other for a time. It tells how much a server can take, and not how long
// users wait: a client that waits asks less. It fails if more than the tolerated share of calls does.
func closedLoop(ctx context.Context, clients int, length time.Duration, do call) (timed, error) {
	results := make([]timed, clients)
	var next atomic.Int64
	var running sync.WaitGroup
	begin := time.Now()
	for c := range clients {
		running.Go(func() {
			mine := &results[c]
			for begun := time.Now(); begun.Sub(begin) < length && ctx.Err() == nil; {
				err := do(ctx, int(next.Add(1)-1))
				now := time.Now()
				if err == nil {
					mine.Times = append(mine.Times, now.Sub(begun))
				} else {
					mine.fail(err)
				}
				begun = now
			}
		})
	}
	running.Wait()
	whole := gathered(results, time.Since(begin))
	if err := ctx.Err(); err != nil {
		return whole, err
	}
	if calls := whole.Failed + len(whole.Times); float64(whole.Failed) > tolerated*float64(calls) {
		return whole, fmt.Errorf("%d of %d calls failed, the first: %w", whole.Failed, calls, whole.First)
	}
	return whole, nil
}

// openLoop makes calls at a fixed rate for a time, whether or not earlier ones have been answered, as users do. A call's time counts from
// when it was due, so that a server which stalls is charged for all who had to wait and not only for the one it was asked by (coordinated
// omission). At most inFlight calls are under way; the others wait, and their time runs. It ends when all are answered, or after twice
// the time and a second: what is left then counts as failed, and as having waited until then.
func openLoop(ctx context.Context, rate float64, length time.Duration, inFlight int, do call) (timed, error) {
	total := max(1, int(rate*length.Seconds()))
	working, cancel := context.WithTimeout(ctx, 2*length+time.Second)
	defer cancel()
	results := make([]timed, min(inFlight, total))
	var next atomic.Int64
	var running sync.WaitGroup
	begin := time.Now()
	for w := range results {
		running.Go(func() {
			mine := &results[w]
			pause := time.NewTimer(0)
			defer pause.Stop()
			for {
				i := int(next.Add(1) - 1)
				if i >= total {
					return
				}
				due := begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))
				err := waitUntil(working, pause, due)
				if err == nil {
					err = do(working, i)
				}
				if err == nil {
					mine.Times = append(mine.Times, time.Since(due))
					continue
				}
				mine.fail(err)
				if working.Err() != nil {
					mine.CutOff = append(mine.CutOff, time.Since(due))
				}
			}
		})
	}
	running.Wait()
	return gathered(results, time.Since(begin)), ctx.Err()
}

func waitUntil(ctx context.Context, pause *time.Timer, due time.Time) error {
	wait := time.Until(due)
	if wait <= 0 {
		return ctx.Err()
	}
	pause.Reset(wait)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-pause.C:
		return nil
	}
}

func gathered(results []timed, elapsed time.Duration) timed {
	whole := timed{Elapsed: elapsed}
	for _, r := range results {
		whole.Times = slices.Concat(whole.Times, r.Times)
		whole.CutOff = slices.Concat(whole.CutOff, r.CutOff)
		whole.Failed += r.Failed
		if whole.First == nil {
			whole.First = r.First
		}
	}
	return whole
}
