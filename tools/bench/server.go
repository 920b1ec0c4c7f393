package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/qdrant-shepherd/shepherd/client/childprocess"
	"github.com/qdrant-shepherd/shepherd/client/qdrantprocess"
)

// server is what is measured: a process of our own, or one that is there.
type server struct {
	target string // host:port of its gRPC API
	pid    int    // 0 where its processor time can't be read

	command   *childprocess.Process // nil where we did not start it
	exited    chan struct{}
	directory string
}

const (
	startTimeout = time.Minute
	stopTimeout  = 30 * time.Second
)

// startServer runs a server with a directory of its own, without telemetry, on the loopback interface, and returns when its ports are open.
func startServer(ctx context.Context, binary string) (*server, error) {
	directory, err := os.MkdirTemp("", "vector-bench-")
	if err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	s := &server{directory: directory, exited: make(chan struct{})}
	if err := s.start(ctx, binary); err != nil {
		s.stop()
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	return s, nil
}

func (s *server) start(ctx context.Context, binary string) error {
	ports, err := qdrantprocess.FreePorts(ctx, 2)
	if err != nil {
		return err
	}
	if binary, err = filepath.Abs(binary); err != nil { // it is run in another directory
		return err
	}
	s.target = net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[1]))
	log, err := os.Create(qdrantprocess.Log(s.directory))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	allowFiles()
	// The process ends by stop and not with a context, so that it ends as it should.
	command := exec.CommandContext(context.WithoutCancel(ctx), binary)
	command.Dir = s.directory // has no config/, so the built-in defaults apply
	command.Env = qdrantprocess.Environment(s.directory, ports[0], ports[1])
	command.Stdout, command.Stderr = log, log
	// In a group of its own: it is needed until what was made on it is gone.
	process, err := childprocess.Start(command)
	if err != nil {
		return err
	}
	s.command, s.pid = process, command.Process.Pid
	go func() {
		_ = process.Wait()
		close(s.exited)
	}()
	return s.awaitOpen(ctx)
}

// awaitOpen returns when the gRPC port, which opens last, takes connections.
func (s *server) awaitOpen(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		connection, err := new(net.Dialer).DialContext(ctx, "tcp", s.target)
		if err == nil {
			return connection.Close()
		}
		select {
		case <-s.exited:
			return fmt.Errorf("it ended at once:\n%s", qdrantprocess.LogTail(s.directory, 10))
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w; last: %w", s.target, ctx.Err(), err)
		case <-ticker.C:
		}
	}
}

// stop ends a server that was started here and removes its directory. One that was there goes on.
func (s *server) stop() {
	if s.command != nil {
		_ = s.command.Process.Signal(syscall.SIGTERM)
		select {
		case <-s.exited:
		case <-time.After(stopTimeout):
			_ = s.command.Process.Kill()
			<-s.exited
		}
	}
	if s.directory != "" {
		_ = os.RemoveAll(s.directory)
	}
}

// gone says how a server that was started here has ended, nil while it runs.
func (s *server) gone() error {
	if s.command == nil {
		return nil
	}
	select {
	case <-s.exited:
		return errors.New("the server has ended:\n" + qdrantprocess.LogTail(s.directory, 10))
	default:
		return nil
	}
}

// cpu is the processor time used so far, 0 where it can't be read.
func (s *server) cpu() time.Duration {
	if s.pid == 0 {
		return 0
	}
	used, err := processCPU(s.pid)
	if err != nil {
		return 0
	}
	return used
}
