package bench

import (
	"context"
	"errors"
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

func TestClosedLoopEndsAtTheFirstFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		_, err := closedLoop(t.Context(), 4, time.Hour, func(ctx context.Context, i int) error {
			if i == 10 {
				return broken
			}
			return answerAfter(time.Second)(ctx, i)
		})
		require.ErrorIs(t, err, broken, "and not that the others were cancelled")
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
		assert.Less(t, calls.Load(), int64(200), "what was not sent in time is not sent any more")
		require.Error(t, result.First)
	})
}
