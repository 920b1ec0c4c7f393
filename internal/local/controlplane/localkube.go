// Package controlplane runs a Kubernetes control plane as processes of this machine, for where there is no Docker: etcd, the API server, the
// controllers and the scheduler are the real ones, compiled from Kubernetes' own modules (tools/kubernetes). Nodes, pods and volumes are
// simulated: a pod becomes ready as soon as it is scheduled, and nothing runs in it.
//
// All of it listens on loopback, ends with the process that started it (package child), and lives in one directory: data, logs, keys, and a
// pid file for each process, by which the next run ends what a killed one may still have left.
package controlplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/qdrant-shepherd/shepherd/client/qdrantprocess"
	"github.com/qdrant-shepherd/shepherd/client/wait"
)

// HoldAnnotation on a pod keeps it from becoming ready.
const HoldAnnotation = "localkube/hold"

// LingerAnnotation on a pod keeps it, once it is deleted, until somebody deletes it for good.
const LingerAnnotation = "localkube/linger"

// Provisioner is who provides the volumes of the default storage class.
const Provisioner = "localkube/nothing"

// startTime ends a start that hangs. A process that ends is noticed at once, and a slow machine is no failure: it takes ten seconds on an
// idle one.
const startTime = 10 * time.Minute

// Options are what Start needs.
type Options struct {
	// Assets is the directory that Assets returned.
	Assets string
	// Directory is for everything of this control plane, and only for that: what is in it is deleted first.
	Directory string
	// Nodes are the simulated ones.
	Nodes []Node
	// Provisioners are played besides Provisioner, for storage classes that name them.
	Provisioners []string
	// ControllerFlags are further flags of kube-controller-manager, such as shorter periods.
	ControllerFlags []string
	Log             *slog.Logger
}

// Node is a simulated node of 16 processors and 64 GiB.
type Node struct {
	Name, Zone string
	// Labels are further ones.
	Labels map[string]string
}

// Nodes makes n of them, by turns in the zones.
func Nodes(n int, zones ...string) []Node {
	var nodes []Node
	for i := range n {
		nodes = append(nodes, Node{Name: fmt.Sprintf("node-%02d", i), Zone: zones[i%len(zones)]})
	}
	return nodes
}

// ControlPlane is a running one.
type ControlPlane struct {
	// Kubeconfig is a file with an administrator's access.
	Kubeconfig string
	// Config is the same for client-go, without a limit of requests.
	Config *rest.Config

	options   Options
	lock      *flock.Flock
	processes []*process
	client    kubernetes.Interface
}

// Start ends what an earlier run left in the directory, starts everything, and returns when a pod could be scheduled. If that fails,
// nothing is left running.
func Start(ctx context.Context, options Options) (*ControlPlane, error) {
	c := &ControlPlane{options: options}
	if c.options.Log == nil {
		c.options.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := c.start(ctx); err != nil {
		c.Stop()
		return nil, fmt.Errorf("starting Kubernetes: %w", err)
	}
	return c, nil
}

// Stop ends everything, the API server before etcd. The logs stay. Nil is nothing to stop.
func (c *ControlPlane) Stop() {
	if c == nil {
		return
	}
	for i := len(c.processes) - 1; i >= 0; i-- {
		_ = c.processes[i].Stop(stopTime) // its log says what it did
	}
	c.processes = nil
	if c.lock != nil {
		_ = c.lock.Unlock()
	}
}

// Gone says which process has ended on its own, nil while all run.
func (c *ControlPlane) Gone() error {
	var gone []error
	for _, p := range c.processes {
		gone = append(gone, p.gone())
	}
	return errors.Join(gone...)
}

func (c *ControlPlane) start(ctx context.Context) error {
	begin := time.Now()
	if err := c.claimDirectory(ctx); err != nil {
		return err
	}
	ports, err := qdrantprocess.FreePorts(ctx, 3)
	if err != nil {
		return err
	}
	access, err := newAccess(c.options.Directory, ports[2])
	if err != nil {
		return err
	}
	c.Kubeconfig = access.kubeconfig
	if c.Config, err = clientcmd.BuildConfigFromFlags("", c.Kubeconfig); err != nil {
		return err
	}
	c.Config.QPS = -1
	if c.client, err = kubernetes.NewForConfig(c.Config); err != nil {
		return err
	}
	if err := c.run(ctx, "etcd", access.etcdFlags(ports[0], ports[1])...); err != nil {
		return err
	}
	if err := c.run(ctx, "kube-apiserver", access.apiServerFlags(ports[0], ports[2])...); err != nil {
		return err
	}
	if err := c.await(ctx, "the API server", func(ctx context.Context) error {
		return c.client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	}); err != nil {
		return err
	}
	provisioners := strings.Join(append([]string{Provisioner}, c.options.Provisioners...), ",")
	for name, flags := range map[string][]string{
		"kube-controller-manager": append(access.controllerFlags(), c.options.ControllerFlags...),
		"kube-scheduler":          access.schedulerFlags(),
		"kwok":                    access.kwokFlags(),
		"provisioner":             {"--kubeconfig=" + access.kubeconfig, "--provisioners=" + provisioners},
	} {
		if err := c.run(ctx, name, flags...); err != nil {
			return err
		}
	}
	if err := c.furnish(ctx); err != nil {
		return err
	}
	c.options.Log.Info("Kubernetes runs", "version", Version, "nodes", len(c.options.Nodes), "seconds", time.Since(begin).Round(100*time.Millisecond).Seconds())
	return nil
}

// claimDirectory makes it an empty one that this process alone uses. The lock is beside it, because what is in it is deleted.
func (c *ControlPlane) claimDirectory(ctx context.Context) error {
	directory, err := filepath.Abs(c.options.Directory)
	if err != nil {
		return err
	}
	c.options.Directory = directory
	if err := os.MkdirAll(filepath.Dir(directory), 0o755); err != nil {
		return err
	}
	lock := flock.New(directory + ".lock")
	switch free, err := lock.TryLock(); {
	case err != nil:
		return err
	case !free:
		return fmt.Errorf("another run uses %s; wait for it, or end it", directory)
	}
	c.lock = lock
	ended, err := EndLeft(ctx, directory)
	if err != nil {
		return err
	}
	if len(ended) > 0 {
		c.options.Log.Info("ended what an earlier run left behind", "processes", strings.Join(ended, ", "))
	}
	if err := os.RemoveAll(directory); err != nil {
		return err
	}
	return os.MkdirAll(directory, 0o700) // it holds keys
}

func (c *ControlPlane) run(ctx context.Context, name string, flags ...string) error {
	p, err := startProcess(ctx, c.options.Directory, name, filepath.Join(c.options.Assets, name), flags...)
	if err != nil {
		return err
	}
	c.processes = append(c.processes, p)
	return nil
}

// furnish brings the nodes and the storage class that every cluster has, and waits for what the controllers bring.
func (c *ControlPlane) furnish(ctx context.Context) error {
	for _, node := range c.options.Nodes {
		if err := c.AddNode(ctx, node); err != nil {
			return err
		}
	}
	wait, expand := storagev1.VolumeBindingWaitForFirstConsumer, true
	class := &storagev1.StorageClass{
		ObjectMeta:           metav1.ObjectMeta{Name: "standard", Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}},
		Provisioner:          Provisioner,
		VolumeBindingMode:    &wait,
		AllowVolumeExpansion: &expand,
	}
	if _, err := c.client.StorageV1().StorageClasses().Create(ctx, class, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("creating storage class %s: %w", class.Name, err)
	}
	return c.await(ctx, "the nodes and the controllers", func(ctx context.Context) error {
		if _, err := c.client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{}); err != nil {
			return err
		}
		nodes, err := c.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, node := range nodes.Items {
			if !nodeReady(node) {
				return fmt.Errorf("node %s is not ready", node.Name)
			}
		}
		return nil
	})
}

func nodeReady(node corev1.Node) bool {
	if len(node.Spec.Taints) > 0 { // the node controller takes them off once it has seen it ready
		return false
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// AddNode registers a node, as its kubelet would.
func (c *ControlPlane) AddNode(ctx context.Context, node Node) error {
	size := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("16"), corev1.ResourceMemory: resource.MustParse("64Gi"),
		corev1.ResourceEphemeralStorage: resource.MustParse("500Gi"), corev1.ResourcePods: resource.MustParse("110"),
	}
	labels := map[string]string{
		corev1.LabelHostname: node.Name, corev1.LabelTopologyZone: node.Zone, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64",
	}
	maps.Copy(labels, node.Labels)
	object := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: node.Name, Labels: labels},
		Status:     corev1.NodeStatus{Capacity: size, Allocatable: size},
	}
	if _, err := c.client.CoreV1().Nodes().Create(ctx, object, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating node %s: %w", node.Name, err)
	}
	return nil
}

// await asks until it gets a good answer, the context ends or a process does.
func (c *ControlPlane) await(ctx context.Context, what string, ask func(ctx context.Context) error) error {
	return wait.Until(ctx, what, wait.Options{}, func(ctx context.Context) error {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		if gone := c.Gone(); gone != nil {
			return wait.Permanent(gone)
		}
		return err
	})
}
