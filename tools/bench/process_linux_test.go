package main

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	const rest = " S 1 2 3 4 5 6 7 8 9 10 250 50 13 14 20 0 30"
	for name, line := range map[string]string{
		"a plain name":                  "4711 (qdrant)" + rest,
		"a name with spaces and braces": "4711 (a) b (c) d)" + rest,
	} {
		used, err := parseStat([]byte(line))
		require.NoError(t, err, name)
		assert.Equal(t, 3*time.Second, used, name)
	}
	for _, broken := range []string{"", "4711 (qdrant) S 1", "4711 (qdrant) S 1 2 3 4 5 6 7 8 9 10 x 50 13"} {
		_, err := parseStat([]byte(broken))
		require.Error(t, err, broken)
	}
}

func TestThisProcessIsMeasured(t *testing.T) {
	t.Parallel()
	before := ownCPU()
	x := 1.0
	for ownCPU()-before < 30*time.Millisecond { // ends because it computes
		for range 1 << 16 {
			x += 1 / x
		}
	}
	require.Positive(t, x)
	used, err := processCPU(os.Getpid())
	require.NoError(t, err)
	assert.GreaterOrEqual(t, used, 20*time.Millisecond)
	now, peak, err := processMemory(os.Getpid())
	require.NoError(t, err)
	assert.Positive(t, now)
	assert.GreaterOrEqual(t, peak, now)
	_, err = processCPU(1 << 30)
	require.ErrorContains(t, err, "process 1073741824")
}
