package golden

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recorder stands in for the test that uses the package.
type recorder struct{ failures []string }

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}
func (r *recorder) FailNow() { panic("FailNow") }
func (r *recorder) Helper()  {}

func TestCheck(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "testdata", "case.out.yaml")

	missing := &recorder{}
	check(missing, path, []byte("a\n"), false)
	assert.Len(t, missing.failures, 1, "a missing file passes")

	updated := &recorder{}
	check(updated, path, []byte("a\n"), true)
	require.Len(t, updated.failures, 1, "a run that updates a file passes")
	assert.Contains(t, updated.failures[0], "updated, review the diff")

	same := &recorder{}
	check(same, path, []byte("a\n"), false)
	check(same, path, []byte("a\n"), true)
	assert.Empty(t, same.failures)

	different := &recorder{}
	check(different, path, []byte("b\n"), false)
	require.Len(t, different.failures, 1)
	assert.Contains(t, different.failures[0], path)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "a\n", string(content), "a comparison wrote the file")
}

func TestNoOrphans(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"kept.out.yaml", "left.out.yaml"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	found := &recorder{}
	NoOrphans(found, filepath.Join(dir, "*.out.yaml"), []string{filepath.Join(dir, "kept.out.yaml")})
	require.Len(t, found.failures, 1)
	assert.Contains(t, found.failures[0], "left.out.yaml")
}
