package some

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

// noted is a test that notes how it was ended instead of ending.
type noted struct {
	testing.TB
	said string
}

func (n *noted) Helper()                           {}
func (n *noted) Fatalf(format string, args ...any) { n.said = fmt.Sprintf(format, args...) }

func TestOf(t *testing.T) {
	t.Parallel()
	var n noted
	assert.Equal(t, []int{1, 2}, Of(&n, []int{1, 2}))
	assert.Empty(t, n.said)
	for _, empty := range [][]int{nil, {}} {
		n.said = ""
		Of(&n, empty)
		assert.Equal(t, "an empty []int: nothing would be asserted of it", n.said)
	}
}
