package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// Inventory is what a suite must leave as it found it.
type Inventory struct {
	namespaces, claims, volumes, leases []string
	cordoned                            []string
	deleting                            []*corev1.Namespace
}

// Inventory lists the namespaces, claims, volumes and Leases of the cluster, and the nodes that take no pods. The Leases that nodes and the
// control plane renew are left out.
func (c *Cluster) Inventory(ctx context.Context) (Inventory, error) {
	var found Inventory
	namespaces, err := c.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	if err != nil {
		return found, fmt.Errorf("listing namespaces: %w", err)
	}
	for _, namespace := range namespaces.Items {
		if namespace.DeletionTimestamp != nil {
			found.deleting = append(found.deleting, &namespace)
		}
		found.namespaces = append(found.namespaces, "Namespace "+namespace.Name)
	}
	claims, err := c.CoreV1().PersistentVolumeClaims("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return found, fmt.Errorf("listing claims: %w", err)
	}
	for _, claim := range claims.Items {
		found.claims = append(found.claims, "PersistentVolumeClaim "+claim.Namespace+"/"+claim.Name)
	}
	volumes, err := c.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return found, fmt.Errorf("listing volumes: %w", err)
	}
	for _, volume := range volumes.Items {
		found.volumes = append(found.volumes, "PersistentVolume "+volume.Name)
	}
	leases, err := c.CoordinationV1().Leases("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return found, fmt.Errorf("listing Leases: %w", err)
	}
	for _, lease := range leases.Items {
		if !strings.HasPrefix(lease.Namespace, "kube-") && lease.Namespace != "local-path-storage" {
			found.leases = append(found.leases, "Lease "+lease.Namespace+"/"+lease.Name)
		}
	}
	nodes, err := c.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return found, fmt.Errorf("listing nodes: %w", err)
	}
	for _, node := range nodes.Items {
		if node.Spec.Unschedulable {
			found.cordoned = append(found.cordoned, "cordoned Node "+node.Name)
		}
	}
	return found, nil
}

// besides is what is in this inventory and not in the other.
func (i Inventory) besides(other Inventory) []string {
	was := other.all()
	return slices.DeleteFunc(i.all(), func(name string) bool { return slices.Contains(was, name) })
}

func (i Inventory) all() []string {
	return slices.Concat(i.namespaces, i.claims, i.volumes, i.leases, i.cordoned)
}

// AwaitNothingLeft waits until the cluster has nothing that it did not have before: what tests delete takes its time to go. The error names
// what stays.
func (c *Cluster) AwaitNothingLeft(ctx context.Context, before Inventory) error {
	return k8s.Poll(ctx, timeouts.NamespaceGone, "the suite to leave nothing behind", func(ctx context.Context) error {
		now, err := c.Inventory(ctx)
		if err != nil {
			return err
		}
		for _, namespace := range now.deleting {
			if err := c.Recheck(ctx, namespace); err != nil {
				return err
			}
		}
		if left := now.besides(before); len(left) > 0 {
			return errors.New("left behind: " + strings.Join(left, ", "))
		}
		return nil
	})
}

// Containers are the containers of this machine's Docker engine that belong to the cluster, running or not.
func (c *Cluster) Containers(ctx context.Context) ([]string, error) {
	if c.provider == nil {
		return nil, nil
	}
	out, err := c.docker(ctx, "ps", "--all", "--filter", "name="+c.Name, "--format", "{{.Names}}")
	if err != nil {
		return nil, fmt.Errorf("listing the containers of cluster %s: %w", c.Name, err)
	}
	return strings.Fields(out), nil
}
