// Package qdrantprocess runs real Qdrant servers as processes on the loopback interface: one, or a cluster, with neither Docker nor
// Kubernetes.
//
// It needs a server binary, which QDRANT_BIN names for tests. Each server has a directory with its storage and its log. The processes end
// with the test, or with the program that started them.
package qdrantprocess

import (
	"context"
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
	"github.com/qdrant-shepherd/shepherd/client/wait"
)

const (
	binaryVariable = "QDRANT_BIN"

	// startTimeout is long enough for a busy machine: a lone server answers after about a second, a joining peer after three.
	startTimeout = 10 * time.Minute
	// stopTimeout bounds a graceful stop, which takes half a second.
	stopTimeout = 5 * time.Minute
)

var poll = wait.Options{Every: 50 * time.Millisecond}

// Options are what the servers of a cluster have in common.
type Options struct {
	// Binary is the path of the server; QDRANT_BIN when empty.
	Binary string
	// APIKey is required of all requests unless it is empty.
	APIKey string
	// Single starts servers without cluster mode, which do not know each other.
	Single bool
	// Env adds settings, such as QDRANT__STORAGE__HNSW_INDEX__M=64.
	Env []string
}

// Cluster is a set of servers that know each other.
type Cluster struct {
	Servers []*Server
	options Options
}

// Server is one Qdrant process and its directory. The process may end and start again.
type Server struct {
	// Name is q-0, q-1, …
	Name string
	// Directory has storage/, snapshots/ and qdrant.log.
	Directory string

	options Options
	http    int
	grpc    int
	p2p     int
	join    string // the p2p URI to bootstrap from; empty for the first server
	process *childprocess.Process
}

// Start runs n servers until the test ends. It returns when they form one cluster and are ready. It skips the test if there is no binary.
func Start(t testing.TB, n int, options Options) *Cluster {
	t.Helper()
	if options.Binary == "" && os.Getenv(binaryVariable) == "" {
		t.Skipf("SKIP: %s is not set; set it to the path of a Qdrant server binary; `make qdrant-binary` copies one out of the image", binaryVariable)
	}
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	// t.TempDir comes before the cleanup below, so that the processes are gone when the directory is removed.
	directory := t.TempDir()
	c, err := New(ctx, directory, n, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if t.Failed() {
			for _, s := range c.Servers {
				t.Logf("the last lines of the log of %s:\n%s", s.Name, s.LogTail(20))
			}
		}
	})
	return c
}

// New runs n servers, each in a directory below the given one. It returns when they form one cluster and are ready. Close ends them.
func New(ctx context.Context, directory string, n int, options Options) (*Cluster, error) {
	if options.Binary == "" {
		options.Binary = os.Getenv(binaryVariable)
	}
	binary, err := filepath.Abs(options.Binary) // it is run in another directory
	if err != nil {
		return nil, fmt.Errorf("finding the server binary %s: %w", options.Binary, err)
	}
	options.Binary = binary
	c := &Cluster{options: options}
	if err := c.start(ctx, directory, n); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context, directory string, n int) error {
	for i := range n {
		name := fmt.Sprintf("q-%d", i)
		s := &Server{Name: name, Directory: filepath.Join(directory, name), options: c.options}
		ports, err := FreePorts(ctx, 3)
		if err != nil {
			return fmt.Errorf("starting %s: %w", s.Name, err)
		}
		s.http, s.grpc, s.p2p = ports[0], ports[1], ports[2]
		if i > 0 {
			s.join = c.Servers[0].p2pURI()
		}
		c.Servers = append(c.Servers, s)
		if err := s.Start(ctx); err != nil {
			return err
		}
	}
	return c.AwaitReady(ctx)
}

// Close kills all servers. Their directories stay.
func (c *Cluster) Close() {
	for _, s := range c.Servers {
		s.Kill()
	}
}

// GRPC returns the gRPC addresses of all servers.
func (c *Cluster) GRPC() []string {
	addresses := make([]string, 0, len(c.Servers))
	for _, s := range c.Servers {
		addresses = append(addresses, s.GRPC())
	}
	return addresses
}

// AwaitReady returns when all servers are ready and see each other as voters under one leader.
func (c *Cluster) AwaitReady(ctx context.Context) error {
	return wait.Until(ctx, "the cluster", poll, func(ctx context.Context) error {
		var leader uint64
		for _, s := range c.Servers {
			var err error
			if leader, err = s.agreed(ctx, len(c.Servers), leader); err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
		}
		return nil
	})
}

// AwaitActive returns when every server sees each shard of a collection Active on exactly that many peers, and no transfer under way.
func (c *Cluster) AwaitActive(ctx context.Context, collection string, replicas int) error {
	return wait.Until(ctx, "the replicas of "+collection, poll, func(ctx context.Context) error {
		for _, s := range c.Servers {
			if err := s.active(ctx, collection, replicas); err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
		}
		return nil
	})
}

// URL returns the address of the server's REST API.
func (s *Server) URL() string { return fmt.Sprintf("http://127.0.0.1:%d", s.http) }

// GRPC returns the address of the server's gRPC API.
func (s *Server) GRPC() string { return fmt.Sprintf("127.0.0.1:%d", s.grpc) }

// GRPCPort returns the port of the server's gRPC API.
func (s *Server) GRPCPort() int { return s.grpc }

// PID returns the process ID of a server that runs.
func (s *Server) PID() int { return s.process.Process.Pid }

// Storage returns the directory that holds the server's data.
func (s *Server) Storage() string { return storage(s.Directory) }

// LogTail returns the last lines of the server's log, or why it can't be read.
func (s *Server) LogTail(lines int) string { return logTail(s.Directory, lines) }

func (s *Server) p2pURI() string { return fmt.Sprintf("http://127.0.0.1:%d", s.p2p) }

// Start runs the server on its directory, and returns when it answers. The REST port opens after all collections are loaded and the peer
// has joined.
func (s *Server) Start(ctx context.Context) error {
	if s.Running() {
		return fmt.Errorf("starting %s: it is running", s.Name)
	}
	if err := os.MkdirAll(s.Directory, 0o755); err != nil {
		return fmt.Errorf("starting %s: %w", s.Name, err)
	}
	// The process must outlive the context of its start.
	command := exec.CommandContext(context.WithoutCancel(ctx), s.options.Binary, s.arguments()...)
	command.Dir = s.Directory // has no config/, so the built-in defaults apply
	command.Env = s.environment()
	process, err := childprocess.Start(command, childprocess.Files{Log: logFile(s.Directory)})
	if err != nil {
		return fmt.Errorf("starting %s: %w", s.Name, err)
	}
	s.process = process
	return wait.Until(ctx, s.Name+" to start", poll, func(ctx context.Context) error {
		if !s.Running() {
			return wait.Permanent(fmt.Errorf("it ended at once:\n%s", s.LogTail(10)))
		}
		if err := s.get(ctx, "/", nil); err != nil {
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

// Running reports whether the process runs.
func (s *Server) Running() bool { return s.process != nil && s.process.Running() }

// Kill ends the process at once, as a crash would, and waits until it is gone.
func (s *Server) Kill() {
	if s.Running() {
		s.process.Kill()
	}
}

// Freeze stops the server where it is, and Thaw lets it go on: for its peers it is cut off, without an end to any connection.
func (s *Server) Freeze() error { return s.signal("freezing", syscall.SIGSTOP) }

// Thaw ends a Freeze.
func (s *Server) Thaw() error { return s.signal("thawing", syscall.SIGCONT) }

func (s *Server) signal(what string, signal syscall.Signal) error {
	if err := s.process.Process.Signal(signal); err != nil {
		return fmt.Errorf("%s %s: %w", what, s.Name, err)
	}
	return nil
}

// Stop asks the process to end, as Kubernetes does, and waits until it has. A server that has to be killed, or ends with another code than
// 0, is an error.
func (s *Server) Stop() error {
	if !s.Running() {
		return nil
	}
	if err := s.process.Stop(stopTimeout); err != nil {
		return fmt.Errorf("stopping %s: %w", s.Name, err)
	}
	if err := s.process.Wait(); err != nil {
		return fmt.Errorf("stopping %s: %w:\n%s", s.Name, err, s.LogTail(10))
	}
	return nil
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
