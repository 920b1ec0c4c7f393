// Package childprocess starts processes that end with this one, however it ends: by itself, by a signal to it or to its group, by SIGKILL, by a
// panic, by the timeout of go test.
package childprocess

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// outputDelay bounds the wait for the output of a command that has ended: a process that it started may hold the other end of the pipe.
const outputDelay = 5 * time.Second

// Process is a command that runs in a process group of its own. A terminal's Ctrl-C, which is for all processes of a group, reaches this
// process alone, which decides how its children end.
type Process struct {
	*exec.Cmd
	guard *guard
}

// Start starts a command. If this process ends before it, it and everything else in its group is killed. Whoever starts a command waits
// for it.
func Start(command *exec.Cmd) (*Process, error) {
	// The guard comes first: between the two starts there must be no process that nobody guards.
	guard, err := newGuard()
	if err != nil {
		return nil, fmt.Errorf("starting the guard of %s: %w", command.Path, err)
	}
	ownGroup(command)
	if err := command.Start(); err != nil {
		guard.end()
		return nil, err
	}
	guard.watch(command.Process)
	return &Process{command, guard}, nil
}

// Wait is that of exec.Cmd.
func (p *Process) Wait() error {
	defer p.guard.release()
	return p.Cmd.Wait()
}

// Run runs a command which, with all that it started, is over when its context is or when it has failed: the workers of a script would go on,
// and keep its output open, if only the script itself were killed. The command is made with the same context.
func Run(ctx context.Context, command *exec.Cmd) error {
	command.Cancel = func() error { return killGroup(command.Process) }
	command.WaitDelay = outputDelay
	p, err := Start(command)
	if err != nil {
		return err
	}
	err = p.Wait()
	if err == nil {
		return nil
	}
	_ = killGroup(command.Process) // which is none any more, where all have ended
	if over := ctx.Err(); over != nil && !errors.Is(err, over) {
		return over // and not that it was killed
	}
	return err
}
