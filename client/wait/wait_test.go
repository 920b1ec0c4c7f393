package wait_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/wait"
)

func TestUntil(t *testing.T) {
	t.Parallel()
	down := errors.New("it is down")
	for _, test := range []struct {
		name    string
		options wait.Options
		// condition has the number of the call, from 1.
		condition func(ctx context.Context, call int) error
		calls     int
		took      time.Duration
		wantErr   string
		wantIs    error
	}{
		{"holds_at_once", wait.Options{}, func(context.Context, int) error { return nil }, 1, 0, "", nil},
		{"holds_at_the_third_call", wait.Options{Every: time.Second}, func(_ context.Context, call int) error {
			if call < 3 {
				return down
			}
			return nil
		}, 3, 2 * time.Second, "", nil},
		{"never_holds", wait.Options{Every: 4 * time.Second}, func(context.Context, int) error { return down }, 3, 10 * time.Second,
			"waiting for the server: context deadline exceeded; last: it is down", down},
		{"is_hopeless", wait.Options{}, func(context.Context, int) error { return fmt.Errorf("asking: %w", wait.Permanent(down)) }, 1, 0,
			"waiting for the server: it is down", down},
		{"hangs_at_one_call", wait.Options{Attempt: time.Second}, func(ctx context.Context, call int) error {
			if call == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}, 2, time.Second, "", nil},
		{"hangs_at_the_end", wait.Options{Every: time.Second}, func(ctx context.Context, call int) error {
			if call == 1 {
				return down
			}
			<-ctx.Done()
			return ctx.Err()
		}, 2, 10 * time.Second, "last: it is down", down},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				calls, began := 0, time.Now()
				err := wait.Until(ctx, "the server", test.options, func(ctx context.Context) error {
					calls++
					return test.condition(ctx, calls)
				})
				assert.Equal(t, test.calls, calls)
				assert.Equal(t, test.took, time.Since(began))
				if test.wantErr == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, test.wantErr)
				require.ErrorIs(t, err, test.wantIs)
			})
		})
	}
	require.NoError(t, wait.Permanent(nil))
}
