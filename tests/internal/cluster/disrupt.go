package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// errNoEngine: what is asked for needs the node's container.
var errNoEngine = errors.New("the nodes of this cluster are not containers of this machine's Docker engine; use a kind cluster")

// NodesAreContainers says whether StopNode, StartNode and Kill work: they do on kind clusters of this machine.
func (c *Cluster) NodesAreContainers() bool { return c.provider != nil }

// StopNode takes a node away at once, as a power cut does: all its processes are killed, its disk stays.
func (c *Cluster) StopNode(ctx context.Context, node string) error {
	if c.provider == nil {
		return errNoEngine
	}
	if _, err := c.docker(ctx, "kill", node); err != nil {
		return fmt.Errorf("stopping node %s: %w", node, err)
	}
	return nil
}

// StartNode brings a stopped node back and waits until Kubernetes calls it ready. It is good for a t.Cleanup too: a node
// that runs is left as it is. Docker gives it the lowest free address, which is its old one unless another cluster has
// been deleted meanwhile; targets of Expose would then miss one node, and the log says so.
func (c *Cluster) StartNode(ctx context.Context, node string) error {
	if c.provider == nil {
		return errNoEngine
	}
	begin := time.Now()
	before := c.address(ctx, node)
	if _, err := c.docker(ctx, "start", node); err != nil {
		return fmt.Errorf("starting node %s: %w", node, err)
	}
	// Shortly after a stop the node is still called ready; a heartbeat since the start tells that it really is back.
	err := k8s.Poll(ctx, timeouts.NodeReady, "a heartbeat of node "+node, func(ctx context.Context) error {
		lease, err := c.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(ctx, node, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if lease.Spec.RenewTime == nil || !lease.Spec.RenewTime.After(begin) {
			return fmt.Errorf("the last one is of %s", lease.Spec.RenewTime)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := c.WaitNode(ctx, node, true, timeouts.NodeReady); err != nil {
		return err
	}
	if after := c.address(ctx, node); after != before {
		c.log.Warn("a node came back with another address", "node", node, "before", before, "after", after)
	}
	return nil
}

func (c *Cluster) address(ctx context.Context, name string) string {
	workers, _ := c.Workers(ctx)
	for _, worker := range workers {
		if worker.Name == name {
			return worker.Address
		}
	}
	return ""
}

// CutOff parts a node from the other workers: nothing goes from it, or from its pods, to them or to their pods, or back. The control
// plane still reaches it, so Kubernetes sees nothing. What it returns undoes it, as often as it is called.
func (c *Cluster) CutOff(ctx context.Context, node string) (restore func(), err error) {
	if c.provider == nil {
		return nil, errNoEngine
	}
	var others []string
	list, err := c.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("cutting off node %s: %w", node, err)
	}
	workers, err := c.Workers(ctx)
	if err != nil {
		return nil, fmt.Errorf("cutting off node %s: %w", node, err)
	}
	for _, worker := range workers {
		for _, other := range list.Items {
			if worker.Name != node && other.Name == worker.Name {
				others = append(append(others, worker.Address), other.Spec.PodCIDRs...)
			}
		}
	}
	rules := func(ctx context.Context, verb string) error {
		for _, chain := range []string{"INPUT", "OUTPUT", "FORWARD"} {
			for _, other := range others {
				for _, direction := range []string{"--source", "--destination"} {
					if _, err := c.docker(ctx, "exec", node, "iptables", "--wait", verb, chain, direction, other, "--jump", "DROP"); err != nil {
						return fmt.Errorf("cutting off node %s: %w", node, err)
					}
				}
			}
		}
		return nil
	}
	restore = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeouts.Request)
		defer cancel()
		if err := rules(ctx, "--delete"); err != nil {
			c.log.Error("a node may still be cut off", "node", node, "error", err)
		}
	})
	if err := rules(ctx, "--insert"); err != nil {
		restore()
		return nil, err
	}
	return restore, nil
}

// Kill sends SIGKILL to the first process of a pod's container, from the node: within the container the kernel shields
// process 1 from it.
func (c *Cluster) Kill(ctx context.Context, namespace, pod, container string) error {
	if c.provider == nil {
		return errNoEngine
	}
	found, err := c.CoreV1().Pods(namespace).Get(ctx, pod, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("killing pod %s/%s: %w", namespace, pod, err)
	}
	id := containerID(found, container)
	if id == "" {
		return fmt.Errorf("killing pod %s/%s: container %s does not run", namespace, pod, container)
	}
	// ctr, not crictl: kind itself needs it on every node.
	tasks, err := c.docker(ctx, "exec", found.Spec.NodeName, "ctr", "--namespace=k8s.io", "tasks", "ls")
	if err != nil {
		return fmt.Errorf("killing pod %s/%s: %w", namespace, pod, err)
	}
	pid := ""
	for line := range strings.Lines(tasks) { // TASK PID STATUS
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == id {
			pid = fields[1]
		}
	}
	if pid == "" {
		return fmt.Errorf("killing pod %s/%s: node %s has no task for container %s", namespace, pod, found.Spec.NodeName, id)
	}
	if _, err := c.docker(ctx, "exec", found.Spec.NodeName, "kill", "-KILL", pid); err != nil {
		return fmt.Errorf("killing pod %s/%s: %w", namespace, pod, err)
	}
	return nil
}

func containerID(pod *corev1.Pod, container string) string {
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name == container && status.State.Running != nil {
			_, id, _ := strings.Cut(status.ContainerID, "://")
			return id
		}
	}
	return ""
}

// OnNode runs a command on a node.
func (c *Cluster) OnNode(ctx context.Context, node string, command ...string) error {
	if c.provider == nil {
		return errNoEngine
	}
	if _, err := c.docker(ctx, append([]string{"exec", node}, command...)...); err != nil {
		return fmt.Errorf("on node %s: %w", node, err)
	}
	return nil
}
