//go:build !unix

package childprocess

import (
	"os"
	"os/exec"
)

// watchdog does nothing: what this process starts outlives it where it is killed.
type watchdog struct{}

func newWatchdog() (*watchdog, error) { return &watchdog{}, nil }

func (*watchdog) watch(*os.Process) {}
func (*watchdog) release()          {}
func (*watchdog) end()              {}

func ownGroup(*exec.Cmd) {}

func killGroup(leader *os.Process) error { return leader.Kill() }
