package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain runs, where a test starts this binary anew, a process that is asked to end and does not.
func TestMain(m *testing.M) {
	if os.Getenv("STUBBORN") != "" {
		ctx, _ := untilSignal(context.Background())
		fmt.Println("up")
		<-ctx.Done()
		fmt.Println("asked to end")
		time.Sleep(time.Hour)
	}
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	t.Parallel()
	var out, said bytes.Buffer
	code := run(t.Context(), []string{"version"}, func(string) string { return "" }, strings.NewReader(""), &out, &said)
	assert.Zero(t, code)
	assert.Equal(t, "dev\n", out.String())
}

func TestOutsideAClusterTheAPIServerIsNotFound(t *testing.T) {
	t.Parallel()
	var out, said bytes.Buffer
	env := map[string]string{"SHEPHERD_NAMESPACE": "search", "SHEPHERD_STATEFULSET": "q", "SHEPHERD_DOMAIN": "d"}
	code := run(t.Context(), []string{"status"}, func(name string) string { return env[name] }, strings.NewReader(""), &out, &said)
	assert.Equal(t, 1, code)
	assert.Contains(t, said.String(), "finding the API server")
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
