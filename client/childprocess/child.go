// Package childprocess runs processes that end with this one, however it ends: by itself, by a signal to it or to its group, by SIGKILL, by a
// panic, by the timeout of go test.
package childprocess

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// outputDelay bounds the wait for the output of a command that has ended: a process that it started may hold the other end of the pipe.
const outputDelay = 5 * time.Second

// Files are the files of a process, each optional.
type Files struct {
	// Log receives what the process prints. Start appends to it.
	Log string
	// PID holds the process ID while the process runs, for a later run of the program that finds it left over.
	PID string
}

// Process is a command that runs in a process group of its own. A terminal's Ctrl-C, which is for all processes of a group, reaches this
// process alone, which decides how its children end.
type Process struct {
	*exec.Cmd

	files    Files
	watchdog *watchdog
	exited   chan struct{}
	err      error // of Wait, once exited is closed
}

// Start starts a command. If this process ends before it, it and everything else in its group is killed.
func Start(command *exec.Cmd, files Files) (*Process, error) {
	p := &Process{Cmd: command, files: files, exited: make(chan struct{})}
	if err := p.start(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Process) start() error {
	if p.files.Log != "" {
		log, err := os.OpenFile(p.files.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		defer func() { _ = log.Close() }() // the process has its own
		p.Stdout, p.Stderr = log, log
	}
	// The watchdog comes first: between the two starts there must be no process that nobody watches.
	watchdog, err := newWatchdog()
	if err != nil {
		return fmt.Errorf("starting the watchdog of %s: %w", p.Path, err)
	}
	ownGroup(p.Cmd)
	if err := p.Start(); err != nil {
		watchdog.end()
		return err
	}
	watchdog.watch(p.Process)
	var unwritten error
	if p.files.PID != "" {
		unwritten = os.WriteFile(p.files.PID, []byte(strconv.Itoa(p.Process.Pid)), 0o644)
	}
	p.watchdog = watchdog
	go p.await()
	if unwritten != nil {
		p.Kill()
	}
	return unwritten
}

func (p *Process) await() {
	p.err = p.Cmd.Wait()
	p.watchdog.release()
	if p.files.PID != "" {
		_ = os.Remove(p.files.PID)
	}
	close(p.exited)
}

// Wait waits for the end of the process and returns what exec.Cmd.Wait returns, any number of times.
func (p *Process) Wait() error {
	<-p.exited
	return p.err
}

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Running reports whether the process has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Stop sends SIGTERM, and SIGKILL if the process has not ended after the grace period, and waits for its end. It returns an error if the
// process had to be killed.
func (p *Process) Stop(grace time.Duration) error {
	_ = p.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.exited:
		return nil
	case <-time.After(grace):
		p.Kill()
		return fmt.Errorf("%s was killed: it was running %s after SIGTERM", p.Path, grace)
	}
}

// Kill ends the process at once and waits until it is gone.
func (p *Process) Kill() {
	_ = p.Process.Kill() // it may have ended
	<-p.exited
}

// Run runs a command which, with all that it started, is over when its context is or when it has failed: the workers of a script would go on,
// and keep its output open, if only the script itself were killed. The command is made with the same context.
func Run(ctx context.Context, command *exec.Cmd) error {
	command.Cancel = func() error { return killGroup(command.Process) }
	command.WaitDelay = outputDelay
	p, err := Start(command, Files{})
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
