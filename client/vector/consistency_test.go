package vector

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestConsistencyIsChecked(t *testing.T) {
	t.Parallel()
	for c, want := range map[ReadConsistency]bool{
		0: true, 1: true, 9: true, ReadMajority: true, ReadQuorum: true, ReadAll: true, -4: false, -9: false,
	} {
		assert.Equal(t, want, c.valid() == nil, "%d", c)
		assert.Equal(t, want && c != 0, c.proto() != nil, "%d", c)
	}
	for o, want := range map[WriteOrdering]bool{0: true, WriteWeak: true, WriteMedium: true, WriteStrong: true, 4: false, -1: false} {
		assert.Equal(t, want, o.valid() == nil, "%d", o)
		assert.Equal(t, want && o != 0, o.proto() != nil, "%d", o)
	}
	assert.ErrorIs(t, ReadConsistency(-9).valid(), ErrInvalid)
	assert.ErrorIs(t, WriteOrdering(9).valid(), ErrInvalid)
}
