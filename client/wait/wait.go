// Package wait polls until a condition holds.
package wait

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Options say how Until polls. The zero value calls the condition every 100 ms.
type Options struct {
	// Every is the pause between two calls.
	Every time.Duration
	// Attempt bounds the context of each call, so that one that hangs is not the last; 0 leaves it at that of the whole wait.
	Attempt time.Duration
}

// Until calls the condition until it returns nil or the context ends. The error then wraps the cause of the end and the last error of the
// condition. An error from Permanent ends the wait at once.
func Until(ctx context.Context, what string, options Options, condition func(ctx context.Context) error) error {
	if options.Every <= 0 {
		options.Every = 100 * time.Millisecond
	}
	ticker := time.NewTicker(options.Every)
	defer ticker.Stop()
	var last error
	for {
		err := attempt(ctx, options.Attempt, condition)
		if err == nil {
			return nil
		}
		if hopeless := new(permanent); errors.As(err, hopeless) {
			return fmt.Errorf("waiting for %s: %w", what, hopeless.error)
		}
		// An error of the end of the wait says less than the one before it.
		if last == nil || ctx.Err() == nil || !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			last = err
		}
		if ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-ticker.C:
				continue
			}
		}
		return fmt.Errorf("waiting for %s: %w; last: %w", what, context.Cause(ctx), last)
	}
}

func attempt(ctx context.Context, timeout time.Duration, condition func(ctx context.Context) error) error {
	if timeout <= 0 {
		return condition(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return condition(ctx)
}

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Permanent marks an error that more waiting will not change. It returns nil for nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}
