package vectorfile

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWriteFbin(t *testing.T) {
	var out bytes.Buffer
	rows := vectors(300, 7)
	require.NoError(t, WriteFbin(&out, rows))
	assert.Equal(t, fbinOf(rows), out.Bytes())

	out.Reset()
	require.NoError(t, WriteFbin(&out, nil))
	assert.Equal(t, make([]byte, fbinHeader), out.Bytes())

	require.ErrorContains(t, WriteFbin(&out, [][]float32{{1, 2}, {1}}), "writing vector 1: it has 1 dimensions instead of 2")
	require.ErrorContains(t, WriteFbin(&out, [][]float32{make([]float32, MaxDimension+1)}), "65537 dimensions")
	require.ErrorContains(t, WriteFbin(full{}, rows), "writing 300 vectors: no space")
}

// full is a disk without space.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space") }
