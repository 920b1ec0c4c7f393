//go:build unix

package childprocess

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// watchdogScript reads the ID of a process group, and then waits for a second line. If its input ends instead, whoever held the other end of
// the pipe is gone, and the group goes too. Linux could do this by PR_SET_PDEATHSIG, but for one process and not a group, at the end
// of a thread and not of the process; macOS could not.
const watchdogScript = `read -r group && ! read -r over && kill -s KILL -- "-$group"`

// watchdog is a shell outside the groups of this process and of its children, so that no signal to a group reaches it.
type watchdog struct {
	shell *exec.Cmd
	pipe  io.WriteCloser
}

func newWatchdog() (*watchdog, error) {
	shell := exec.Command("/bin/sh", "-c", watchdogScript) //nolint:noctx // it ends by release, or after this process
	shell.Dir = "/"                                        // it must not keep a directory in use
	shell.Env = []string{}
	shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pipe, err := shell.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := shell.Start(); err != nil {
		return nil, err
	}
	return &watchdog{shell, pipe}, nil
}

// watch has the watchdog look after a group, whose ID is that of its first process.
func (g *watchdog) watch(leader *os.Process) {
	_, _ = io.WriteString(g.pipe, strconv.Itoa(leader.Pid)+"\n")
}

// release ends a watchdog that watches: the ID of its group may belong to others by now, so it must not use it.
func (g *watchdog) release() {
	_, _ = io.WriteString(g.pipe, "over\n")
	g.end()
}

// end ends a watchdog that watches nothing.
func (g *watchdog) end() {
	_ = g.pipe.Close()
	_ = g.shell.Wait()
}

func ownGroup(command *exec.Cmd) {
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Setpgid = true
}

func killGroup(leader *os.Process) error {
	err := syscall.Kill(-leader.Pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}
