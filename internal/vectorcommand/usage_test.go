package vectorcommand

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/internal/vectorcommand/flags"
	"github.com/qdrant-shepherd/shepherd/pkg/qdranttest"
)

// Sub-commands of other packages exit as those of this one do.
func TestMistakesInOtherSubcommands(t *testing.T) {
	level := ""
	other := func() *cobra.Command {
		cmd := &cobra.Command{Use: "other", Args: flags.Arguments(0, 0, "other")}
		cmd.Flags().StringVar(&level, "level", "", "")
		cmd.RunE = func(*cobra.Command, []string) error {
			_, err := flags.OneOf("level", level, flags.Choice[int]{Word: "high", Value: 1})
			return fmt.Errorf("trying: %w", err)
		}
		return cmd
	}
	for _, c := range []struct {
		args []string
		err  string
	}{
		{[]string{"other", "x"}, "vector: the command is used as `vector other`\n"},
		{[]string{"other", "--level", "low"}, `vector: trying: --level: "low" is none of high` + "\n"},
		{[]string{"other", "--depth", "1"}, "vector: unknown flag: --depth\n"},
	} {
		var out, err bytes.Buffer
		p := Process{Env: func(string) string { return "" }, Out: &out, Err: &err, More: []func() *cobra.Command{other}}
		assert.Equal(t, ExitUsage, Run(t.Context(), "test", c.args, p), "%v", c.args)
		assert.Equal(t, c.err, err.String())
	}
}

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
	assert.Equal(t, ExitUsage, a.code)
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
	assert.Equal(t, ExitStopped, a.code)
	assert.Contains(t, a.err, "reading standard input: ")
}
