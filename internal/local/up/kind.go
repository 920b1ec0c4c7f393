package up

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/qdrant-shepherd/shepherd/client/childprocess"
	"github.com/qdrant-shepherd/shepherd/internal/local/helm"
)

// shepherdImage is what `make image` builds and loads into the Docker engine.
const shepherdImage = "docker.io/library/qdrant-shepherd:dev"

// kind is a kind cluster of three workers.
type kind struct {
	settings Settings
	cluster  string
}

func (k *kind) introduce() string {
	return "A Docker engine answers: a kind cluster of three workers, production's shape at a laptop's size.\n" +
		"Your kubeconfig and other clusters are not touched.\n"
}

func (k *kind) begin(ctx context.Context, screen *screen) error {
	screen.title("The tools and shepherd's image")
	if err := k.run(ctx, screen, "make", "--no-print-directory", "tools", "image"); err != nil {
		return err
	}
	server, err := k.serverImage(ctx, screen)
	if err != nil {
		return err
	}
	if err := k.create(ctx, screen); err != nil {
		return err
	}
	screen.title("The images into its nodes")
	return k.run(ctx, screen, "kind", "load", "docker-image", "--name", k.cluster, server, shepherdImage)
}

// serverImage is the chart's image of Qdrant, in the Docker engine.
func (k *kind) serverImage(ctx context.Context, screen *screen) (string, error) {
	chart, err := helm.Load(k.settings.chart())
	if err != nil {
		return "", err
	}
	image := "docker.io/qdrant/qdrant:v" + chart.Metadata.AppVersion + "-unprivileged"
	if exec.CommandContext(ctx, "docker", "image", "inspect", image).Run() == nil {
		return image, nil
	}
	if err := k.run(ctx, screen, "docker", "pull", image); err != nil {
		return "", fmt.Errorf("the image %s is not here and can't be pulled; load it with 'docker load', then run this again", image)
	}
	return image, nil
}

func (k *kind) create(ctx context.Context, screen *screen) error {
	clusters, err := exec.CommandContext(ctx, "kind", "get", "clusters").Output()
	if err != nil {
		return fmt.Errorf("listing kind's clusters: %w", err)
	}
	if slices.Contains(strings.Fields(string(clusters)), k.cluster) {
		if _, err := os.Stat(k.settings.kubeconfig()); err == nil {
			return nil
		}
		if state, err := k.settings.state(); err != nil || state.Cluster != k.cluster {
			return fmt.Errorf("a kind cluster called %s is there that this folder did not make; choose another name: CLUSTER=… make up", k.cluster)
		}
		// It is half of one: the run that made it was killed.
		if err := k.end(ctx); err != nil {
			return err
		}
	}
	screen.title("A kind cluster of three workers")
	if err := k.settings.emptyDirectory(); err != nil {
		return err
	}
	if err := k.settings.keep(State{World: inKind, Cluster: k.cluster}); err != nil {
		return err
	}
	create := []string{"create", "cluster", "--name", k.cluster, "--config", "scripts/kind.yaml", "--wait", "3m"}
	if k.settings.NodeImage != "" {
		create = append(create, "--image", k.settings.NodeImage)
	}
	return k.run(ctx, screen, "kind", create...)
}

// run shows what a program prints.
func (k *kind) run(ctx context.Context, screen *screen, program string, arguments ...string) error {
	command := k.command(ctx, program, arguments...)
	command.Stdout, command.Stderr = screen.out, screen.out
	if err := childprocess.Run(ctx, command); err != nil {
		return fmt.Errorf("%s %s: %w", program, strings.Join(arguments, " "), err)
	}
	return nil
}

func (k *kind) command(ctx context.Context, program string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, program, arguments...)
	command.Dir = k.settings.Root
	command.Env = append(os.Environ(), "KUBECONFIG="+k.settings.kubeconfig())
	return command
}

func (k *kind) values() map[string]any { return nil }

// reach forwards ports, which it reads from what kubectl says of them.
func (k *kind) reach(ctx context.Context) (addresses, error) {
	forward := k.command(ctx, "kubectl", "-n", namespace, "port-forward", "service/"+statefulSet, ":6333", ":6334")
	var complaint bytes.Buffer
	forward.Stderr = &complaint
	said, err := forward.StdoutPipe()
	if err != nil {
		return addresses{}, err
	}
	process, err := childprocess.Start(forward, childprocess.Files{})
	if err != nil {
		return addresses{}, fmt.Errorf("forwarding ports: %w", err)
	}
	var to addresses
	for lines := bufio.NewScanner(said); lines.Scan(); {
		local, remote, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "Forwarding from "), " -> ")
		switch {
		case !strings.HasPrefix(local, "127.0.0.1:"):
			continue
		case remote == "6333":
			to.rest = local
		case remote == "6334":
			to.grpc = local
		}
		if to.rest != "" && to.grpc != "" {
			go func() {
				_, _ = io.Copy(io.Discard, said) // a line for each connection
				_ = process.Wait()
			}()
			return to, nil
		}
	}
	_ = process.Wait()
	return to, fmt.Errorf("forwarding ports: %s", strings.TrimSpace(complaint.String()))
}

func (k *kind) describe() closing {
	return closing{
		Kubernetes: "kind cluster " + k.cluster + ": three workers in Docker, in three zones",
		Qdrant:     "a server in each pod",
		Shepherd:   "in the pods: start and watch beside each server, tend in " + deployment,
		Forward:    fmt.Sprintf("kubectl -n %s port-forward service/%s 6333 6334 &", namespace, statefulSet),
		REST:       "http://127.0.0.1:6333", GRPC: "127.0.0.1:6334",
		Status:  fmt.Sprintf("kubectl -n %s exec deploy/%s -- /shepherd status", namespace, deployment),
		Tended:  true,
		Prove:   fmt.Sprintf("helm -n %s test %s", namespace, release),
		Deletes: "the kind cluster",
	}
}

// abandon keeps the cluster: it took minutes, and shows what went wrong.
func (k *kind) abandon(context.Context) {}

func (k *kind) end(ctx context.Context) error {
	if _, err := exec.LookPath("kind"); err != nil {
		return errors.New("kind is not here any more; make tools builds it, then run this again")
	}
	output, err := k.command(ctx, "kind", "delete", "cluster", "--name", k.cluster).CombinedOutput()
	if err != nil {
		return fmt.Errorf("deleting kind cluster %s: %w: %s", k.cluster, err, bytes.TrimSpace(output))
	}
	return nil
}
