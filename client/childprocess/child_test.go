//go:build unix

package childprocess

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// parentVariable makes the test binary a process that starts children, which hold its file 3, and then ends in the way that it names.
const parentVariable = "CHILD_TEST_PARENT"

const deadline = 2 * time.Minute

func TestMain(m *testing.M) {
	if end := os.Getenv(parentVariable); end != "" {
		if err := beParent(end); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// beParent stands in for a run with a control plane: two children, the second of which has a child itself.
func beParent(end string) error {
	// Whoever runs the tests may have had these ignored, as nohup does, and a process inherits that.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	go func() { <-signals; os.Exit(1) }()
	held := os.NewFile(3, "held")
	for _, script := range []string{"exec sleep 600", "trap '' TERM; sleep 600 & wait"} {
		command := exec.Command("/bin/sh", "-c", script)
		command.ExtraFiles = []*os.File{held}
		if _, err := Start(command, Files{}); err != nil {
			return err
		}
	}
	fmt.Println("begun")
	switch end {
	case "return":
		os.Exit(0)
	case "panic":
		go panic("as the timeout of go test does")
	}
	select {}
}

func TestChildrenEndWithTheirParent(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end    string
		signal func(parent *os.Process) error
	}{
		"that_is_killed":                 {"wait", (*os.Process).Kill},
		"that_panics":                    {"panic", nil},
		"that_forgets_them":              {"return", nil},
		"whose_group_is_asked_to_end":    {"wait", func(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGTERM) }},
		"whose_group_gets_a_Ctrl-C":      {"wait", func(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGINT) }},
		"whose_group_is_killed":          {"wait", func(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGKILL) }},
		"whose_terminal_has_been_closed": {"wait", func(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGHUP) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parent := exec.Command(os.Args[0])
			parent.Env = append(os.Environ(), parentVariable+"="+test.end)
			parent.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			ended := holders(t, parent)
			said, err := parent.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, parent.Start())
			line, err := bufio.NewReader(said).ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "begun\n", line)
			if test.signal != nil {
				require.NoError(t, test.signal(parent.Process))
			}
			_ = parent.Wait() // however it ended
			require.NoError(t, ended(), "a child is left")
		})
	}
}

// TestAProcessThatHasEndedIsNotKilledAgain: its ID may belong to another by the time at which this process ends.
func TestAProcessThatHasEndedIsNotKilledAgain(t *testing.T) {
	t.Parallel()
	command := exec.Command("/bin/sh", "-c", "sleep 600 & exit 3")
	ended := holders(t, command)
	p, err := Start(command, Files{})
	require.NoError(t, err)
	require.ErrorContains(t, p.Wait(), "exit status 3")
	assert.True(t, p.watchdog.shell.ProcessState.Exited(), "the watchdog has gone")
	// The watchdog killed nothing: the group is still there.
	require.NoError(t, syscall.Kill(-command.Process.Pid, 0))
	require.NoError(t, killGroup(command.Process))
	require.NoError(t, ended())
}

func TestACommandThatCannotStartLeavesNoGuard(t *testing.T) {
	t.Parallel()
	_, err := Start(exec.Command("/no/such/program"), Files{})
	require.ErrorContains(t, err, "/no/such/program")
}

func TestFilesOfAProcess(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	files := Files{Log: filepath.Join(directory, "log"), PID: filepath.Join(directory, "pid")}
	for i := range 2 {
		p, err := Start(exec.Command("/bin/sh", "-c", "echo out; echo err >&2; exec sleep 600"), files)
		require.NoError(t, err)
		pid, err := os.ReadFile(files.PID)
		require.NoError(t, err)
		assert.Equal(t, strconv.Itoa(p.Process.Pid), string(pid))
		assert.True(t, p.Running())
		require.Eventually(t, func() bool {
			log, err := os.ReadFile(files.Log)
			return err == nil && strings.Count(string(log), "out\nerr\n") == i+1
		}, deadline, 5*time.Millisecond)
		require.NoError(t, p.Stop(deadline))
		assert.False(t, p.Running())
		assert.NoFileExists(t, files.PID)
	}
	log, err := os.ReadFile(files.Log)
	require.NoError(t, err)
	assert.Equal(t, "out\nerr\nout\nerr\n", string(log), "a second process appends")
	_, err = Start(exec.Command("/bin/sh"), Files{Log: filepath.Join(directory, "none", "log")})
	require.ErrorContains(t, err, "none/log")
	_, err = Start(exec.Command("/bin/sh", "-c", "exec sleep 600"), Files{PID: filepath.Join(directory, "none", "pid")})
	require.ErrorContains(t, err, "none/pid")
}

func TestAProcessThatIgnoresSIGTERMIsKilled(t *testing.T) {
	t.Parallel()
	command := exec.Command("/bin/sh", "-c", "trap '' TERM; echo begun; while :; do sleep 1; done")
	ready := make(chan struct{})
	command.Stdout = &onWrite{sync.OnceFunc(func() { close(ready) })}
	command.WaitDelay = time.Millisecond // its sleep keeps the output open
	p, err := Start(command, Files{})
	require.NoError(t, err)
	<-ready
	require.ErrorContains(t, p.Stop(time.Millisecond), "/bin/sh was killed: it was running 1ms after SIGTERM")
	require.ErrorContains(t, p.Wait(), "signal: killed")
	_ = killGroup(command.Process)
}

func TestACancelledCommandEndsWithItsWorkers(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	command := exec.CommandContext(ctx, "/bin/sh", "-c", "sleep 600 & echo begun; wait")
	command.Stdout = &onWrite{cancel} // not a file, so that the worker keeps a pipe of exec open
	ended := holders(t, command)
	require.ErrorIs(t, Run(ctx, command), context.Canceled)
	require.NoError(t, ended())
}

func TestAFailedCommandLeavesNoWorkers(t *testing.T) {
	t.Parallel()
	command := exec.CommandContext(t.Context(), "/bin/sh", "-c", "sleep 600 & exit 3")
	ended := holders(t, command)
	require.ErrorContains(t, Run(t.Context(), command), "exit status 3")
	require.NoError(t, ended())
}

func TestACommandHasAGroupOfItsOwn(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	command := exec.CommandContext(ctx, "/bin/sh", "-c", "echo begun; exec sleep 600")
	command.Stdout = &onWrite{func() {
		group, err := syscall.Getpgid(command.Process.Pid)
		assert.NoError(t, err)
		assert.Equal(t, command.Process.Pid, group)
		cancel()
	}}
	require.ErrorIs(t, Run(ctx, command), context.Canceled)
}

// holders gives a command and all that it starts the write end of a pipe. The function returns nil when none of them is left.
func holders(t *testing.T, command *exec.Cmd) func() error {
	t.Helper()
	from, to, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = from.Close() })
	command.ExtraFiles = []*os.File{to}
	return func() error {
		if err := errors.Join(to.Close(), from.SetReadDeadline(time.Now().Add(deadline))); err != nil {
			return err
		}
		_, err := io.Copy(io.Discard, from)
		return err
	}
}

// onWrite does something at the first output.
type onWrite struct{ do func() }

func (w *onWrite) Write(p []byte) (int, error) {
	w.do()
	return len(p), nil
}
