package controlplane

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/qdrant-shepherd/shepherd/client/childprocess"
	"github.com/qdrant-shepherd/shepherd/internal/repository"
)

// Version is the release of Kubernetes, as tools/kubernetes/go.mod requires it.
const Version = "v1.37.2"

// programs are the links to the one binary. kubectl is only there because envtest asks for the name; nobody calls it.
var programs = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "provisioner", "kubectl"}

// binary and complete are files of an assets directory. The second is written last and holds the size of the first.
const (
	binary   = "kubernetes"
	complete = "complete"
)

// Assets is a directory with the programs, which is also what KUBEBUILDER_ASSETS is for controller-runtime's envtest. They are
// compiled first where they are not there yet: once for a version of tools/kubernetes and of Go, into the user's cache directory or into
// LOCALKUBE_CACHE. That takes minutes and says so; afterwards it takes milliseconds. Those of other versions are deleted a week after
// their last use.
func Assets(ctx context.Context, log *slog.Logger) (string, error) {
	source, err := source()
	if err != nil {
		return "", fmt.Errorf("building Kubernetes: %w", err)
	}
	cache := os.Getenv("LOCALKUBE_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("building Kubernetes: %w; LOCALKUBE_CACHE may name a directory", err)
		}
		cache = filepath.Join(user, "qdrant-shepherd", "kubernetes")
	}
	b := builder{source: source, cache: cache, compile: compile, log: log}
	directory, err := b.build(ctx)
	if err != nil {
		return "", fmt.Errorf("building Kubernetes %s: %w", Version, err)
	}
	if err := b.prune(directory); err != nil {
		log.Warn("old builds of Kubernetes stay", "directory", cache, "error", err.Error())
	}
	return directory, nil
}

// source is the nested module.
func source() (string, error) {
	root, err := repository.Root()
	return filepath.Join(root, "tools", "kubernetes"), err
}

type builder struct {
	source, cache string
	compile       func(ctx context.Context, source, output string) error
	log           *slog.Logger
}

func (b builder) build(ctx context.Context) (string, error) {
	key, err := b.key()
	if err != nil {
		return "", err
	}
	directory := filepath.Join(b.cache, Version+"-"+key)
	if whole(directory) {
		return directory, nil
	}
	if err := os.MkdirAll(b.cache, 0o755); err != nil {
		return "", err
	}
	lock := flock.New(filepath.Join(b.cache, "lock"))
	if free, err := lock.TryLock(); err != nil {
		return "", err
	} else if !free {
		b.log.Info("another build is under way; waiting for it", "directory", b.cache)
		if _, err := lock.TryLockContext(ctx, time.Second); err != nil {
			return "", fmt.Errorf("waiting for another build: %w", err)
		}
	}
	defer func() { _ = lock.Unlock() }()
	if whole(directory) {
		return directory, nil
	}
	return directory, b.fill(ctx, directory)
}

// fill builds beside the directory and renames, so that a build that is killed leaves nothing that could be taken for a whole one.
func (b builder) fill(ctx context.Context, directory string) error {
	if _, err := os.Stat(directory); err == nil {
		b.log.Info("what is there is no whole build; building anew", "directory", directory)
	}
	half := directory + ".half"
	for _, left := range []string{half, directory} {
		if err := os.RemoveAll(left); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(half, 0o755); err != nil {
		return outOfSpace(err, half)
	}
	defer func() { _ = os.RemoveAll(half) }()
	begin := time.Now()
	b.log.Info("compiling Kubernetes' control plane, once: some six minutes on two cores", "version", Version, "into", directory)
	if err := b.compile(ctx, b.source, filepath.Join(half, binary)); err != nil {
		return outOfSpace(err, half)
	}
	size, err := sizeOf(filepath.Join(half, binary))
	if err != nil {
		return err
	}
	for _, program := range programs {
		if err := os.Symlink(binary, filepath.Join(half, program)); err != nil {
			return outOfSpace(err, half)
		}
	}
	if err := os.WriteFile(filepath.Join(half, complete), []byte(strconv.FormatInt(size, 10)), 0o644); err != nil {
		return outOfSpace(err, half)
	}
	if err := os.Rename(half, directory); err != nil {
		return err
	}
	b.log.Info("compiled Kubernetes' control plane", "seconds", int(time.Since(begin).Seconds()), "megabytes", size>>20)
	return nil
}

// unused is how long a build stays that nobody asks for: another clone or branch may name another version than this one.
const unused = 7 * 24 * time.Hour

// prune marks a build as used now, and deletes those that have not been used for long.
func (b builder) prune(used string) error {
	now := time.Now()
	failures := []error{os.Chtimes(filepath.Join(used, complete), now, now)}
	builds, err := filepath.Glob(filepath.Join(b.cache, "v*-*"))
	if err != nil {
		return err
	}
	for _, build := range builds {
		info, err := os.Stat(filepath.Join(build, complete))
		if err != nil {
			info, err = os.Stat(build) // half a build, of a run that was killed
		}
		switch {
		case errors.Is(err, fs.ErrNotExist): // another run was faster
		case err != nil:
			failures = append(failures, err)
		case now.Sub(info.ModTime()) > unused:
			b.log.Info("deleting a build of Kubernetes that nobody has used for a week", "directory", build)
			failures = append(failures, os.RemoveAll(build))
		}
	}
	return errors.Join(failures...)
}

// key changes with all that the binary is made of.
func (b builder) key() (string, error) {
	sum := sha256.New()
	_, _ = fmt.Fprintln(sum, runtime.Version(), runtime.GOOS, runtime.GOARCH, flags)
	err := filepath.WalkDir(b.source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		_, _ = fmt.Fprintln(sum, entry.Name())
		_, err = io.Copy(sum, file)
		return err
	})
	return hex.EncodeToString(sum.Sum(nil))[:12], err
}

func whole(directory string) bool {
	said, err := os.ReadFile(filepath.Join(directory, complete))
	if err != nil {
		return false
	}
	size, err := sizeOf(filepath.Join(directory, binary))
	return err == nil && strconv.FormatInt(size, 10) == string(said)
}

func sizeOf(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// flags stamp the version, which clients and charts ask for, as Kubernetes' own build does.
var flags = fmt.Sprintf("-s -w -X k8s.io/component-base/version.gitVersion=%[1]s -X k8s.io/component-base/version.gitMajor=1 "+
	"-X k8s.io/component-base/version.gitMinor=%[2]s -X k8s.io/client-go/pkg/version.gitVersion=%[1]s", Version, strings.Split(Version, ".")[1])

// compile needs no C compiler. It has no flag that the Makefile's other builds don't have, apart from the linker's: what both modules have in
// common, client-go above all, is compiled once (see TestBothModulesCompileTheSameVersions).
func compile(ctx context.Context, source, output string) error {
	command := exec.CommandContext(ctx, "go", "build", "-ldflags", flags, "-o", output, ".")
	command.Dir = source
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly -buildvcs=false")
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	err := childprocess.Run(ctx, command)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return fmt.Errorf("go build in %s: %w: %s", source, err, lastLines(said.String(), 3))
}

// outOfSpace says what to do about a full disk, whoever noticed.
func outOfSpace(err error, directory string) error {
	if strings.Contains(err.Error(), "no space left on device") {
		return fmt.Errorf("no space left: the build takes some 4 GB in Go's caches and 200 MB in %s (LOCALKUBE_CACHE, GOCACHE and GOPATH move them)", filepath.Dir(directory))
	}
	return err
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return cmp.Or(strings.Join(lines[max(0, len(lines)-n):], "; "), "it printed nothing")
}
