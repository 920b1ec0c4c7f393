//go:build unix

package bench

import (
	"context"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shell is a program in a test that leaves a worker behind, which holds the write end of a pipe. read gives what both have written, and
// returns when none of them is left.
func shell(ctx context.Context, t *testing.T, script string) (command *exec.Cmd, read func() string) {
	t.Helper()
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip("SKIP: there is no /bin/sh")
	}
	from, to, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = from.Close() })
	command = exec.CommandContext(ctx, "/bin/sh", "-c", script)
	command.ExtraFiles = []*os.File{to}
	return command, func() string {
		require.NoError(t, to.Close())
		require.NoError(t, from.SetReadDeadline(time.Now().Add(30*time.Second)))
		all, err := io.ReadAll(from)
		require.NoError(t, err, "a worker is left")
		return string(all)
	}
}

func TestACancelledProgramEndsWithItsWorkers(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	command, read := shell(ctx, t, "sleep 300 & echo begun; wait")
	command.Stdout = &onWrite{cancel} // not a file, so that the worker keeps a pipe of exec open
	begin := time.Now()
	require.ErrorIs(t, runGroup(ctx, command), context.Canceled)
	assert.Less(t, time.Since(begin), groupDelay, "nothing held the output open")
	assert.Empty(t, read())
}

// onWrite does something at the first output.
type onWrite struct{ do func() }

func (w *onWrite) Write(p []byte) (int, error) {
	w.do()
	return len(p), nil
}

func TestAFailedProgramLeavesNoWorkers(t *testing.T) {
	t.Parallel()
	command, read := shell(t.Context(), t, "sleep 300 & exit 3")
	require.ErrorContains(t, runGroup(t.Context(), command), "exit status 3")
	assert.Empty(t, read())
}

func TestAProgramHasAGroupOfItsOwn(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	command, _ := shell(ctx, t, "echo begun; exec sleep 300")
	command.Stdout = &onWrite{func() {
		group, err := syscall.Getpgid(command.Process.Pid)
		assert.NoError(t, err)
		assert.Equal(t, command.Process.Pid, group)
		cancel()
	}}
	require.ErrorIs(t, runGroup(ctx, command), context.Canceled)
}
