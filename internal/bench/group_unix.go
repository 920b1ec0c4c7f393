//go:build unix

package bench

import (
	"os"
	"syscall"
)

// ownGroup puts a process into a group of its own: a terminal's Ctrl-C, which is for all processes of a group, reaches the benchmark alone,
// which ends the others when it is done with them.
func ownGroup() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(attributes)
	return attributes
}

func killGroup(leader *os.Process) error { return syscall.Kill(-leader.Pid, syscall.SIGKILL) }
