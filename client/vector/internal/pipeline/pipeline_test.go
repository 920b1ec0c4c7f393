package pipeline_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errBusy = errors.New("busy")
	errBad  = errors.New("bad")
)

// rejection is one of errBusy.
func rejection(err error) (time.Duration, bool) { return 0, errors.Is(err, errBusy) }

// ten makes n batches of ten documents each. Their values are their numbers.
func ten(n int) iter.Seq2[pipeline.Batch[int], error] {
	return func(yield func(pipeline.Batch[int], error) bool) {
		for i := range n {
			if !yield(pipeline.Batch[int]{Value: i, Documents: 10, Bytes: 100}, nil) {
				return
			}
		}
	}
}

// endingWith makes batches and then an error.
func endingWith(batches iter.Seq2[pipeline.Batch[int], error], err error) iter.Seq2[pipeline.Batch[int], error] {
	return func(yield func(pipeline.Batch[int], error) bool) {
		for batch, before := range batches {
			if !yield(batch, before) {
				return
			}
		}
		yield(pipeline.Batch[int]{}, err)
	}
}

// receiver is a fake that takes a millisecond for a batch, and answers as the function says.
type receiver struct {
	answer func(ctx context.Context, batch, attempt int) error

	mu       sync.Mutex
	now      int
	most     int   // batches at once
	order    []int // as they came
	attempts map[int]int
}

func (r *receiver) send(ctx context.Context, batch int, _ func()) error {
	r.mu.Lock()
	if r.attempts == nil {
		r.attempts = make(map[int]int)
	}
	r.attempts[batch]++
	attempt := r.attempts[batch]
	r.order = append(r.order, batch)
	r.now++
	r.most = max(r.most, r.now)
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.now--
		r.mu.Unlock()
	}()
	time.Sleep(time.Millisecond) // in the bubble's time
	if r.answer == nil {
		return nil
	}
	return r.answer(ctx, batch, attempt)
}

func TestAllIsSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		began := time.Now()
		stats, err := pipeline.Run(t.Context(), ten(100), r.send, pipeline.Options{Start: 4})
		require.NoError(t, err)
		assert.Equal(t, pipeline.Stats{Batches: 100, Documents: 1000, Bytes: 10_000, Prefix: 1000, Streams: 4}, stats)
		assert.Equal(t, 4, r.most)
		assert.Equal(t, 25*time.Millisecond, time.Since(began), "all streams are in use")
		assert.Len(t, r.attempts, 100)
	})
}

func TestAnEmptySourceIsNoError(t *testing.T) {
	t.Parallel()
	stats, err := pipeline.Run(t.Context(), ten(0), (&receiver{}).send, pipeline.Options{})
	require.NoError(t, err)
	assert.Equal(t, pipeline.Stats{Streams: 1}, stats)
}

func TestStreamsGrow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		stats, err := pipeline.Run(t.Context(), ten(100), r.send, pipeline.Options{Start: 2, Most: 6})
		require.NoError(t, err)
		assert.Equal(t, 6, stats.Streams)
		assert.Equal(t, 6, r.most)
	})
}

func TestARejectionHalvesTheStreamsAndIsSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(_ context.Context, batch, attempt int) error {
			if batch < 8 && attempt == 1 {
				return errBusy
			}
			return nil
		}}
		options := pipeline.Options{Start: 8, Rejection: rejection, Patience: time.Minute}
		stats, err := pipeline.Run(t.Context(), ten(12), r.send, options)
		require.NoError(t, err)
		assert.Equal(t, 8, stats.Rejected)
		assert.Equal(t, 120, stats.Prefix)
		assert.GreaterOrEqual(t, stats.Streams, 4)
		assert.Less(t, stats.Streams, 8, "twelve successes at 4 streams make two windows")
		assert.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7}, slices.Sorted(slices.Values(r.order[:8])))
		assert.Len(t, r.order, 20)
	})
}

func TestARejectionHeardOfOnTheWayHalvesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var after []int // how many were under way when each of the later ones began
		r := &receiver{}
		send := func(ctx context.Context, batch int, rejected func()) error {
			if batch < 8 {
				time.Sleep(time.Millisecond)
				rejected()
			}
			if batch >= 8 {
				r.mu.Lock()
				after = append(after, r.now+1)
				r.mu.Unlock()
			}
			return r.send(ctx, batch, rejected)
		}
		stats, err := pipeline.Run(t.Context(), ten(12), send, pipeline.Options{Start: 8, Rejection: rejection})
		require.NoError(t, err)
		assert.Equal(t, 8, stats.Rejected)
		assert.Equal(t, 5, stats.Streams, "halved once, and then a full window")
		assert.LessOrEqual(t, slices.Max(after), 4)
	})
}

// Batches that were drawn, however they wait, are what takes memory.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		held, most := 0, 0
		source := func(yield func(pipeline.Batch[int], error) bool) {
			for i := range 200 {
				mu.Lock()
				held++
				most = max(most, held)
				mu.Unlock()
				if !yield(pipeline.Batch[int]{Value: i, Documents: 1}, nil) {
					return
				}
			}
		}
		r := &receiver{answer: func(_ context.Context, batch, attempt int) error {
			if batch%3 == 0 && attempt < 3 {
				return errBusy
			}
			mu.Lock()
			held--
			mu.Unlock()
			return nil
		}}
		options := pipeline.Options{Start: 4, Most: 6, Rejection: rejection, Patience: time.Hour}
		_, err := pipeline.Run(t.Context(), source, r.send, options)
		require.NoError(t, err)
		assert.LessOrEqual(t, most, 6+1)
		assert.Zero(t, held)
	})
}

func TestTheFirstErrorEndsTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		drawn := 0
		source := func(yield func(pipeline.Batch[int], error) bool) {
			for batch, err := range ten(100) {
				drawn++
				if !yield(batch, err) {
					return
				}
			}
		}
		// 6 fails at once and 5, which is under way, fails later: the lower position counts. 4 is slow, and still gets through.
		r := &receiver{answer: func(_ context.Context, batch, _ int) error {
			switch batch {
			case 4:
				time.Sleep(3 * time.Second)
			case 5:
				time.Sleep(time.Second)
				return errBad
			case 6:
				return errBad
			}
			return nil
		}}
		stats, err := pipeline.Run(t.Context(), source, r.send, pipeline.Options{Start: 4, Rejection: rejection, Patience: time.Minute})
		var failed *pipeline.Error
		require.ErrorAs(t, err, &failed)
		require.ErrorIs(t, err, errBad)
		assert.Equal(t, &pipeline.Error{First: 50, Documents: 10, Err: errBad}, failed)
		assert.Equal(t, "documents 50 to 59: bad", err.Error())
		assert.Equal(t, 50, stats.Prefix)
		// 7 was under way, and if it was acknowledged before 6 was refused, so was 8.
		assert.Contains(t, []int{60, 70}, stats.Documents)
		assert.LessOrEqual(t, drawn, 10)
	})
}

func TestWhatComesBeforeAnErrorOfTheSourceIsSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(_ context.Context, batch, attempt int) error {
			if batch == 2 && attempt < 3 {
				return errBusy
			}
			return nil
		}}
		options := pipeline.Options{Start: 8, Rejection: rejection, Patience: time.Minute}
		stats, err := pipeline.Run(t.Context(), endingWith(ten(3), errBad), r.send, options)
		var failed *pipeline.Error
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, &pipeline.Error{First: 30, Err: errBad}, failed)
		assert.Equal(t, 30, stats.Prefix)
	})
}

// What comes behind an error has no more use: it is not sent again.
func TestWhatComesBehindAnErrorIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		r := &receiver{answer: func(_ context.Context, batch, _ int) error {
			switch batch {
			case 0:
				time.Sleep(time.Second)
				return errBad
			default:
				return errBusy
			}
		}}
		options := pipeline.Options{
			Start: 2, Patience: time.Hour,
			Rejection: func(err error) (time.Duration, bool) { return 10 * time.Minute, errors.Is(err, errBusy) },
		}
		stats, err := pipeline.Run(t.Context(), ten(2), r.send, options)
		require.ErrorIs(t, err, errBad)
		assert.Zero(t, stats.Documents)
		assert.Less(t, time.Since(began), 2*time.Second)
	})
}

func TestPatienceEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(_ context.Context, batch, _ int) error {
			if batch == 1 {
				return errBusy
			}
			return nil
		}}
		began := time.Now()
		stats, err := pipeline.Run(t.Context(), ten(5), r.send, pipeline.Options{Start: 1, Rejection: rejection, Patience: time.Minute})
		require.ErrorIs(t, err, errBusy)
		var failed *pipeline.Error
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, 10, failed.First)
		assert.Greater(t, r.attempts[1], 10, "waits are 5 s at most")
		assert.Equal(t, 10, stats.Prefix)
		assert.LessOrEqual(t, time.Since(began), time.Minute+time.Second)
		assert.Greater(t, time.Since(began), 50*time.Second)
	})
}

func TestTheReceiverSaysHowLongToWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(_ context.Context, _, attempt int) error {
			if attempt == 1 {
				return errBusy
			}
			return nil
		}}
		options := pipeline.Options{
			Start: 1, Patience: time.Minute,
			Rejection: func(err error) (time.Duration, bool) { return 30 * time.Second, errors.Is(err, errBusy) },
		}
		began := time.Now()
		_, err := pipeline.Run(t.Context(), ten(1), r.send, options)
		require.NoError(t, err)
		assert.Equal(t, 30*time.Second+2*time.Millisecond, time.Since(began))
	})
}

func TestCancellation(t *testing.T) {
	t.Parallel()
	errStop := errors.New("stop")
	block := func(ctx context.Context, _, _ int) error {
		<-ctx.Done()
		return ctx.Err()
	}
	tests := []struct {
		name   string
		answer func(ctx context.Context, batch, attempt int) error
	}{
		{name: "while batches are under way", answer: block},
		{name: "while batches wait to be sent again", answer: func(context.Context, int, int) error { return errBusy }},
		{name: "while one is under way and others wait", answer: func(ctx context.Context, batch, attempt int) error {
			if batch == 0 {
				return block(ctx, batch, attempt)
			}
			return errBusy
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(errStop) })
				began := time.Now()
				r := &receiver{answer: test.answer}
				stats, err := pipeline.Run(ctx, ten(100), r.send, pipeline.Options{Start: 4, Rejection: rejection, Patience: time.Hour})
				require.ErrorIs(t, err, errStop)
				assert.Zero(t, stats.Documents)
				assert.Less(t, time.Since(began), 1100*time.Millisecond)
			}) // which fails if a goroutine is left
		})
	}
}

func TestAPanicOfTheSourceLeavesNothingUnderWay(t *testing.T) { //nolint:paralleltest // it looks for goroutines, and others have some
	synctest.Test(t, func(t *testing.T) {
		before := goleak.IgnoreCurrent()
		began := time.Now()
		var under sync.WaitGroup
		under.Add(3)
		source := func(yield func(pipeline.Batch[int], error) bool) {
			for batch, err := range ten(3) {
				yield(batch, err)
			}
			under.Wait()
			time.Sleep(time.Second) // one is slow, one waits to be sent again, one is through
			panic("out of range")
		}
		send := func(ctx context.Context, batch int, _ func()) error {
			under.Done()
			switch batch {
			case 0:
				<-ctx.Done()
				time.Sleep(time.Second)
				return ctx.Err()
			case 1:
				return errBusy
			default:
				return nil
			}
		}
		options := pipeline.Options{
			Start: 8, Patience: 24 * time.Hour,
			Rejection: func(err error) (time.Duration, bool) { return time.Hour, errors.Is(err, errBusy) },
		}
		ctx := context.WithoutCancel(t.Context()) // nobody else ends it
		assert.PanicsWithValue(t, "out of range", func() { _, _ = pipeline.Run(ctx, source, send, options) })
		assert.Equal(t, 2*time.Second, time.Since(began), "what is under way is cancelled and awaited, the wait is given up")
		goleak.VerifyNone(t, before)
	})
}

func TestACancellationThatComesTooLateIsNoError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := &receiver{answer: func(context.Context, int, int) error {
			cancel()
			return nil
		}}
		stats, err := pipeline.Run(ctx, ten(1), r.send, pipeline.Options{})
		require.NoError(t, err)
		assert.Equal(t, 10, stats.Prefix)
	})
}

func TestNothingIsDrawnAfterCancellation(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := &receiver{}
	_, err := pipeline.Run(ctx, ten(100), r.send, pipeline.Options{Start: 2})
	require.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, r.order)
}

func TestProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var calls []pipeline.Stats
		var last time.Time
		inside := false
		r := &receiver{}
		options := pipeline.Options{Start: 2, Interval: 10 * time.Millisecond, Progress: func(s pipeline.Stats) {
			assert.False(t, inside, "one at a time")
			inside = true
			time.Sleep(time.Millisecond)
			inside = false
			if !last.IsZero() {
				assert.GreaterOrEqual(t, time.Since(last), 10*time.Millisecond)
			}
			last = time.Now()
			calls = append(calls, s)
		}}
		_, err := pipeline.Run(t.Context(), ten(100), r.send, options)
		require.NoError(t, err)
		require.Greater(t, len(calls), 2)
		assert.InDelta(t, time.Since(began)/(10*time.Millisecond), len(calls), 2)
		assert.True(t, slices.IsSortedFunc(calls, func(a, b pipeline.Stats) int { return a.Prefix - b.Prefix }))
	})
}
