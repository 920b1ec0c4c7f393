// Package images knows which container images the end-to-end tests need, whether the Docker engine has them, and which
// command helps when one is missing. It copies them onto the nodes of a kind cluster, so that no node ever pulls.
package images

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/kind/pkg/apis/config/defaults"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
	kindexec "sigs.k8s.io/kind/pkg/exec"
)

const (
	// QdrantDefault is the image that the chart and the compose file name. `make generate` sets its version.
	QdrantDefault = "docker.io/qdrant/qdrant:v1.18.3-unprivileged"
	// QdrantRoot is the same server in the image that runs as root by default; the chart's pods run it as anybody.
	QdrantRoot = "docker.io/qdrant/qdrant:v1.18.3"
	// Shepherd is what `make image` builds and values-kind.yaml names; no registry has it.
	Shepherd = "docker.io/library/qdrant-shepherd:dev"
	// MetricsServer feeds the HorizontalPodAutoscaler in the autoscaling tests.
	MetricsServer = "registry.k8s.io/metrics-server/metrics-server:v0.9.0"
)

// Qdrant is the server's image: E2E_QDRANT_IMAGE, or what the chart names. Probe pods run its bash.
func Qdrant() string {
	if image := os.Getenv("E2E_QDRANT_IMAGE"); image != "" {
		return image
	}
	return QdrantDefault
}

// Node is the image that kind makes nodes of: KIND_NODE_IMAGE, or kind's own default.
func Node() string {
	if image := os.Getenv("KIND_NODE_IMAGE"); image != "" {
		return image
	}
	return defaults.Image
}

// EngineAnswers says why Docker cannot be used, with the command that helps.
func EngineAnswers(ctx context.Context) error {
	if _, err := exec.LookPath("docker"); err != nil {
		return errors.New("docker is not on PATH; install Docker Engine: https://docs.docker.com/engine/install/")
	}
	if _, err := docker(ctx, "version", "--format", "{{.Server.Version}}"); err != nil {
		return errors.New("no Docker engine answers; start it, and see what `docker version` says")
	}
	return nil
}

// Present says which of the images the Docker engine lacks, with the commands that help.
func Present(ctx context.Context, names ...string) error {
	var missing, pulls []string
	for _, name := range names {
		if _, err := ID(ctx, name); err != nil {
			missing = append(missing, name)
			if name == Shepherd {
				pulls = append(pulls, "make image")
			} else {
				pulls = append(pulls, "docker pull "+name)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("Docker has no image %s; run: %s", strings.Join(missing, ", "), strings.Join(pulls, " && ")) //nolint:staticcheck // Docker is a name
}

// ID is the engine's identifier of an image; an error when it has none of that name.
func ID(ctx context.Context, name string) (string, error) {
	return docker(ctx, "image", "inspect", "--format", "{{.Id}}", name)
}

// Loader copies images onto the nodes of one cluster, each once.
type Loader struct {
	mu     sync.Mutex
	loaded map[string]bool
}

// Load puts the images onto the nodes. What an earlier call has put there, or a node has already, is not sent again.
func (l *Loader) Load(ctx context.Context, onto []nodes.Node, names ...string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range names {
		if l.loaded[name] {
			continue
		}
		if err := load(ctx, onto, name); err != nil {
			return fmt.Errorf("loading image %s: %w", name, err)
		}
		if l.loaded == nil {
			l.loaded = map[string]bool{}
		}
		l.loaded[name] = true
	}
	return nil
}

func load(ctx context.Context, onto []nodes.Node, name string) error {
	id, err := ID(ctx, name)
	if err != nil {
		return Present(ctx, name)
	}
	lacking := slices.DeleteFunc(slices.Clone(onto), func(node nodes.Node) bool {
		return has(node, name, id)
	})
	if len(lacking) == 0 {
		return nil
	}
	dir, err := os.MkdirTemp("", "qdrant-image-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	archive := filepath.Join(dir, "image.tar")
	if _, err := docker(ctx, "save", "--output", archive, name); err != nil {
		return err
	}
	if err := importAll(lacking, archive); err == nil {
		return nil
	} else if _, saveErr := docker(ctx, "save", "--platform", "linux/"+runtime.GOARCH, "--output", archive, name); saveErr != nil {
		return err // an engine without --platform: the first error is the one that tells
	}
	// An engine with the containerd image store saves the index of all platforms and the layers of one, which the nodes
	// refuse to import; saved for one platform the archive is whole.
	return importAll(lacking, archive)
}

// has asks containerd itself for the name and for the image's content: kind's own nodeutils.ImageID needs crictl.
func has(node nodes.Node, name, id string) bool {
	known, err := kindexec.Output(node.Command("ctr", "--namespace=k8s.io", "images", "ls", "--quiet", "name=="+name))
	if err != nil || len(bytes.TrimSpace(known)) == 0 {
		return false
	}
	return node.Command("ctr", "--namespace=k8s.io", "content", "get", id).Run() == nil
}

// importAll reads the archive once for each node, all nodes at a time: the cost is disk, not processor.
func importAll(onto []nodes.Node, archive string) error {
	var group errgroup.Group
	for _, node := range onto {
		group.Go(func() error {
			file, err := os.Open(archive)
			if err != nil {
				return err
			}
			defer func() { _ = file.Close() }()
			if err := nodeutils.LoadImageArchive(node, file); err != nil {
				if run := kindexec.RunErrorForError(err); run != nil {
					return fmt.Errorf("importing on node %s: %w: %s", node, err, run.Output)
				}
				return fmt.Errorf("importing on node %s: %w", node, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func docker(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "docker", args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return "", fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(exit.Stderr)))
		}
		return "", fmt.Errorf("docker %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Version is the server's version in these images, such as 1.18.3.
func Version() string { return strings.TrimPrefix(QdrantRoot, "docker.io/qdrant/qdrant:v") }
