package commandline_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
)

// TestMain runs, where a test starts this binary again, a process that is asked to end and does not.
func TestMain(m *testing.M) {
	if os.Getenv("STUBBORN") != "" {
		ctx, _ := commandline.UntilSignal(context.Background())
		fmt.Println("up")
		<-ctx.Done()
		fmt.Println("asked to end")
		time.Sleep(time.Hour)
	}
	os.Exit(m.Run())
}

const referenceOfTest = "# `test`\n\nTests things.\n" +
	"\n## `test choose`\n\nChoose.\n\n```text\ntest choose FILE [flags]\n```\n" +
	"\n| flag | default | meaning |\n| --- | --- | --- |\n| `-l, --level word` | `low` | a word: low \\| high |\n" +
	"\n## `test version`\n\nPrint the version.\n\n```text\ntest version\n```\n"

func TestExitCodes(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name string
		ctx  context.Context
		args []string
		code int
		out  string
		err  string
	}{
		{"done", t.Context(), []string{"version"}, commandline.ExitDone, "v1\n", ""},
		{"the_reference", t.Context(), []string{"reference"}, commandline.ExitDone, referenceOfTest, ""},
		{"failed", t.Context(), []string{"fail"}, commandline.ExitFailed, "", "test: no disk\n"},
		{"failed_and_reported", t.Context(), []string{"report"}, commandline.ExitFailed, "", ""},
		{"interrupted", cancelled, []string{"fail"}, commandline.ExitInterrupted, "", "test: no disk\n"},
		{"an_unknown_command", t.Context(), []string{"mend"}, commandline.ExitUsage, "", "test: unknown command \"mend\"; `test --help` lists all commands\n"},
		{"an_unknown_flag", t.Context(), []string{"fail", "--depth"}, commandline.ExitUsage, "", "test: unknown flag: --depth\n"},
		{"an_argument_too_many", t.Context(), []string{"version", "x"}, commandline.ExitUsage, "", "test: usage: test version [flags]\n"},
		{"a_word_that_a_flag_does_not_accept", t.Context(), []string{"choose"}, commandline.ExitUsage, "", "test: choosing: --level: \"low\" is not one of high\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			root := commandline.Root("test", "Tests things", "v1")
			for name, err := range map[string]error{"fail": errors.New("no disk"), "report": fmt.Errorf("run: %w", commandline.ErrReported)} {
				root.AddCommand(&cobra.Command{Use: name, Hidden: true, RunE: func(*cobra.Command, []string) error { return err }})
			}
			choose := &cobra.Command{Use: "choose FILE", Short: "Choose", RunE: func(*cobra.Command, []string) error {
				_, err := commandline.OneOf("level", "low", commandline.Word("high", 1))
				return fmt.Errorf("choosing: %w", err)
			}}
			choose.Flags().StringP("level", "l", "low", "a `word`: low | high")
			root.AddCommand(choose)
			var out, err bytes.Buffer
			assert.Equal(t, test.code, commandline.Run(test.ctx, root, test.args, commandline.Streams{Out: &out, Err: &err}))
			assert.Equal(t, test.out, out.String())
			assert.Equal(t, test.err, err.String())
		})
	}
}

func TestTheFirstSignalAsksAndTheSecondEnds(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	child := exec.CommandContext(t.Context(), self)
	child.Env = append(os.Environ(), "STUBBORN=yes")
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	lines := bufio.NewScanner(out)

	require.True(t, lines.Scan())
	assert.Equal(t, "up", lines.Text())
	require.NoError(t, child.Process.Signal(syscall.SIGTERM))
	require.True(t, lines.Scan())
	assert.Equal(t, "asked to end", lines.Text())
	// The handler goes a moment after the context has ended, so one more signal may still be caught.
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = child.Wait()
	}()
	require.Eventually(t, func() bool {
		_ = child.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
			return true
		default:
			return false
		}
	}, 30*time.Second, 20*time.Millisecond)
	status, ok := child.ProcessState.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	assert.Equal(t, syscall.SIGTERM, status.Signal())
}
