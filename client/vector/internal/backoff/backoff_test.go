package backoff_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/backoff"
)

func TestJitter(t *testing.T) {
	t.Parallel()
	const first, longest = 100 * time.Millisecond, 5 * time.Second
	for _, test := range []struct {
		name     string
		attempts int
		chance   float64
		want     time.Duration
	}{
		{"the first wait", 1, .5, 50 * time.Millisecond},
		{"it doubles", 4, .5, 400 * time.Millisecond},
		{"up to the longest", 7, .5, 2500 * time.Millisecond},
		{"and stays there", 1000, .5, 2500 * time.Millisecond},
		{"any part of it may be all", 4, 0, 0},
	} {
		assert.Equal(t, test.want, backoff.Jitter(first, longest, test.attempts, test.chance), test.name)
	}
}
