package pipeline

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLimiter(t *testing.T) {
	t.Parallel()
	// s is a success and r a rejection of a batch sent now, o a rejection of one sent before the last halving, p such a success.
	tests := []struct {
		name        string
		start, most int
		outcomes    string
		want        int
	}{
		{name: "begins with the start", start: 4, most: 8, outcomes: "", want: 4},
		{name: "a full window adds a stream", start: 4, most: 8, outcomes: "ssss", want: 5},
		{name: "less than a window adds none", start: 4, most: 8, outcomes: "sss", want: 4},
		{name: "the next window is longer", start: 2, most: 8, outcomes: "sssss", want: 4},
		{name: "the most is the most", start: 2, most: 3, outcomes: "sssssssssssssss", want: 3},
		{name: "a rejection halves", start: 8, most: 8, outcomes: "r", want: 4},
		{name: "an odd number is rounded down", start: 7, most: 8, outcomes: "r", want: 3},
		{name: "two rejections halve twice", start: 8, most: 8, outcomes: "rr", want: 2},
		{name: "those of the same moment halve once", start: 8, most: 8, outcomes: "rooooooo", want: 4},
		{name: "one stream is the least", start: 2, most: 8, outcomes: "rrrr", want: 1},
		{name: "it rises again", start: 8, most: 8, outcomes: "rssss", want: 5},
		{name: "a rejection begins a new window", start: 4, most: 8, outcomes: "sssrs", want: 2},
		{name: "successes from before do not count", start: 4, most: 8, outcomes: "rpppp", want: 2},
		{name: "nonsense is put right", start: 0, most: -1, outcomes: "s", want: 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newLimiter(test.start, test.most)
			for _, outcome := range test.outcomes {
				switch outcome {
				case 's':
					l.succeeded(l.epoch)
				case 'p':
					l.succeeded(l.epoch - 1)
				case 'r':
					l.rejected(l.epoch)
				case 'o':
					l.rejected(l.epoch - 1)
				}
			}
			assert.Equal(t, test.want, l.limit)
		})
	}
}
