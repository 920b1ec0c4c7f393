package pipeline

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestPrefixIsWhatHasNoGap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(1, 5), 1, 20).Draw(t, "sizes")
		order := make([]int, len(sizes))
		for i := range order {
			order[i] = i
		}
		order = rapid.Permutation(order).Draw(t, "order")

		var p prefix
		acknowledged := make([]bool, len(sizes))
		for _, batch := range order {
			p.acknowledge(batch, sizes[batch])
			acknowledged[batch] = true
			want := 0
			for i := 0; i < len(sizes) && acknowledged[i]; i++ {
				want += sizes[i]
			}
			if p.documents != want {
				t.Fatalf("%d documents instead of %d after batch %d of %v", p.documents, want, batch, order)
			}
		}
		assert.Empty(t, p.later, "nothing is kept of what is within the prefix")
	})
}
