package controlplane

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// scene is a builder whose compiler writes a few bytes.
func scene(t *testing.T) (b builder, compiled *atomic.Int64) {
	t.Helper()
	compiled = new(atomic.Int64)
	source := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(source, "go.mod"), []byte("module a"), 0o644))
	return builder{
		source: source, cache: filepath.Join(t.TempDir(), "cache"), log: slog.New(slog.DiscardHandler),
		compile: func(_ context.Context, _, output string) error {
			compiled.Add(1)
			return os.WriteFile(output, []byte("a program"), 0o755)
		},
	}, compiled
}

func TestABuildIsMadeOnce(t *testing.T) {
	t.Parallel()
	b, compiled := scene(t)
	first, err := b.build(t.Context())
	require.NoError(t, err)
	for _, program := range programs {
		content, err := os.ReadFile(filepath.Join(first, program))
		require.NoError(t, err)
		assert.Equal(t, "a program", string(content))
	}
	second, err := b.build(t.Context())
	require.NoError(t, err)
	assert.Equal(t, first, second)
	assert.EqualValues(t, 1, compiled.Load())
}

func TestWhatItIsMadeOfIsInItsName(t *testing.T) {
	t.Parallel()
	b, compiled := scene(t)
	first, err := b.build(t.Context())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(b.source, "go.mod"), []byte("module b"), 0o644))
	second, err := b.build(t.Context())
	require.NoError(t, err)
	assert.NotEqual(t, first, second)
	assert.EqualValues(t, 2, compiled.Load())
}

func TestAHalfBuildIsBuiltAnew(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(directory string) error{
		"killed before it was renamed": func(directory string) error { return os.Rename(directory, directory+".half") },
		"without its last file":        func(directory string) error { return os.Remove(filepath.Join(directory, complete)) },
		"cut short":                    func(directory string) error { return os.Truncate(filepath.Join(directory, binary), 3) },
		"without the program":          func(directory string) error { return os.Remove(filepath.Join(directory, binary)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, compiled := scene(t)
			directory, err := b.build(t.Context())
			require.NoError(t, err)
			require.NoError(t, spoil(directory))
			again, err := b.build(t.Context())
			require.NoError(t, err)
			assert.Equal(t, directory, again)
			assert.True(t, whole(directory))
			assert.NoDirExists(t, directory+".half")
			assert.EqualValues(t, 2, compiled.Load())
		})
	}
}

func TestBuildsThatNobodyUsesAreDeleted(t *testing.T) {
	t.Parallel()
	b, _ := scene(t)
	old := time.Now().Add(-unused - time.Hour)
	build := func(module string, age time.Time) string {
		require.NoError(t, os.WriteFile(filepath.Join(b.source, "go.mod"), []byte(module), 0o644))
		directory, err := b.build(t.Context())
		require.NoError(t, err)
		require.NoError(t, os.Chtimes(filepath.Join(directory, complete), age, age))
		return directory
	}
	left := build("module left", old)
	half := left + ".half"
	require.NoError(t, os.Mkdir(half, 0o755))
	require.NoError(t, os.Chtimes(half, old, old))
	another := build("module another", time.Now().Add(-unused+time.Hour))
	own := build("module own", old)

	require.NoError(t, b.prune(own))

	assert.NoDirExists(t, left)
	assert.NoDirExists(t, half, "a build that was killed")
	assert.True(t, whole(another), "another clone's, of this week")
	assert.True(t, whole(own), "it is used now")
	require.NoError(t, b.prune(another))
	assert.True(t, whole(own), "it has been used since")
}

func TestTwoBuildsAtOnceAreOne(t *testing.T) {
	t.Parallel()
	b, compiled := scene(t)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			_, err := b.build(t.Context())
			assert.NoError(t, err)
		})
	}
	both.Wait()
	assert.EqualValues(t, 1, compiled.Load())
}

func TestABuildThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	b, compiled := scene(t)
	good := b.compile
	for err, says := range map[error]string{
		errors.New("go build: write /x: no space left on device"): "no space left: the build takes",
		errors.New("go build: exit status 1: syntax error"):       "syntax error",
	} {
		b.compile = func(_ context.Context, _, output string) error {
			_ = os.WriteFile(output, []byte("half a pro"), 0o755)
			return err
		}
		_, got := b.build(t.Context())
		require.ErrorContains(t, got, says)
		assert.NotContains(t, got.Error(), "\n", "it is one line")
		left, err := filepath.Glob(filepath.Join(b.cache, "v*"))
		require.NoError(t, err)
		assert.Empty(t, left)
	}
	b.compile = good
	_, err := b.build(t.Context())
	require.NoError(t, err, "the next one works")
	assert.EqualValues(t, 1, compiled.Load())
}

// TestTheVersionIsTheModules: the version that is stamped is the one that is built.
func TestTheVersionIsTheModules(t *testing.T) {
	t.Parallel()
	module, err := source()
	require.NoError(t, err)
	content, err := os.ReadFile(filepath.Join(module, "go.mod"))
	require.NoError(t, err)
	assert.Contains(t, string(content), "\tk8s.io/kubernetes "+Version+"\n")
}
