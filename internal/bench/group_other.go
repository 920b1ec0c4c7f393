//go:build !unix

package bench

import (
	"os"
	"syscall"
)

func ownGroup() *syscall.SysProcAttr { return nil }

func killGroup(leader *os.Process) error { return leader.Kill() }
