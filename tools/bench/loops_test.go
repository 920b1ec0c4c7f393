package main

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// answerAfter is a server that answers each call after a time.
func answerAfter(d time.Duration) call {
	return func(ctx context.Context, _ int) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d):
			return nil
		}
	}
}

func TestClosedLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		result, err := closedLoop(t.Context(), 4, time.Second, answerAfter(10*time.Millisecond))
		require.NoError(t, err)
		assert.Len(t, result.Times, 400)
		assert.InDelta(t, 400, result.rate(), 1)
		for _, took := range result.Times {
			assert.Equal(t, 10*time.Millisecond, took)
		}
	})
}

func TestClosedLoopToleratesFewFailures(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	failing := func(every int) call {
		return func(ctx context.Context, i int) error {
			_ = answerAfter(10*time.Millisecond)(ctx, i)
			if i%every == 0 {
				return broken
			}
			return nil
		}
	}
	synctest.Test(t, func(t *testing.T) {
		result, err := closedLoop(t.Context(), 4, time.Second, failing(100))
		require.NoError(t, err)
		assert.Equal(t, 4, result.Failed)
		assert.Len(t, result.Times, 396)
		assert.InDelta(t, 396, result.rate(), 1, "a failed call is no search")

		result, err = closedLoop(t.Context(), 4, time.Second, failing(50))
		require.ErrorIs(t, err, broken)
		require.ErrorContains(t, err, "8 of 400 calls")
		assert.Equal(t, 8, result.Failed)
	})
}

func TestClosedLoopIsInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := closedLoop(ctx, 2, time.Hour, answerAfter(time.Minute))
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestOpenLoopKeepsItsRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		result, err := openLoop(t.Context(), 100, 10*time.Second, 8, answerAfter(20*time.Millisecond))
		require.NoError(t, err)
		assert.Len(t, result.Times, 1000)
		assert.InDelta(t, 100, result.rate(), 0.5)
		for _, took := range result.Times {
			assert.Equal(t, 20*time.Millisecond, took)
		}
	})
}

// A server that stalls for two seconds is charged for the calls that were due meanwhile. A closed loop would have seen one slow call.
func TestOpenLoopCountsFromWhenACallWasDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		stall := func(ctx context.Context, i int) error {
			if since := time.Since(begin); since >= time.Second && since < 3*time.Second {
				return answerAfter(3*time.Second-since)(ctx, i)
			}
			return nil
		}
		result, err := openLoop(t.Context(), 100, 10*time.Second, 4, stall)
		require.NoError(t, err)
		slow := 0
		for _, took := range result.Times {
			if took > 500*time.Millisecond {
				slow++
			}
		}
		assert.Len(t, result.Times, 1000)
		assert.InDelta(t, 150, slow, 5, "all that were due in the first 1.5 s of the stall")
	})
}

func TestOpenLoopThatCannotKeepUpEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		result, err := openLoop(t.Context(), 1000, 2*time.Second, 2, func(ctx context.Context, i int) error {
			calls.Add(1)
			return answerAfter(100*time.Millisecond)(ctx, i)
		})
		require.NoError(t, err)
		assert.Positive(t, result.Failed)
		assert.Equal(t, 2000, result.Failed+len(result.Times), "each call is counted once")
		assert.Len(t, result.waited(), 2000, "who was not answered has waited, too")
		assert.Greater(t, slices.Min(result.CutOff), 2*time.Second, "until the end, from when it was due")
		assert.Less(t, calls.Load(), int64(200), "what was not sent in time is not sent any more")
		require.Error(t, result.First)
	})
}
