package command

import (
	"context"
	"io"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/client/qdranttest"
)

// Only the command line's profile is worth a word that it does not count.
func TestProfileOfTheEnvironment(t *testing.T) {
	cluster := qdranttest.Start(t, 1, qdranttest.Options{})
	d := desk{t: t, target: cluster.Target(), env: map[string]string{"QDRANT_PROFILE": "development"}}
	path := filepath.Join(t.TempDir(), "rows.fbin")
	writeFBin(t, path, randomVectors(20, 4))
	d.does("load", path, "--collection", "c")
	assert.Contains(t, d.does("inspect", "c"), "ef_construct 512", "it counts")
	assert.NotContains(t, d.run("load", path, "--collection", "c").err, "only counts when it is created")
	assert.Contains(t, d.run("load", path, "--collection", "c", "--profile", "production").err, "--profile only counts when it is created")
}

func TestNoVectorFromATerminal(t *testing.T) {
	waiting, nobody := io.Pipe()
	t.Cleanup(func() { assert.NoError(t, nobody.Close()) })
	d := desk{t: t, target: "127.0.0.1:1", input: waiting, terminal: true}
	a := d.run("query", "c")
	assert.Equal(t, commandline.ExitUsage, a.code)
	assert.Contains(t, a.err, "say what to search for")
}

func TestStoppedWhileAVectorIsRead(t *testing.T) {
	waiting, nobody := io.Pipe()
	t.Cleanup(func() { assert.NoError(t, nobody.Close()) })
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan answer, 1)
	go func() { done <- desk{t: t, target: "127.0.0.1:1", input: waiting}.runFor(ctx, "query", "c") }()
	_, err := nobody.Write([]byte("[1, ")) // returns when it is read
	require.NoError(t, err)
	stop()
	a := <-done
	assert.Equal(t, commandline.ExitInterrupted, a.code)
	assert.Contains(t, a.err, "reading standard input: ")
}
