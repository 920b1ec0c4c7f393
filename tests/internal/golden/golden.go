// Package golden compares output with a file that a person has reviewed. Run the tests with -update to write the files anew; they
// fail all the same then, so that nobody takes a run with -update for a passed one.
package golden

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write golden files anew; the tests that write one fail")

// TB is what this package needs of a test.
type TB interface {
	require.TestingT
	Helper()
}

var _ TB = (*testing.T)(nil)

// Check fails unless the file at path has the given content. With -update it writes the file.
func Check(t TB, path string, got []byte) {
	t.Helper()
	check(t, path, got, *update)
}

func check(t TB, path string, got []byte, write bool) {
	t.Helper()
	want, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err, "reading the golden file")
	}
	if err == nil && bytes.Equal(want, got) {
		return
	}
	if !write {
		assert.Equal(t, string(want), string(got), "%s differs from what was rendered: if that is meant, run `make golden` and review the diff", path)
		return
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755), "making the directory of the golden file")
	require.NoError(t, os.WriteFile(path, got, 0o644), "writing the golden file")
	assert.Fail(t, "updated, review the diff", path)
}

// NoOrphans fails when a file matches pattern that no case has written or compared: its case is gone.
func NoOrphans(t TB, pattern string, wanted []string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	require.NoError(t, err, "looking for golden files")
	for _, file := range files {
		assert.True(t, slices.Contains(wanted, file), "%s belongs to no case: delete it", file)
	}
}
