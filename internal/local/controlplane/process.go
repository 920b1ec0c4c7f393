package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/qdrant-shepherd/shepherd/client/childprocess"
)

// stopTime is how long a process has to end after SIGTERM.
const stopTime = 10 * time.Second

// process is one program of a control plane.
type process struct {
	*childprocess.Process

	name, log string
}

// startProcess starts a program that ends with this one at the latest. By its pid file a later run finds it and waits for its end.
func startProcess(ctx context.Context, directory, name, program string, arguments ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(directory, name+".log")}
	if err := os.RemoveAll(p.log); err != nil { // of an earlier run
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	// It ends by stop and not with a context: the API server must go before etcd does.
	command := exec.CommandContext(context.WithoutCancel(ctx), program, arguments...)
	command.Dir = directory
	// GOGC: a control plane that lives for minutes has better to do than to collect garbage. It takes a gigabyte more.
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + directory, "GOGC=300"}
	var err error
	if p.Process, err = childprocess.Start(command, childprocess.Files{Log: p.log, PID: pidFile(directory, name)}); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	return p, nil
}

// gone says why the process has ended, nil while it runs.
func (p *process) gone() error {
	if p.Running() {
		return nil
	}
	said, err := os.ReadFile(p.log)
	if err != nil {
		return fmt.Errorf("%s has ended: %w", p.name, err)
	}
	text := string(said)
	switch {
	case strings.Contains(text, "address already in use"):
		return fmt.Errorf("%s has ended: somebody took its port in the meantime; run the same again", p.name)
	case strings.Contains(text, "no space left on device"):
		return fmt.Errorf("%s has ended: no space left in %s", p.name, filepath.Dir(p.log))
	}
	return fmt.Errorf("%s has ended: %s", p.name, lastLines(text, 5))
}

func pidFile(directory, name string) string { return filepath.Join(directory, name+".pid") }

// EndLeft ends the processes that an earlier run left behind in a directory, and says which. It goes by their pid files, and only
// ends a process whose command line names the directory: a pid may belong to somebody else by now.
func EndLeft(ctx context.Context, directory string) (ended []string, err error) {
	files, err := filepath.Glob(filepath.Join(directory, "*.pid"))
	if err != nil {
		return nil, err
	}
	slices.Reverse(files) // etcd, the first by name, is the last to go
	var failures []error
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".pid")
		was, err := endByFile(ctx, file, directory)
		if err != nil {
			failures = append(failures, fmt.Errorf("ending the %s of an earlier run: %w", name, err))
			continue
		}
		if was {
			ended = append(ended, name)
		}
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failures = append(failures, err)
		}
	}
	return ended, errors.Join(failures...)
}

func endByFile(ctx context.Context, file, directory string) (bool, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return false, err
	}
	pid := parsePID(content)
	if pid <= 1 || !ours(ctx, pid, directory) {
		return false, nil
	}
	found, err := os.FindProcess(pid)
	if err != nil {
		return false, err
	}
	if err := found.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return false, err
	}
	for deadline := time.Now().Add(stopTime); ours(ctx, pid, directory); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			if err := found.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return false, err
			}
			deadline = deadline.Add(stopTime)
		}
	}
	return true, nil
}

// parsePID is 0 of a file that is half written: whoever wrote it was killed before it started anything else.
func parsePID(content []byte) int {
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return 0
	}
	return pid
}

// ours reports whether a process runs that was started for the directory.
func ours(ctx context.Context, pid int, directory string) bool {
	return strings.Contains(commandLine(ctx, pid), directory)
}

// commandLine is what a process was started with, empty if it has ended.
func commandLine(ctx context.Context, pid int) string {
	// Between its start and its first instruction a process has no arguments yet, and one that nobody has waited for none any more.
	for range 10 {
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			break
		}
		if len(content) > 0 {
			return strings.ReplaceAll(string(content), "\x00", " ")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := os.Stat("/proc/self/cmdline"); err == nil {
		return ""
	}
	out, err := exec.CommandContext(ctx, "ps", "-ww", "-o", "args=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return string(out)
}
