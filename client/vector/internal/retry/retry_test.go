package retry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const search = "/qdrant.Points/Query"

func methodsOf(d grpc.ServiceDesc) (s struct {
	name    string
	methods []string
}) {
	s.name = d.ServiceName
	for _, m := range d.Methods {
		s.methods = append(s.methods, m.MethodName)
	}
	return s
}

// script is a peer that answers each attempt in turn, and notes when it was asked.
type script struct {
	start   time.Time
	answers []func(ctx context.Context, options []grpc.CallOption) error
	times   []time.Duration
}

func (s *script) invoke(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, options ...grpc.CallOption) error {
	if s.start.IsZero() {
		s.start = time.Now()
	}
	s.times = append(s.times, time.Since(s.start))
	return s.answers[min(len(s.times), len(s.answers))-1](ctx, options)
}

func fail(code codes.Code) func(context.Context, []grpc.CallOption) error {
	return func(context.Context, []grpc.CallOption) error { return status.Error(code, "no") }
}

func succeed(context.Context, []grpc.CallOption) error { return nil }

func hang(ctx context.Context, _ []grpc.CallOption) error {
	<-ctx.Done()
	return status.FromContextError(ctx.Err()).Err()
}

// limit refuses as the server's rate limiter does.
func limit(seconds int) func(context.Context, []grpc.CallOption) error {
	return func(_ context.Context, options []grpc.CallOption) error {
		for _, option := range options {
			if trailer, ok := option.(grpc.TrailerCallOption); ok {
				*trailer.TrailerAddr = metadata.Pairs("retry-after", fmt.Sprint(seconds))
			}
		}
		return status.Error(codes.ResourceExhausted, "Rate limiting exceeded")
	}
}

func call(ctx context.Context, p Policy, b *Budget, o Observer, closed <-chan struct{}, s *script) error {
	return Interceptor(p, b, o, closed)(ctx, search, &qdrant.QueryPoints{}, nil, nil, s.invoke)
}

func plenty() *Budget { return NewBudget(1, 1000) }

type answers = []func(context.Context, []grpc.CallOption) error

func TestRepeatsUntilAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard []string
		o := Observer{Repeat: func(method string, code codes.Code) { heard = append(heard, method+" "+code.String()) }}
		s := &script{answers: answers{fail(codes.Unavailable), fail(codes.Aborted), succeed}}
		require.NoError(t, call(t.Context(), policy, plenty(), o, nil, s))
		assert.Len(t, s.times, 3)
		assert.Less(t, s.times[2], 150*time.Millisecond, "50 ms and 100 ms at most")
		assert.Equal(t, []string{"Query Unavailable", "Query Aborted"}, heard)
	})
}

func TestGivesUpAfterTheLastAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: answers{fail(codes.Unavailable)}}
		err := call(t.Context(), policy, plenty(), Observer{}, nil, s)
		assert.Len(t, s.times, 5)
		assert.Equal(t, codes.Unavailable, status.Code(err))
		assert.Equal(t, 5, Attempts(err))
		assert.ErrorContains(t, err, "5 attempts")
	})
}

func TestAFirstErrorThatLastsIsReturnedAsItIs(t *testing.T) {
	t.Parallel()
	s := &script{answers: answers{fail(codes.NotFound)}}
	err := call(t.Context(), policy, plenty(), Observer{}, nil, s)
	assert.Len(t, s.times, 1)
	assert.Equal(t, status.Error(codes.NotFound, "no"), err)
	assert.Equal(t, 1, Attempts(err))
}

func TestAHungPeerCostsOneAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: answers{hang, succeed}}
		require.NoError(t, call(t.Context(), policy, plenty(), Observer{}, nil, s))
		require.Len(t, s.times, 2)
		assert.GreaterOrEqual(t, s.times[1], 10*time.Second)
		assert.Less(t, s.times[1], 10*time.Second+50*time.Millisecond)
	})
}

// expire answers as the server does when the deadline that it was told has passed.
func expire(ctx context.Context, _ []grpc.CallOption) error {
	<-ctx.Done()
	return status.Error(codes.Canceled, "Timeout expired")
}

func TestAServerThatEndsTheAttemptItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: answers{expire, succeed}}
		require.NoError(t, call(t.Context(), policy, plenty(), Observer{}, nil, s))
		assert.Len(t, s.times, 2)

		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err := call(ctx, policy, plenty(), Observer{}, nil, &script{answers: answers{expire}})
		assert.Equal(t, codes.DeadlineExceeded, status.Code(err), "nobody has cancelled")
	})
}

func TestAHungClusterCostsTheCallItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		start := time.Now()
		err := call(ctx, policy, plenty(), Observer{}, nil, &script{answers: answers{hang}})
		assert.Equal(t, 25*time.Second, time.Since(start))
		assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
		assert.Equal(t, 3, Attempts(err))
		assert.ErrorContains(t, err, "before: no answer within the 10s of an attempt", "why there were several")
	})
}

func TestACallWithoutADeadlineGetsThePolicys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, method := range []string{search, "/qdrant.Snapshots/Create"} {
			start := time.Now()
			err := Interceptor(policy, plenty(), Observer{}, nil)(t.Context(), method, nil, nil, nil, (&script{answers: answers{hang}}).invoke)
			took := time.Since(start)
			assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
			if method == search {
				assert.Equal(t, 5, Attempts(err))
				assert.InDelta(t, 50*time.Second, took, float64(time.Second), "five attempts of 10 s")
			} else {
				assert.Equal(t, time.Minute, took)
			}
		}
	})
}

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: answers{limit(7), succeed}}
		require.NoError(t, call(t.Context(), policy, plenty(), Observer{}, nil, s))
		assert.GreaterOrEqual(t, s.times[1], 7*time.Second)
		assert.Less(t, s.times[1], 7*time.Second+50*time.Millisecond)

		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		s = &script{answers: answers{limit(7), succeed}}
		start := time.Now()
		err := call(ctx, policy, plenty(), Observer{}, nil, s)
		assert.Equal(t, codes.ResourceExhausted, status.Code(err))
		assert.Zero(t, time.Since(start), "there is no use in waiting for what comes too late")
		assert.Len(t, s.times, 1)
	})
}

func TestErrorsSayHowLongToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for method, attempts := range map[string]int{search: 3, "/qdrant.Points/UpdateBatch": 3, "/qdrant.Snapshots/Create": 1} {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			s := &script{answers: answers{limit(7)}}
			err := Interceptor(policy, plenty(), Observer{}, nil)(ctx, method, nil, nil, nil, s.invoke)
			assert.Equal(t, 7*time.Second, After(err), method)
			assert.Equal(t, attempts, Attempts(err), method)
			assert.Equal(t, attempts > 1, strings.Contains(err.Error(), "3 attempts"), err)
			cancel()
		}
		assert.Negative(t, After(call(t.Context(), policy, plenty(), Observer{}, nil, &script{answers: answers{fail(codes.Unavailable)}})))
	})
}

func TestWatchHearsWhatIsRepeatedBeforeTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var heard []time.Duration
		ctx := Watch(t.Context(), func() { heard = append(heard, time.Since(start)) })
		require.NoError(t, call(ctx, policy, plenty(), Observer{}, nil, &script{answers: answers{limit(7), succeed}}))
		assert.Equal(t, []time.Duration{0}, heard)

		for _, code := range []codes.Code{codes.NotFound, codes.ResourceExhausted} {
			require.Error(t, call(ctx, policy, plenty(), Observer{}, nil, &script{answers: answers{fail(code)}}))
		}
		assert.Len(t, heard, 1, "what is not repeated is the caller's to see")
	})
}

func TestAnOldRetryAfterDoesNotLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: answers{limit(7), fail(codes.Unavailable), succeed}}
		require.NoError(t, call(t.Context(), policy, plenty(), Observer{}, nil, s))
		assert.Less(t, s.times[2]-s.times[1], 100*time.Millisecond)
	})
}

func TestCancellationEndsTheWaitAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		err := call(ctx, policy, plenty(), Observer{}, nil, &script{answers: answers{limit(30), succeed}})
		assert.Equal(t, time.Second, time.Since(start))
		assert.Equal(t, codes.Canceled, status.Code(err))
		assert.ErrorContains(t, err, "before: Rate limiting exceeded")
	})
}

func TestClosingEndsTheWaitAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(closed) })
		start := time.Now()
		err := call(t.Context(), policy, plenty(), Observer{}, closed, &script{answers: answers{limit(30), succeed}})
		assert.Equal(t, time.Second, time.Since(start))
		assert.Equal(t, codes.ResourceExhausted, status.Code(err))
	})
}

func TestMethodsThatMustNotBeRepeated(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"/qdrant.Snapshots/Create", "/qdrant.Collections/Create", "/qdrant.Collections/UpdateAliases"} {
		s := &script{answers: answers{fail(codes.Unavailable)}}
		err := Interceptor(policy, plenty(), Observer{}, nil)(t.Context(), method, nil, nil, nil, s.invoke)
		assert.Equal(t, codes.Unavailable, status.Code(err))
		assert.Len(t, s.times, 1, method)
	}
}

func TestBudgetBoundsTheRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exhausted := 0
		b, o := NewBudget(.2, 10), Observer{Exhausted: func() { exhausted++ }}
		impatient := policy
		impatient.Backoff, impatient.MaxBackoff = time.Nanosecond, time.Nanosecond // so that all happens within one second
		attempts := 0
		const calls = 1000
		for range calls {
			s := &script{answers: answers{fail(codes.Unavailable)}}
			err := call(t.Context(), impatient, b, o, nil, s)
			require.Equal(t, codes.Unavailable, status.Code(err))
			attempts += len(s.times)
		}
		assert.Equal(t, calls+100+calls/5, attempts, "a reserve of 10 a second for ten seconds, and a fifth of the calls")
		assert.Positive(t, exhausted)
	})
}

func TestBudgetForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(.5, 0)
		for range 10 {
			b.call()
		}
		for range 5 {
			assert.True(t, b.take())
		}
		assert.False(t, b.take())
		time.Sleep(9 * time.Second) // fake time
		assert.False(t, b.take(), "nine seconds are not forgotten")
		b.call()
		b.call()
		time.Sleep(time.Second)
		assert.True(t, b.take(), "of the two calls")
		assert.False(t, b.take())
		time.Sleep(time.Hour)
		assert.False(t, b.take(), "no calls, no repeats")
	})
}

func TestErrorKeepsWhatItIsMadeOf(t *testing.T) {
	t.Parallel()
	cause := status.Error(codes.Unavailable, "connection refused")
	err := fmt.Errorf("searching: %w", told(status.FromContextError(context.Canceled).Err(), 2, -1, cause))
	assert.ErrorIs(t, err, cause)
	assert.Equal(t, codes.Canceled, status.Code(err))
	assert.Equal(t, 2, Attempts(err))
	assert.Equal(t, 1, Attempts(errors.New("another")))
}
