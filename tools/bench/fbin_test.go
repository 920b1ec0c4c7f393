package main

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWriteFbin(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, writeFbin(&out, [][]float32{{1, -2}, {0.5, 0}, {0, 0}}))
	assert.Equal(t, []byte{
		3, 0, 0, 0, 2, 0, 0, 0, // rows, dimensions
		0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0,
		0, 0, 0, 0x3f, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0,
	}, out.Bytes())

	out.Reset()
	require.NoError(t, writeFbin(&out, nil))
	assert.Equal(t, make([]byte, 8), out.Bytes(), "a header without rows")

	require.ErrorContains(t, writeFbin(&out, [][]float32{{1, 2}, {1}}), "writing vector 1: it has 1 dimensions instead of 2")
	require.ErrorContains(t, writeFbin(full{}, [][]float32{{1}}), "writing 1 vectors: no space")
}

// full is a disk without space.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space") }
