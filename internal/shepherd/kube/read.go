package kube

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podsOfStatefulSets selects by the one label that every StatefulSet's pods have; which pods are this one's, their names tell.
const podsOfStatefulSets = "statefulset.kubernetes.io/pod-name"

// StatefulSet reads the StatefulSet. One that does not exist is no error: it is Gone.
func (c *Client) StatefulSet(ctx context.Context) (StatefulSet, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	object, err := c.api.AppsV1().StatefulSets(c.names.Namespace).Get(ctx, c.names.StatefulSet, metav1.GetOptions{})
	if err != nil && !IsNotFound(err) {
		return StatefulSet{}, fmt.Errorf("reading statefulset %s: %w", c.names.StatefulSet, err)
	}
	set := StatefulSet{Gone: true}
	if err == nil {
		set = readStatefulSet(object)
	}
	set.NamespaceEnding, err = c.namespaceEnding(ctx)
	return set, err
}

// namespaceEnding reads the release's own namespace, which the API server lets a Role of that namespace grant.
func (c *Client) namespaceEnding(ctx context.Context) (bool, error) {
	namespace, err := c.api.CoreV1().Namespaces().Get(ctx, c.names.Namespace, metav1.GetOptions{})
	if IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading namespace %s: %w", c.names.Namespace, err)
	}
	return namespace.DeletionTimestamp != nil, nil
}

// Pod reads a pod by its name; IsNotFound tells whether there is none.
func (c *Client) Pod(ctx context.Context, name string) (Pod, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	object, err := c.api.CoreV1().Pods(c.names.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return Pod{}, fmt.Errorf("reading pod %s: %w", name, err)
	}
	return c.pod(ctx, object)
}

// Pods lists the StatefulSet's pods in order of their ordinals. A pod that another object owns, or nothing, is among them if it has
// the name of one: what runs under that name answers at that address.
func (c *Client) Pods(ctx context.Context) ([]Pod, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	list, err := c.api.CoreV1().Pods(c.names.Namespace).List(ctx, metav1.ListOptions{LabelSelector: podsOfStatefulSets})
	if err != nil {
		return nil, fmt.Errorf("listing pods: %w", err)
	}
	pods := make([]*corev1.Pod, 0, len(list.Items))
	for i := range list.Items {
		pods = append(pods, &list.Items[i])
	}
	return c.ownPods(ctx, pods)
}

func (c *Client) ownPods(ctx context.Context, objects []*corev1.Pod) ([]Pod, error) {
	var pods []Pod
	for _, object := range objects {
		if c.names.Ordinal(object.Name) < 0 || object.Name != c.names.Pod(c.names.Ordinal(object.Name)) {
			continue
		}
		pod, err := c.pod(ctx, object)
		if err != nil {
			return nil, err
		}
		pods = append(pods, pod)
	}
	slices.SortFunc(pods, func(a, b Pod) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	return pods, nil
}

// pod adds the zone, which may need another call.
func (c *Client) pod(ctx context.Context, object *corev1.Pod) (Pod, error) {
	pod := readPod(c.names, object)
	if pod.Zone != "" || pod.Node == "" || !c.readNodes {
		return pod, nil
	}
	zone, err := c.zone(ctx, pod.Node)
	pod.Zone = zone
	return pod, err
}

// zone asks a node once: nodes do not move between zones, and another one of the same name would be a new machine in the same place.
func (c *Client) zone(ctx context.Context, node string) (string, error) {
	c.mu.Lock()
	zone, known := c.zones[node]
	c.mu.Unlock()
	if known {
		return zone, nil
	}
	object, err := c.api.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
	if IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the zone of node %s: %w", node, err)
	}
	zone = object.Labels[corev1.LabelTopologyZone]
	c.mu.Lock()
	c.zones[node] = zone
	c.mu.Unlock()
	return zone, nil
}

// Claims reads the data claims of the ordinals below upTo, each by its name; one that does not exist is left out. A claim whose
// annotations cannot be read is an error, never an unmarked claim.
func (c *Client) Claims(ctx context.Context, upTo int) ([]Claim, error) {
	var claims []Claim
	for ordinal := range upTo {
		claim, found, err := c.Claim(ctx, ordinal)
		if err != nil {
			return nil, err
		}
		if found {
			claims = append(claims, claim)
		}
	}
	return claims, nil
}

// Claim reads the data claim of an ordinal; it reports whether there is one. IsUnreadable tells an annotation that can't be read from an
// API server that can't be asked.
func (c *Client) Claim(ctx context.Context, ordinal int) (claim Claim, found bool, err error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	name := c.names.Claim(ordinal)
	object, err := c.api.CoreV1().PersistentVolumeClaims(c.names.Namespace).Get(ctx, name, metav1.GetOptions{})
	if IsNotFound(err) {
		return Claim{}, false, nil
	}
	if err != nil {
		return Claim{}, false, fmt.Errorf("reading claim %s: %w", name, err)
	}
	claim, err = readClaim(c.names, object)
	return claim, true, err
}

func (c *Client) ownClaims(objects []*corev1.PersistentVolumeClaim, upTo int) ([]Claim, error) {
	var claims []Claim
	for _, object := range objects {
		ordinal := c.names.Ordinal(object.Name)
		if ordinal < 0 || ordinal >= upTo || object.Name != c.names.Claim(ordinal) {
			continue
		}
		claim, err := readClaim(c.names, object)
		if err != nil {
			return nil, err
		}
		claims = append(claims, claim)
	}
	slices.SortFunc(claims, func(a, b Claim) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	return claims, nil
}
