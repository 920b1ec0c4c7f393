// Package up is `make up` and `make down`: a Kubernetes cluster with the chart in it and a workload over real vectors, with one closing
// screen. With a Docker engine that is a kind cluster. Without one it is a control plane of processes of this machine (package localkube)
// under a supervisor that stays: nodes, pods and volumes are simulated there, and what stands for the servers is either real Qdrant
// processes, for which the supervisor plays the kubelet, or client/qdranttest.
//
// All of it is in one directory, artifacts/up: state, logs, volumes, and a pid file for each process, by which the next run ends what a
// killed one may have left. Everything listens on loopback.
package up

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// rolloutTime is how long the pods may take to become ready.
const rolloutTime = 10 * time.Minute

// world is where a cluster is brought up.
type world interface {
	// introduce says what is real, before anything else is said.
	introduce() string
	// begin brings the cluster up and leaves its kubeconfig, or finds that it is up. What it has begun it ends if it fails.
	begin(ctx context.Context, screen *screen) error
	// values are the chart's, over those of values-prod and values-kind.
	values() map[string]any
	// reach leads to the servers for as long as the context lasts.
	reach(ctx context.Context) (addresses, error)
	// describe says what runs where and how to look at it.
	describe() closing
	// abandon ends what begin has begun, if it is not worth keeping.
	abandon(ctx context.Context)
	// end deletes everything.
	end(ctx context.Context) error
}

// addresses are those of the REST and the gRPC API, host:port.
type addresses struct{ rest, grpc string }

// Up brings a cluster up, or upgrades the release in the one that is up, and shows that it works.
func Up(ctx context.Context, settings Settings, out io.Writer) error {
	held, err := settings.lock()
	if err != nil {
		return err
	}
	defer held.release()
	left, err := sweep(ctx, settings)
	if err != nil {
		return err
	}
	w, err := choose(ctx, settings)
	if err != nil {
		return err
	}
	screen := &screen{out: out, began: time.Now()}
	screen.print(w.introduce())
	if left {
		screen.line("removed what an earlier run had left: its control plane has ended, and its data went with it")
	}
	if err := w.begin(ctx, screen); err != nil {
		return err
	}
	if err := fill(ctx, settings, w, screen); err != nil {
		w.abandon(ctx)
		return err
	}
	return nil
}

// fill installs the chart, waits for the pods, writes and searches vectors, and says what there is.
func fill(ctx context.Context, settings Settings, w world, screen *screen) error {
	api, err := connect(settings.kubeconfig())
	if err != nil {
		return err
	}
	screen.title("The chart")
	key, err := prepareNamespace(ctx, api)
	if err != nil {
		return err
	}
	if err := install(ctx, settings, api, w.values(), screen); err != nil {
		return err
	}
	screen.title("The cluster comes up")
	pods, err := watchRollout(ctx, api, screen)
	if err != nil {
		return err
	}
	screen.title("A workload over real vectors")
	if err := runWorkload(ctx, settings, w, key, screen); err != nil {
		return err
	}
	closing := w.describe()
	closing.Pods, closing.Settings = pods, settings
	return screen.close(closing)
}

// Down deletes what Up started from this directory.
func Down(ctx context.Context, settings Settings, out io.Writer) error {
	held, err := settings.lock()
	if err != nil {
		return err
	}
	defer held.release()
	state, err := settings.state()
	if errors.Is(err, os.ErrNotExist) {
		_, err = fmt.Fprintf(out, "There is nothing in %s that make up started.\n", settings.Directory)
		return err
	}
	if err != nil {
		return err
	}
	if err := settings.in(state).end(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(settings.Directory); err != nil {
		return fmt.Errorf("removing %s: %w", settings.Directory, err)
	}
	_, err = fmt.Fprintf(out, "%s is gone, and %s with it.\n", state, settings.Directory)
	return err
}

func access(kubeconfig string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", kubeconfig, err)
	}
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{}
	return config, nil
}

func connect(kubeconfig string) (kubernetes.Interface, error) {
	config, err := access(kubeconfig)
	if err != nil {
		return nil, err
	}
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reaching Kubernetes: %w", err)
	}
	return api, nil
}
