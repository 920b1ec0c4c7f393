package pipeline

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The acknowledged prefix ends at the earliest batch that is not acknowledged, so that one goes first, whoever has waited longest.
func TestTheEarliestGetsTheNextStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRun(t.Context(), Options{Start: 1})
		defer r.unhook()
		busy := &job{number: 0}
		require.True(t, r.begin(busy))
		var order []int
		for _, number := range []int{3, 1, 4, 2} {
			go func() {
				j := &job{number: number}
				assert.True(t, r.begin(j))
				order = append(order, number)
				_, again := r.settle(t.Context(), j, nil)
				assert.False(t, again)
			}()
			synctest.Wait() // so that they queue in this order
		}
		assert.Empty(t, order)
		r.settle(t.Context(), busy, nil)
		synctest.Wait()
		assert.Equal(t, []int{1, 2, 3, 4}, order)
	})
}
