package repository

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRoot(t *testing.T) {
	found, err := Root()
	require.NoError(t, err)
	assert.FileExists(t, filepath.Join(found, "go.work"))

	t.Chdir(filepath.Join(found, "client", "vector"))
	again, err := Root()
	require.NoError(t, err)
	assert.Equal(t, found, again, "a nested module is in the same repository")

	t.Chdir(os.TempDir())
	_, err = Root()
	require.ErrorContains(t, err, "run this in a clone of the repository")
}
