// Package qdrantprocess runs real Qdrant servers as processes on the loopback
// interface, for tests that need a cluster and neither Docker nor Kubernetes.
//
// It needs the server's binary, named by QDRANT_BIN, and skips the test
// without it. Each server has a directory under the test's own temporary
// directory, with its storage and its log; processes and directories are gone
// when the test is over.
package qdrantprocess

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
	"testing"
	"time"

	"github.com/qdrant-shepherd/shepherd/client/childprocess"
	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

const (
	binaryVariable = "QDRANT_BIN"

	// startTimeout is long enough for a busy machine: a lone server answers
	// after about a second, a joining peer after three.
	startTimeout = 10 * time.Minute
	// stopTimeout bounds a graceful stop, which takes half a second.
	stopTimeout = 5 * time.Minute
	tick        = 50 * time.Millisecond
)

// Options are what the servers of a cluster have in common.
type Options struct {
	// APIKey is asked of all requests unless it is empty.
	APIKey string
	// Single starts one server without cluster mode, whatever the number.
	Single bool
	// Env adds settings, such as QDRANT__STORAGE__HNSW_INDEX__M=64.
	Env []string
}

// Cluster is a set of servers that know each other.
type Cluster struct {
	Servers []*Server
	options Options
}

// Server is one Qdrant process and its directory. The process may come and go.
type Server struct {
	// Name is what messages call it: q-0, q-1, …
	Name string
	// Directory has storage/, snapshots/ and qdrant.log.
	Directory string

	binary  string
	options Options
	http    int
	grpc    int
	p2p     int
	join    string // the p2p URI to bootstrap from; empty for the first server

	command *childprocess.Process
	exited  chan struct{} // closed when the process has ended
	log     *os.File
}

// Start runs n servers and returns when they form one cluster and are ready.
func Start(t testing.TB, n int, options Options) *Cluster {
	t.Helper()
	binary := os.Getenv(binaryVariable)
	if binary == "" {
		t.Skipf("SKIP: %s is not set; set it to the path of a Qdrant server binary, for instance one copied out of the image: docker cp $(docker create qdrant/qdrant:v1.18.3):/qdrant/qdrant .", binaryVariable)
	}
	c := &Cluster{options: options}
	// t.TempDir comes before the cleanup below, so that the processes are gone
	// when the directory is removed.
	directory := t.TempDir()
	t.Cleanup(func() { c.cleanup(t) })
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	for i := range n {
		s := &Server{
			Name: fmt.Sprintf("q-%d", i), Directory: filepath.Join(directory, fmt.Sprintf("q-%d", i)),
			binary: binary, options: options,
		}
		ports, err := FreePorts(ctx, 3)
		if err != nil {
			t.Fatalf("starting %s: %v", s.Name, err)
		}
		s.http, s.grpc, s.p2p = ports[0], ports[1], ports[2]
		if i > 0 {
			s.join = c.Servers[0].p2pURI()
		}
		c.Servers = append(c.Servers, s)
		if err := s.Start(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.AwaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

// GRPC returns the gRPC addresses of all servers.
func (c *Cluster) GRPC() []string {
	addresses := make([]string, 0, len(c.Servers))
	for _, s := range c.Servers {
		addresses = append(addresses, s.GRPC())
	}
	return addresses
}

// AwaitReady returns when all servers see each other as voters under one
// leader, and are ready.
func (c *Cluster) AwaitReady(ctx context.Context) error {
	return until(ctx, "waiting for the cluster", func() error {
		var leader clusterapi.PeerID
		for _, s := range c.Servers {
			client := s.REST()
			if err := client.Ready(ctx); err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
			if c.options.Single {
				continue
			}
			view, err := client.Cluster(ctx)
			switch {
			case err != nil:
				return fmt.Errorf("%s: %w", s.Name, err)
			case len(view.Peers) != len(c.Servers):
				return fmt.Errorf("%s sees %d peers instead of %d", s.Name, len(view.Peers), len(c.Servers))
			case !view.Raft.IsVoter:
				return fmt.Errorf("%s is no voter yet", s.Name)
			case view.Raft.Leader == 0:
				return fmt.Errorf("%s knows no leader", s.Name)
			case leader != 0 && view.Raft.Leader != leader:
				return fmt.Errorf("%s follows %d, others %d", s.Name, view.Raft.Leader, leader)
			}
			leader = view.Raft.Leader
		}
		return nil
	})
}

// AwaitActive returns when every server sees each shard of a collection Active
// on that many servers, none missing, and no transfer under way.
func (c *Cluster) AwaitActive(ctx context.Context, collection string, replicas int) error {
	return until(ctx, "waiting for the replicas of "+collection, func() error {
		for _, s := range c.Servers {
			view, err := s.REST().CollectionCluster(ctx, collection)
			if err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
			if err := view.ActiveOn(replicas); err != nil {
				return fmt.Errorf("as %s sees it, %w", s.Name, err)
			}
		}
		return nil
	})
}

// cleanup ends all processes, and prints the end of each log if the test failed.
func (c *Cluster) cleanup(t testing.TB) {
	for _, s := range c.Servers {
		s.Kill()
	}
	if !t.Failed() {
		return
	}
	for _, s := range c.Servers {
		t.Logf("the last lines of the log of %s:\n%s", s.Name, LogTail(s.Directory, 20))
	}
}

// REST returns a client for this server.
func (s *Server) REST() *clusterapi.Client {
	return clusterapi.New(fmt.Sprintf("http://127.0.0.1:%d", s.http), s.options.APIKey)
}

// GRPC is the address of this server's gRPC API.
func (s *Server) GRPC() string { return fmt.Sprintf("127.0.0.1:%d", s.grpc) }

// GRPCPort is the port of this server's gRPC API.
func (s *Server) GRPCPort() int { return s.grpc }

// Storage is the directory that holds the server's data.
func (s *Server) Storage() string { return Storage(s.Directory) }

func (s *Server) p2pURI() string { return fmt.Sprintf("http://127.0.0.1:%d", s.p2p) }

// Start runs the server on its directory, and returns when it answers. The
// REST port opens after all collections are loaded and the peer has joined.
func (s *Server) Start(ctx context.Context) error {
	if s.Running() {
		return fmt.Errorf("starting %s: it is running", s.Name)
	}
	if err := os.MkdirAll(s.Directory, 0o755); err != nil {
		return fmt.Errorf("starting %s: %w", s.Name, err)
	}
	log, err := os.OpenFile(Log(s.Directory), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("starting %s: %w", s.Name, err)
	}
	// The process must outlive the context of its start.
	command := exec.CommandContext(context.WithoutCancel(ctx), s.binary, s.arguments()...)
	command.Dir = s.Directory // has no config/, so the built-in defaults apply
	command.Env = s.environment()
	command.Stdout, command.Stderr = log, log
	process, err := childprocess.Start(command)
	if err != nil {
		_ = log.Close()
		return fmt.Errorf("starting %s: %w", s.Name, err)
	}
	s.command, s.log, s.exited = process, log, make(chan struct{})
	go func(exited chan struct{}) {
		_ = process.Wait()
		_ = log.Close()
		close(exited)
	}(s.exited)

	client := s.REST()
	return until(ctx, "starting "+s.Name, func() error {
		if !s.Running() {
			return permanent{fmt.Errorf("it ended at once:\n%s", LogTail(s.Directory, 10))}
		}
		if _, err := client.Version(ctx); err != nil {
			return err
		}
		// The gRPC API opens last. A SIGTERM that comes before is lost on it, and the process never ends.
		connection, err := new(net.Dialer).DialContext(ctx, "tcp", s.GRPC())
		if err != nil {
			return err
		}
		return connection.Close()
	})
}

// arguments make the server found or join a cluster. A peer that has joined
// before ignores them.
func (s *Server) arguments() []string {
	if s.options.Single {
		return nil
	}
	arguments := []string{"--uri", s.p2pURI()}
	if s.join != "" {
		arguments = append(arguments, "--bootstrap", s.join)
	}
	return arguments
}

func (s *Server) environment() []string {
	env := Environment(s.Directory, s.http, s.grpc)
	if !s.options.Single {
		env = append(env, "QDRANT__CLUSTER__ENABLED=true", "QDRANT__CLUSTER__P2P__PORT="+strconv.Itoa(s.p2p))
	}
	// An empty key would be a key, so it is left out.
	if s.options.APIKey != "" {
		env = append(env, "QDRANT__SERVICE__API_KEY="+s.options.APIKey)
	}
	return append(env, s.options.Env...)
}

// Running reports whether the process is there.
func (s *Server) Running() bool {
	if s.command == nil {
		return false
	}
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

// Kill ends the process at once, as a crash would, and waits until it is gone.
func (s *Server) Kill() {
	if !s.Running() {
		return
	}
	_ = s.command.Process.Kill()
	<-s.exited
}

// Freeze stops the server where it is, and Thaw lets it go on: for its peers it is cut off, without an end to any connection.
func (s *Server) Freeze() error { return s.signal("freezing", syscall.SIGSTOP) }

// Thaw ends a Freeze.
func (s *Server) Thaw() error { return s.signal("thawing", syscall.SIGCONT) }

func (s *Server) signal(what string, signal syscall.Signal) error {
	if err := s.command.Process.Signal(signal); err != nil {
		return fmt.Errorf("%s %s: %w", what, s.Name, err)
	}
	return nil
}

// Stop asks the process to end, as Kubernetes does, and waits until it has.
func (s *Server) Stop() error {
	if !s.Running() {
		return nil
	}
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stopping %s: %w", s.Name, err)
	}
	select {
	case <-s.exited:
		if code := s.command.ProcessState.ExitCode(); code != 0 {
			return fmt.Errorf("stopping %s: it ended with code %d:\n%s", s.Name, code, LogTail(s.Directory, 10))
		}
		return nil
	case <-time.After(stopTimeout):
		return fmt.Errorf("stopping %s: still running after %s", s.Name, stopTimeout)
	}
}

// LoseVolume deletes the storage of a server that is not running.
func (s *Server) LoseVolume() error {
	if s.Running() {
		return fmt.Errorf("deleting the storage of %s: it is running", s.Name)
	}
	if err := os.RemoveAll(s.Storage()); err != nil {
		return fmt.Errorf("deleting the storage of %s: %w", s.Name, err)
	}
	return nil
}

// SaveCollections copies the points of a server that is not running into an
// empty directory.
func (s *Server) SaveCollections(to string) error {
	if s.Running() {
		return fmt.Errorf("copying the collections of %s: it is running", s.Name)
	}
	if err := os.CopyFS(to, os.DirFS(s.collections())); err != nil {
		return fmt.Errorf("copying the collections of %s: %w", s.Name, err)
	}
	return nil
}

// RestoreCollections takes a server that is not running back to the points that
// were saved. Its consensus log stays as it is: a server with an old log does
// not get ready again, so it could do no harm.
func (s *Server) RestoreCollections(from string) error {
	if s.Running() {
		return fmt.Errorf("restoring the collections of %s: it is running", s.Name)
	}
	if err := os.RemoveAll(s.collections()); err != nil {
		return fmt.Errorf("restoring the collections of %s: %w", s.Name, err)
	}
	if err := os.CopyFS(s.collections(), os.DirFS(from)); err != nil {
		return fmt.Errorf("restoring the collections of %s: %w", s.Name, err)
	}
	return nil
}

func (s *Server) collections() string { return filepath.Join(s.Storage(), "collections") }

// permanent marks an error that waiting will not mend.
type permanent struct{ error }

// until calls check until it succeeds. When the context ends first, the error
// has what check said last.
func until(ctx context.Context, act string, check func() error) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var last error
	for {
		err := check()
		if err == nil {
			return nil
		}
		var hopeless permanent
		if errors.As(err, &hopeless) {
			return fmt.Errorf("%s: %w", act, err)
		}
		// An error that only says that time is up would hide the reason.
		if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w; last: %w", act, ctx.Err(), last)
		case <-ticker.C:
		}
	}
}
