// Package pipeline sends a stream of batches over several streams at once. It holds few batches in memory, adapts the number of streams to
// what the receiver takes, repeats what was rejected, and knows up to where everything is acknowledged.
package pipeline

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/backoff"
)

// Batch is what is sent at once.
type Batch[B any] struct {
	Value B
	// Documents is the number of documents in it, for positions.
	Documents int
	// Bytes is its size, for the figures.
	Bytes int
}

// Options say how to send.
type Options struct {
	// Start is the number of streams to begin with, at least 1. Most is how many it may become; less than Start is Start.
	Start, Most int
	// Rejection says of an error of send whether it is a rejection, after which the same batch may be sent again, and how long the receiver
	// asked to wait before that (0: it did not ask). All other errors end the run. Nil: every error does.
	Rejection func(error) (after time.Duration, ok bool)
	// Patience is how long one batch may be rejected, from its first rejection on. The rejection after that ends the run.
	Patience time.Duration
	// Progress, unless nil, is called now and then with the figures so far: from one goroutine at a time, not more often than Interval,
	// and only after a batch was acknowledged or rejected. It holds up one stream while it runs.
	Progress func(Stats)
	Interval time.Duration
}

// Stats are the figures of a run.
type Stats struct {
	// Batches, Documents and Bytes were acknowledged, in whatever order.
	Batches, Documents int
	Bytes              int64
	// Prefix is the number of documents from the first on that were acknowledged without a gap.
	Prefix int
	// Rejected counts the rejections, be they attempts of a batch or of Send itself.
	Rejected int
	// Streams is the number of streams allowed at last.
	Streams int
}

// Error is the failure of one batch.
type Error struct {
	// First is the position of the first document of the batch in the run, from 0, and Documents their number. A source that failed is
	// an Error without documents at the position where the next document would have been.
	First, Documents int
	Err              error
}

// Error gives the positions and the cause.
func (e *Error) Error() string {
	at := fmt.Sprintf("document %d", e.First)
	if e.Documents > 1 {
		at = fmt.Sprintf("documents %d to %d", e.First, e.First+e.Documents-1)
	}
	return fmt.Sprintf("%s: %v", at, e.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// The backoff of a batch that was rejected is a full jitter between these.
const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 5 * time.Second
)

// Send sends one batch. It calls rejected each time the receiver turns the batch away and Send tries again by itself, so that the number of
// streams falls at once.
type Send[B any] func(ctx context.Context, value B, rejected func()) error

// Run sends all batches, and returns when the last one is settled and no goroutine is left.
//
// Batches are drawn in the goroutine that calls Run, so making one happens while others are on their way. At most as many as there are
// streams are held, and one more that waits for a stream; a batch that waits to be sent again counts. After the limit was halved more may
// be held than there are streams, never more than there were.
//
// A failure (a batch that failed for good, an error of the source) ends the run: nothing more is drawn, and batches behind it are not sent
// any more. Those before it are, so that the acknowledged prefix reaches it if it can. The *Error is the one with the lowest position.
// When ctx is over, Run awaits what is under way and returns the context's cause. After a panic of the sequence it cancels what is under
// way, and awaits that too.
func Run[B any](ctx context.Context, batches iter.Seq2[Batch[B], error], send Send[B], o Options) (Stats, error) {
	ctx, cancel := context.WithCancel(ctx)
	r := newRun(ctx, o)
	var streams sync.WaitGroup
	defer func() {
		r.unhook()
		r.stop()
		cancel()
		streams.Wait()
	}()
	position, number, whole := 0, 0, true
	if ctx.Err() != nil {
		return r.end(ctx, false)
	}
	for batch, err := range batches {
		if err != nil {
			r.fail(&Error{First: position, Err: err})
			whole = false
			break
		}
		j := job{number: number, first: position, documents: batch.Documents, bytes: batch.Bytes}
		if ctx.Err() != nil || !r.admit() {
			whole = false
			break
		}
		streams.Go(func() {
			deliver(ctx, r, &j, batch.Value, send)
		})
		position += batch.Documents
		number++
	}
	streams.Wait()
	return r.end(ctx, whole && r.stats.Batches == number)
}

// job is a batch on its way.
type job struct {
	number    int // of the batch in the run, from 0
	first     int // position of its first document
	documents int
	bytes     int
	attempts  int
	since     time.Time // of the first rejection that ended an attempt
	epoch     int       // of the limiter when it was last sent
}

// deliver sends one batch until it is acknowledged, or fails for good, or is given up.
func deliver[B any](ctx context.Context, r *run, j *job, value B, send Send[B]) {
	defer r.release()
	rejected := func() { r.rejected(j) }
	for r.begin(j) {
		err := send(ctx, value, rejected)
		switch wait, again := r.settle(ctx, j, err); {
		case !again:
			return
		default:
			r.pause(ctx, j, wait)
		}
	}
}

// run is the state that the streams share.
type run struct {
	options Options
	unhook  func() bool   // lets go of the context
	failed  chan struct{} // closed by the first failure, for those that pause

	mu       sync.Mutex
	changed  sync.Cond // somebody who waits may go on
	canceled bool      // the context is over: nothing more is sent
	limiter  limiter
	held     int              // batches drawn and not settled
	sending  int              // of these, under way
	waiting  map[int]struct{} // of these, waiting for a stream: the batches' numbers
	prefix   prefix
	stats    Stats
	failure  *Error    // nothing behind it is sent
	reported time.Time // when Progress was called last

	reporting sync.Mutex // held while Progress runs
}

func newRun(ctx context.Context, o Options) *run {
	r := &run{
		options: o, failed: make(chan struct{}), limiter: newLimiter(o.Start, o.Most),
		waiting: make(map[int]struct{}), reported: time.Now(),
	}
	r.changed.L = &r.mu
	r.unhook = context.AfterFunc(ctx, r.stop)
	return r
}

// stop has nothing more sent.
func (r *run) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.canceled = true
	r.changed.Broadcast()
}

// admit waits until one more batch may be held. It says false when the run is over.
func (r *run) admit() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.canceled && r.failure == nil && r.held >= r.limiter.limit {
		r.changed.Wait()
	}
	if r.canceled || r.failure != nil {
		return false
	}
	r.held++
	return true
}

// release lets go of a batch.
func (r *run) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held--
	r.changed.Broadcast()
}

// begin waits until a batch that is held may be sent: there is a stream, and no earlier batch waits for one, because the acknowledged
// prefix ends at the earliest. It says false when it is no use any more.
func (r *run) begin(j *job) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting[j.number] = struct{}{}
	for !r.useless(j) && (r.sending >= r.limiter.limit || r.earlierWaits(j.number)) {
		r.changed.Wait()
	}
	delete(r.waiting, j.number)
	r.changed.Broadcast() // a later one may be next
	if r.useless(j) {
		return false
	}
	r.sending++
	j.attempts++
	j.epoch = r.limiter.epoch
	return true
}

func (r *run) earlierWaits(number int) bool {
	for other := range r.waiting {
		if other < number {
			return true
		}
	}
	return false
}

// useless says whether there is no point in sending a batch: the run ends before it. It needs the lock.
func (r *run) useless(j *job) bool {
	return r.canceled || r.failure != nil && r.failure.First < j.first
}

// pause waits, or until sending the batch is no use any more.
func (r *run) pause(ctx context.Context, j *job, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	failed := r.failed
	for {
		select {
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		case <-failed:
			failed = nil
			r.mu.Lock()
			useless := r.useless(j)
			r.mu.Unlock()
			if useless {
				return
			}
		}
	}
}

// rejected notes a rejection while an attempt goes on.
func (r *run) rejected(j *job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rejectedLocked(j)
}

func (r *run) rejectedLocked(j *job) {
	r.limiter.rejected(j.epoch)
	r.stats.Rejected++
}

// settle notes what became of an attempt. It says whether to send the batch again, and after how long.
func (r *run) settle(ctx context.Context, j *job, err error) (wait time.Duration, again bool) {
	defer r.report()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sending--
	r.changed.Broadcast()
	if err == nil {
		r.limiter.succeeded(j.epoch)
		r.prefix.acknowledge(j.number, j.documents)
		r.stats.Batches++
		r.stats.Documents += j.documents
		r.stats.Bytes += int64(j.bytes)
		return 0, false
	}
	if ctx.Err() != nil {
		return 0, false // the context's end is why, whatever the error says
	}
	after, rejection := time.Duration(0), false
	if r.options.Rejection != nil {
		after, rejection = r.options.Rejection(err)
	}
	if !rejection {
		r.failLocked(&Error{First: j.first, Documents: j.documents, Err: err})
		return 0, false
	}
	r.rejectedLocked(j)
	if j.since.IsZero() {
		j.since = time.Now()
	}
	wait = max(after, backoff.Jitter(firstBackoff, lastBackoff, j.attempts, rand.Float64())) //nolint:gosec // jitter is no secret
	if time.Since(j.since)+wait > r.options.Patience {
		r.failLocked(&Error{First: j.first, Documents: j.documents, Err: err})
		return 0, false
	}
	return wait, true
}

// fail ends the run with an error, unless there is one at a lower position.
func (r *run) fail(err *Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failLocked(err)
}

func (r *run) failLocked(err *Error) {
	if r.failure == nil {
		close(r.failed)
	}
	if r.failure == nil || err.First < r.failure.First {
		r.failure = err
	}
	r.changed.Broadcast()
}

// report calls Progress when it is time to and nobody else is at it.
func (r *run) report() {
	if r.options.Progress == nil || !r.reporting.TryLock() {
		return
	}
	defer r.reporting.Unlock()
	r.mu.Lock()
	now := time.Now()
	due := now.Sub(r.reported) >= r.options.Interval
	if due {
		r.reported = now
	}
	stats := r.figures()
	r.mu.Unlock()
	if due {
		r.options.Progress(stats)
	}
}

// figures needs the lock.
func (r *run) figures() Stats {
	stats := r.stats
	stats.Prefix = r.prefix.documents
	stats.Streams = r.limiter.limit
	return stats
}

// end gives the figures and the outcome of a run whose streams have ended. A context that was over too late to prevent anything is no
// failure.
func (r *run) end(ctx context.Context, whole bool) (Stats, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.failure != nil:
		return r.figures(), r.failure
	case !whole:
		return r.figures(), context.Cause(ctx)
	default:
		return r.figures(), nil
	}
}
