package up

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"

	"github.com/qdrant-shepherd/shepherd/internal/repository"
)

// The worlds, as UP names them.
const (
	inKind  = "kind"
	inLocal = "local"
)

// What Up installs, and where. The names are those of scripts and docs, too.
const (
	namespace   = "qdrant"
	release     = "q"
	statefulSet = release + "-qdrant"
	deployment  = release + "-shepherd"
	secret      = "qdrant-keys"
	secretKey   = "api-key"
)

// DefaultPort is where the first pod's REST API is.
const DefaultPort = 6333

// Settings are what the environment says.
type Settings struct {
	// Root is the clone of the repository.
	Root string
	// Directory is for everything that is started, and only for that (UP_DIR).
	Directory string
	// World is "kind", "local" or, for whichever fits, empty (UP).
	World string
	// Port is the REST API's of the first pod, where pods are processes of this machine; see ports (PORT).
	Port int
	// Server is the program of a Qdrant server, empty for the stand-in (QDRANT_BIN).
	Server string
	// Cluster and NodeImage are kind's; empty stands for qdrant-up and for kind's own image (CLUSTER, KIND_NODE_IMAGE).
	Cluster, NodeImage string
}

// Read reads the settings from the environment.
func Read(env func(string) string) (Settings, error) {
	root, err := repository.Root()
	if err != nil {
		return Settings{}, err
	}
	s := Settings{
		Root: root, World: env("UP"), Port: DefaultPort,
		Cluster: env("CLUSTER"), NodeImage: env("KIND_NODE_IMAGE"),
	}
	if s.Directory, err = filepath.Abs(cmp.Or(env("UP_DIR"), filepath.Join(root, "artifacts", "up"))); err != nil {
		return s, fmt.Errorf("UP_DIR: %w", err)
	}
	switch s.World {
	case "", inKind, inLocal:
	default:
		return s, fmt.Errorf("UP: %q is neither kind nor local; leave it unset for kind where a Docker engine answers", s.World)
	}
	if text := env("PORT"); text != "" {
		s.Port, err = strconv.Atoi(text)
		if err != nil || s.Port < 1024 || s.Port > 60000 {
			return s, fmt.Errorf("PORT: %q is no port from 1024 to 60000", text)
		}
	}
	if name := env("QDRANT_BIN"); name != "" {
		if s.Server, err = filepath.Abs(name); err != nil {
			return s, fmt.Errorf("QDRANT_BIN: %w", err)
		}
	}
	return s, nil
}

// Home is the directory that this program was copied into, empty if it is not such a copy.
func Home() string {
	own, err := os.Executable()
	if err != nil {
		return ""
	}
	directory := filepath.Dir(own)
	if _, err := os.Stat(filepath.Join(directory, stateFile)); err != nil {
		return ""
	}
	return directory
}

func (s Settings) path(names ...string) string {
	return filepath.Join(append([]string{s.Directory}, names...)...)
}

// kubeconfig is there once the cluster answers.
func (s Settings) kubeconfig() string { return s.path("kubeconfig") }

// directoryLock is the right to start and stop things in the directory.
type directoryLock struct{ lock *flock.Flock }

func (l directoryLock) release() { _ = l.lock.Unlock() }

// lock takes that right, which one process at a time has. The lock is beside the directory, because that is deleted.
func (s Settings) lock() (directoryLock, error) {
	if err := os.MkdirAll(filepath.Dir(s.Directory), 0o755); err != nil {
		return directoryLock{}, fmt.Errorf("making the directory: %w", err)
	}
	lock := flock.New(s.Directory + ".lock")
	free, err := lock.TryLock()
	switch {
	case err != nil:
		return directoryLock{}, fmt.Errorf("locking %s: %w", s.Directory, err)
	case !free:
		return directoryLock{}, fmt.Errorf("another make up or make down is at work in %s; wait for it, or name another directory with UP_DIR", s.Directory)
	}
	return directoryLock{lock}, nil
}

// emptyDirectory deletes what an earlier run left in the directory, and nothing that is not make up's.
func (s Settings) emptyDirectory() error {
	entries, err := os.ReadDir(s.Directory)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("UP_DIR: %w", err)
	}
	if len(entries) > 0 {
		if _, err := os.Stat(s.path(stateFile)); err != nil {
			return fmt.Errorf("UP_DIR: %s has files in it that are not of make up; name a directory that is empty or not there yet", s.Directory)
		}
	}
	if err := os.RemoveAll(s.Directory); err != nil {
		return fmt.Errorf("removing what an earlier run left: %w", err)
	}
	if err := os.MkdirAll(s.Directory, 0o700); err != nil { // it holds keys
		return fmt.Errorf("making the directory: %w", err)
	}
	return nil
}

// command is how a person calls a target of the Makefile for the same directory.
func (s Settings) command(target string) string {
	var words []string
	if s.Directory != filepath.Join(s.Root, "artifacts", "up") {
		words = append(words, "UP_DIR="+s.Directory)
	}
	return strings.Join(append(words, "make", target), " ")
}
