// Package retry repeats the calls to a cluster that failed in passing, if a repeat does no harm.
package retry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Policy is how often and how soon. All of its values are set.
type Policy struct {
	// Attempts is how often a call is made at most, the first time included.
	Attempts int
	// Backoff is the longest wait before the first repeat; it doubles up to MaxBackoff.
	Backoff, MaxBackoff time.Duration
	// Timeout bounds a call with all its attempts where the context has no deadline.
	Timeout time.Duration
	// AttemptTimeout bounds an attempt of a read, or of a write that does not wait; 0 does not.
	AttemptTimeout time.Duration
}

// Observer hears what happens; each function may be nil.
type Observer struct {
	// Repeat is called before each repeat, with the method's short name and the code of what went before.
	Repeat func(method string, code codes.Code)
	// Exhausted is called when the budget forbids a repeat.
	Exhausted func()
}

// Error is the error of a call that was made more than once, or that the server's rate limiter turned away. status.Code sees what ended it.
type Error struct {
	attempts int
	after    time.Duration // what the server asked to wait at last; -1 where it did not
	err      error         // what ended the call
	before   error         // where that is the end of the caller's context: what the attempt before failed of
}

func (e *Error) Error() string {
	if e.attempts == 1 {
		return e.GRPCStatus().Err().Error()
	}
	return fmt.Sprintf("%v (%d attempts)", e.GRPCStatus().Err(), e.attempts)
}

// Unwrap returns what ended the call, and what was before.
func (e *Error) Unwrap() []error {
	if e.before == nil {
		return []error{e.err}
	}
	return []error{e.err, e.before}
}

// GRPCStatus has the code of what ended the call, and the messages of both.
func (e *Error) GRPCStatus() *status.Status {
	last := status.Convert(e.err)
	if e.before == nil {
		return last
	}
	return status.New(last.Code(), fmt.Sprintf("%s; before: %s", last.Message(), status.Convert(e.before).Message()))
}

type watchKey struct{}

// Watch returns a context whose calls tell of each attempt that failed in passing, before they wait to repeat it.
func Watch(ctx context.Context, failed func()) context.Context {
	return context.WithValue(ctx, watchKey{}, failed)
}

// Interceptor repeats calls by the policy, within the budget. closed ends waits
// between attempts when the connection is closed. A repeat goes to whichever peer the balancer has
// next. It must be the last in the chain.
func Interceptor(p Policy, b *Budget, o Observer, closed <-chan struct{}) grpc.UnaryClientInterceptor {
	return func(
		ctx context.Context, method string, request, reply any, connection *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
	) error {
		b.call()
		// The deadline is no context of its own: each attempt's has it too, and two timers a call are one too many.
		deadline, bounded := ctx.Deadline()
		if !bounded {
			deadline = time.Now().Add(p.Timeout)
		}
		k := kindOf(method, request)
		var trailer metadata.MD
		options = append(options[:len(options):len(options)], grpc.Trailer(&trailer))
		limit := patience(k, request, p.AttemptTimeout)
		var before error // why there is more than one attempt
		for attempts := 1; ; attempts++ {
			impatient, err := attempt(ctx, deadline, limit, func(ctx context.Context) error {
				return invoke(ctx, method, request, reply, connection, options...)
			})
			if err == nil {
				return nil
			}
			if impatient {
				err = status.Errorf(codes.DeadlineExceeded, "no answer within the %s of an attempt", limit)
			}
			left, after := time.Until(deadline), retryAfter(trailer)
			if ctx.Err() != nil || left <= 0 {
				return told(err, attempts, after, before)
			}
			last := status.Convert(err)
			v := decide(p, failure{
				Failure: Failure{Code: last.Code(), Message: last.Message(), After: after, Impatient: impatient},
				kind:    k, attempts: attempts, left: left,
			}, rand.Float64())
			if !v.again {
				return told(err, attempts, after, nil)
			}
			if !b.take() {
				if o.Exhausted != nil {
					o.Exhausted()
				}
				return told(err, attempts, after, nil)
			}
			if failed, watched := ctx.Value(watchKey{}).(func()); watched {
				failed()
			}
			if !sleep(ctx, v.wait, closed) {
				if ctx.Err() == nil {
					return told(err, attempts, after, nil) // closed
				}
				return told(status.FromContextError(ctx.Err()).Err(), attempts, -1, err)
			}
			if o.Repeat != nil {
				o.Repeat(short(method), last.Code())
			}
			trailer, before = nil, err
		}
	}
}

// attempt calls once, until the deadline or for at most the limit, if that is
// not 0. It reports whether it was the limit that ended it.
func attempt(ctx context.Context, deadline time.Time, limit time.Duration, call func(context.Context) error) (impatient bool, err error) {
	end, limited := deadline, false
	if limit > 0 {
		if sooner := time.Now().Add(limit); sooner.Before(deadline) {
			end, limited = sooner, true
		}
	}
	bounded, cancel := ctx, context.CancelFunc(func() {})
	if own, ok := ctx.Deadline(); !ok || !own.Equal(end) {
		bounded, cancel = context.WithDeadline(ctx, end)
	}
	defer cancel()
	if err = call(bounded); err == nil {
		return false, nil
	}
	if status.Code(err) == codes.Canceled && errors.Is(bounded.Err(), context.DeadlineExceeded) {
		// The server knows the deadline too. It answers that time is up with this code (tonic 0.14, src/status.rs: TimeoutExpired),
		// and may do so before our own timer ends.
		err = status.FromContextError(context.DeadlineExceeded).Err()
	}
	return limited && ctx.Err() == nil && bounded.Err() != nil && status.Code(err) == codes.DeadlineExceeded, err
}

// told makes the error of a call: what ended it, how often it was made, how long the server asked to wait, and
// what the attempt before failed of, if what ended the call is only that time was up or the caller left.
func told(err error, attempts int, after time.Duration, before error) error {
	if before == nil && attempts == 1 && after < 0 {
		return err
	}
	return &Error{attempts: attempts, after: after, err: err, before: before}
}

// Attempts returns how often the call behind an error was made.
func Attempts(err error) int {
	if known, ok := errors.AsType[*Error](err); ok {
		return known.attempts
	}
	return 1
}

// After returns how long the server asked to wait by the error of a call; -1 where it did not.
func After(err error) time.Duration {
	if known, ok := errors.AsType[*Error](err); ok {
		return known.after
	}
	return -1
}

// retryAfter reads the header of the server's rate limiter, in whole seconds; -1 where there is none.
func retryAfter(trailer metadata.MD) time.Duration {
	values := trailer.Get("retry-after")
	if len(values) == 0 {
		return -1
	}
	seconds, err := strconv.ParseUint(strings.TrimSpace(values[0]), 10, 32)
	if err != nil {
		return -1
	}
	return time.Duration(seconds) * time.Second
}

// sleep waits, and reports whether nothing ended the wait early.
func sleep(ctx context.Context, d time.Duration, closed <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	case <-closed:
		return false
	}
}
