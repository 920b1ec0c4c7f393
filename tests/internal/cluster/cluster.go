// Package cluster gives the end-to-end tests a Kubernetes cluster: the one that E2E_KUBECONFIG names, or a kind cluster of
// one control plane and three workers in zones a, b and c, made for this run and deleted with it.
//
// A cluster of its own has a unique name, and a kubeconfig in a directory of its own: ~/.kube/config and the current
// context are never touched. It is registered before it is created, so that Close, a signal or a test run that comes to
// its deadline deletes whatever is there of it. KEEP=1 leaves it and prints how to reach it.
//
// It needs a Docker engine on this machine, whose network leads to the nodes' addresses (as it does on Linux).
package cluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	kind "sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	kindexec "sigs.k8s.io/kind/pkg/exec"

	"github.com/qdrant-shepherd/shepherd/tests/internal/images"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// Options is what a suite asks of its cluster.
type Options struct {
	// Workers is the number of worker nodes of a cluster of its own, 3 when 0.
	Workers int
	// Images are put onto the workers at the start. ProbeImage is always among them.
	Images []string
	// ProbeImage has bash and coreutils; probe pods run it. images.Qdrant() when empty.
	ProbeImage string
	// Log takes what happens; slog.Default() when nil.
	Log *slog.Logger
}

// Node is a worker.
type Node struct {
	Name    string
	Zone    string
	Address string // reached from this machine and from pods
}

// Cluster is a running cluster and the client for it.
type Cluster struct {
	*k8s.Client

	Name       string // kind's name, empty for a cluster of another make
	Kubeconfig string // a file of this cluster alone
	ProbeImage string
	// Kept says that the cluster outlives this run: KEEP=1, or it was there before.
	Kept bool

	log      *slog.Logger
	provider *kind.Provider // nil unless the nodes are containers of this machine's Docker engine
	loader   images.Loader

	probe    sync.Mutex // guards what follows
	enforces *bool
}

// Zones are the values of topology.kubernetes.io/zone, by turns over the workers.
var Zones = []string{"a", "b", "c"}

// Keep says whether KEEP=1 asks to leave the cluster, and the namespaces of failed tests.
func Keep() bool {
	keep := os.Getenv("KEEP")
	return keep != "" && keep != "0" && keep != "false"
}

// Existing is the kubeconfig of the cluster to use instead of a new one, empty for none.
func Existing() string {
	return os.Getenv("E2E_KUBECONFIG")
}

// Start connects to the existing cluster or creates one, labels its workers' zones, loads the images and returns when all
// nodes are ready.
func Start(ctx context.Context, options Options) (*Cluster, error) {
	if options.Workers == 0 {
		options.Workers = 3
	}
	if options.ProbeImage == "" {
		options.ProbeImage = images.Qdrant()
	}
	if options.Log == nil {
		options.Log = slog.Default()
	}
	c := &Cluster{log: options.Log, ProbeImage: options.ProbeImage}
	start := c.create
	if Existing() != "" {
		start = c.connect
	}
	begin := time.Now()
	if err := start(ctx, options); err != nil {
		return nil, err
	}
	if err := c.prepare(ctx, options); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	c.log.Info("cluster is ready", "name", c.Name, "kubeconfig", c.Kubeconfig, "seconds", int(time.Since(begin).Seconds()))
	return c, nil
}

// create makes a kind cluster.
func (c *Cluster) create(ctx context.Context, options Options) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	suffix := make([]byte, 3)
	_, _ = rand.Read(suffix) // never fails
	c.Name, c.Kept = "qdrant-e2e-"+hex.EncodeToString(suffix), Keep()
	dir, err := os.MkdirTemp("", c.Name+"-")
	if err != nil {
		return fmt.Errorf("directory for the kubeconfig: %w", err)
	}
	c.Kubeconfig = filepath.Join(dir, "kubeconfig")
	c.provider = kind.NewProvider(kind.ProviderWithDocker(), kind.ProviderWithLogger(logger{c.log}))
	if c.Kept {
		fmt.Printf("KEEP: the cluster %s will stay; export KUBECONFIG=%s; kind delete cluster --name %s\n", c.Name, c.Kubeconfig, c.Name)
	} else {
		register(c)
	}

	controlPlane, err := audited(dir)
	if err != nil {
		return err
	}
	config := &v1alpha4.Cluster{Nodes: []v1alpha4.Node{controlPlane}}
	for range options.Workers {
		config.Nodes = append(config.Nodes, v1alpha4.Node{Role: v1alpha4.WorkerRole})
	}
	err = c.provider.Create(c.Name,
		kind.CreateWithV1Alpha4Config(config),
		kind.CreateWithNodeImage(images.Node()),
		kind.CreateWithKubeconfigPath(c.Kubeconfig),
		kind.CreateWithWaitForReady(timeouts.ClusterReady),
		kind.CreateWithRetain(true), // Close deletes what is there of it; kind doing so too would be in its way
	)
	if err != nil {
		if run := kindexec.RunErrorForError(err); run != nil {
			err = fmt.Errorf("%w: %s", err, run.Output)
		}
		return errors.Join(fmt.Errorf("creating kind cluster %s of image %s: %w", c.Name, images.Node(), err), c.Close())
	}
	return nil
}

// connect takes the cluster that E2E_KUBECONFIG names.
func (c *Cluster) connect(ctx context.Context, _ Options) error {
	path, err := filepath.Abs(Existing())
	if err != nil {
		return fmt.Errorf("E2E_KUBECONFIG: %w", err)
	}
	c.Kubeconfig, c.Kept = path, true
	client, err := k8s.New(path)
	if err != nil {
		return fmt.Errorf("E2E_KUBECONFIG: %w", err)
	}
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("E2E_KUBECONFIG: listing the nodes of %s: %w", client.Config.Host, err)
	}
	for _, node := range list.Items {
		// kind's own form: kind://docker/CLUSTER/NODE
		if rest, ok := strings.CutPrefix(node.Spec.ProviderID, "kind://docker/"); ok {
			c.Name, _, _ = strings.Cut(rest, "/")
			c.provider = kind.NewProvider(kind.ProviderWithDocker(), kind.ProviderWithLogger(logger{c.log}))
		}
	}
	return nil
}

// prepare does what a new cluster and an existing one both need.
func (c *Cluster) prepare(ctx context.Context, options Options) error {
	client, err := k8s.New(c.Kubeconfig)
	if err != nil {
		return err
	}
	c.Client = client
	workers, err := c.Workers(ctx)
	if err != nil {
		return err
	}
	for i, worker := range workers {
		if err := c.WaitNode(ctx, worker.Name, true, timeouts.NodeReady); err != nil {
			return err
		}
		if c.provider == nil || worker.Zone != "" {
			continue
		}
		patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:%q}}}`, corev1.LabelTopologyZone, Zones[i%len(Zones)])
		if _, err := c.CoreV1().Nodes().Patch(ctx, worker.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}); err != nil {
			return fmt.Errorf("labelling the zone of node %s: %w", worker.Name, err)
		}
	}
	if err := c.reachable(ctx, workers); err != nil {
		return err
	}
	return c.LoadImages(ctx, append([]string{c.ProbeImage}, options.Images...)...)
}

// reachable makes sure that node ports can be used from here: the ledger talks to them.
func (c *Cluster) reachable(ctx context.Context, workers []Node) error {
	for _, worker := range workers {
		address := net.JoinHostPort(worker.Address, "10250")
		err := k8s.Poll(ctx, timeouts.Request, "the kubelet at "+address, func(ctx context.Context) error {
			connection, err := (&net.Dialer{Timeout: 3 * time.Second}).DialContext(ctx, "tcp", address)
			if err != nil {
				return err
			}
			return connection.Close()
		})
		if err != nil {
			return fmt.Errorf("node %s is not reachable from this machine, so node ports are not (Docker Desktop routes none; use Linux): %w", worker.Name, err)
		}
	}
	return nil
}

// LoadImages puts images of this machine's Docker engine onto all nodes, each once in the life of the cluster. On a cluster
// that is not kind's it does nothing: its nodes pull.
func (c *Cluster) LoadImages(ctx context.Context, names ...string) error {
	if c.provider == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeouts.ImageLoaded)
	defer cancel()
	all, err := c.provider.ListInternalNodes(c.Name)
	if err != nil {
		return fmt.Errorf("listing the nodes of kind cluster %s: %w", c.Name, err)
	}
	// The control plane is tainted: no pod of a test runs there. A cluster of one node has no other.
	workers := slices.DeleteFunc(slices.Clone(all), func(node nodes.Node) bool {
		role, err := node.Role()
		return err != nil || role != string(v1alpha4.WorkerRole)
	})
	if len(workers) == 0 {
		workers = all
	}
	return c.loader.Load(ctx, workers, names...)
}

// Workers lists the nodes that pods of the tests run on, by name.
func (c *Cluster) Workers(ctx context.Context) ([]Node, error) {
	list, err := c.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing nodes: %w", err)
	}
	var workers []Node
	for _, node := range list.Items {
		if slices.ContainsFunc(node.Spec.Taints, func(taint corev1.Taint) bool {
			return strings.HasPrefix(taint.Key, "node-role.kubernetes.io/")
		}) {
			continue
		}
		worker := Node{Name: node.Name, Zone: node.Labels[corev1.LabelTopologyZone]}
		for _, address := range node.Status.Addresses {
			if address.Type == corev1.NodeInternalIP && worker.Address == "" {
				worker.Address = address.Address
			}
		}
		workers = append(workers, worker)
	}
	if len(workers) == 0 {
		return nil, errors.New("the cluster has no node without a taint for its role")
	}
	slices.SortFunc(workers, func(a, b Node) int { return strings.Compare(a.Name, b.Name) })
	return workers, nil
}

// Close deletes a cluster of its own, and its kubeconfig, unless it is kept.
func (c *Cluster) Close() error {
	if c == nil || c.Kept {
		return nil
	}
	deleting.Lock()
	defer deleting.Unlock()
	defer unregister(c)
	return c.remove()
}

func (c *Cluster) remove() error {
	if c.provider != nil {
		if err := c.provider.Delete(c.Name, c.Kubeconfig); err != nil {
			return fmt.Errorf("deleting kind cluster %s: %w; kind delete cluster --name %s", c.Name, err, c.Name)
		}
	}
	return os.RemoveAll(filepath.Dir(c.Kubeconfig))
}
