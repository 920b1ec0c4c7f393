package quickstart

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRead(t *testing.T) {
	t.Parallel()
	start, err := Read()
	require.NoError(t, err)
	assert.Equal(t, "make up\n", start.Up)
	assert.Contains(t, start.Access, "export KUBECONFIG=")
	assert.Contains(t, start.Forward, "port-forward service/")
	assert.Contains(t, start.Vectors, "vector query")
}

func TestMissing(t *testing.T) {
	t.Parallel()
	start := QuickStart{Workload: []string{"A workload", "  written  5000", "  indexed  5000"}, Hits: []string{"0.99  2"}}
	assert.Empty(t, start.Missing("x\n  written 4000\n  indexed 1\n0.99  2\n", true))
	assert.Empty(t, start.Missing("x\n  written 4000\n0.99  2\n", false))
	assert.Equal(t, []string{"  written  5000", "  indexed  5000", "0.99  2"}, start.Missing("x\n0.99  20\n", true))
}
