package bench

import (
	"context"
	"os/exec"
	"time"
)

// groupDelay bounds the wait for the output of a program that is over: a process that it started may hold the other end of the pipe.
const groupDelay = 5 * time.Second

// runGroup runs a program which, with all that it starts, is over when its context is or when it has failed: the workers of a script would
// go on writing to the server, and keep its output open, if only the script itself were killed. The command is made with the same context.
func runGroup(ctx context.Context, command *exec.Cmd) error {
	command.SysProcAttr = ownGroup()
	command.Cancel = func() error { return killGroup(command.Process) }
	command.WaitDelay = groupDelay
	if err := command.Start(); err != nil {
		return err
	}
	err := command.Wait()
	if err == nil {
		return nil
	}
	_ = killGroup(command.Process) // which is none any more, where all have ended
	if over := ctx.Err(); over != nil {
		return over // and not that it was killed
	}
	return err
}
