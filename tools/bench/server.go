package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/qdrant-shepherd/shepherd/client/qdrantprocess"
)

// server is what is measured: a process of our own, or one that is there.
type server struct {
	target string // host:port of its gRPC API
	pid    int    // 0 where its processor time can't be read

	own       *qdrantprocess.Cluster // nil where we did not start it
	directory string
}

const startTimeout = time.Minute

// startServer runs a server with a directory of its own, and returns when it answers.
func startServer(ctx context.Context, binary string) (*server, error) {
	directory, err := os.MkdirTemp("", "vector-bench-")
	if err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	allowFiles()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	own, err := qdrantprocess.New(ctx, directory, 1, qdrantprocess.Options{Binary: binary, Single: true})
	if err != nil {
		_ = os.RemoveAll(directory)
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	return &server{target: own.Servers[0].GRPC(), pid: own.Servers[0].PID(), own: own, directory: directory}, nil
}

// stop ends a server that was started here and removes its directory.
func (s *server) stop() {
	if s.own == nil {
		return
	}
	s.own.Close()
	_ = os.RemoveAll(s.directory)
}

// gone says how a server that was started here has ended, nil while it runs.
func (s *server) gone() error {
	if s.own == nil || s.own.Servers[0].Running() {
		return nil
	}
	return errors.New("the server has ended:\n" + s.own.Servers[0].LogTail(10))
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
