package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// NodePortTargets is where a node port is reached: ADDRESS:PORT of every worker, in the order of Workers. A target stays
// good while pods come and go; that of a stopped node does not answer.
func (c *Cluster) NodePortTargets(ctx context.Context, nodePort int32) ([]string, error) {
	workers, err := c.Workers(ctx)
	if err != nil {
		return nil, err
	}
	var targets []string
	for _, worker := range workers {
		targets = append(targets, net.JoinHostPort(worker.Address, strconv.Itoa(int(nodePort))))
	}
	return targets, nil
}

// Expose makes a NodePort Service over the ready pods of a selector and returns the targets of each of its ports. It goes
// with its namespace. What local means, kube.Client.NodePort tells; the addresses that the pods see are within NodeCIDRs.
func (c *Cluster) Expose(ctx context.Context, namespace, name string, selector map[string]string, local bool, ports ...int32) (map[int32][]string, error) {
	nodePorts, err := c.NodePort(ctx, namespace, name, selector, local, ports...)
	if err != nil {
		return nil, err
	}
	targets := map[int32][]string{}
	for port, nodePort := range nodePorts {
		if targets[port], err = c.NodePortTargets(ctx, nodePort); err != nil {
			return nil, err
		}
	}
	return targets, nil
}

// NodeCIDRs are the networks that connections through node ports come from, for networkPolicy values: the network of
// kind's nodes (with this machine's own address in it), or each node's address where the nodes are not kind's.
func (c *Cluster) NodeCIDRs(ctx context.Context) ([]string, error) {
	if c.provider == nil {
		workers, err := c.Workers(ctx)
		if err != nil {
			return nil, err
		}
		var single []string
		for _, worker := range workers {
			address, err := netip.ParseAddr(worker.Address)
			if err != nil {
				return nil, fmt.Errorf("address of node %s: %w", worker.Name, err)
			}
			single = append(single, netip.PrefixFrom(address, address.BitLen()).String())
		}
		return single, nil
	}
	network := "kind"
	if other := os.Getenv("KIND_EXPERIMENTAL_DOCKER_NETWORK"); other != "" {
		network = other
	}
	out, err := c.docker(ctx, "network", "inspect", "--format", "{{range .IPAM.Config}}{{.Subnet}} {{end}}", network)
	if err != nil {
		return nil, err
	}
	var subnets []string
	for _, subnet := range strings.Fields(out) {
		// IPv4 alone: the nodes have an IPv6 address on the network, but the cluster's pods and Services have none.
		if prefix, err := netip.ParsePrefix(subnet); err == nil && prefix.Addr().Is4() {
			subnets = append(subnets, subnet)
		}
	}
	if len(subnets) == 0 {
		return nil, fmt.Errorf("docker network %s has no IPv4 subnet: %q", network, out)
	}
	return subnets, nil
}

// EnforcesNetworkPolicy finds out, once for each cluster, whether the network plugin enforces NetworkPolicies: a pod that
// reaches the cluster's DNS server over TCP must stop to reach it when a policy denies its egress.
func (c *Cluster) EnforcesNetworkPolicy(ctx context.Context) (bool, error) {
	c.probe.Lock()
	defer c.probe.Unlock()
	if c.enforces != nil {
		return *c.enforces, nil
	}
	enforces, err := c.probeNetworkPolicy(ctx)
	if err != nil {
		return false, fmt.Errorf("probing whether NetworkPolicies are enforced: %w", err)
	}
	c.enforces = &enforces
	c.log.Info("network policies", "enforced", enforces)
	return enforces, nil
}

func (c *Cluster) probeNetworkPolicy(ctx context.Context) (enforces bool, err error) {
	dns, err := c.CoreV1().Services(metav1.NamespaceSystem).Get(ctx, "kube-dns", metav1.GetOptions{})
	if err != nil {
		return false, err
	}
	target := net.JoinHostPort(dns.Spec.ClusterIP, "53")
	namespace, err := c.CreateNamespace(ctx, "policy-probe")
	if err != nil {
		return false, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeouts.NamespaceGone)
		defer cancel()
		err = errors.Join(err, c.DeleteNamespace(ctx, namespace))
	}()
	pod, stop, err := c.HoldPod(ctx, namespace, k8s.PodOptions{Image: c.ProbeImage})
	if err != nil {
		return false, err
	}
	defer stop()

	connect := func(ctx context.Context) error {
		answer, err := c.Bash(ctx, namespace, pod, fmt.Sprintf("timeout 2 bash -c 'exec 3<>/dev/tcp/%s/53' 2>/dev/null && echo open || echo closed", dns.Spec.ClusterIP))
		switch {
		case err != nil:
			return err
		case strings.TrimSpace(answer) != "open":
			return errRefused
		}
		return nil
	}
	if err := k8s.Poll(ctx, timeouts.PodRunning, "a pod without any policy to reach "+target, connect); err != nil {
		return false, err
	}
	deny := &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "deny-egress", Namespace: namespace},
		Spec:       networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress}},
	}
	if _, err := c.NetworkingV1().NetworkPolicies(namespace).Create(ctx, deny, metav1.CreateOptions{}); err != nil {
		return false, err
	}
	// Three refusals in a row: one lost packet on a busy machine is none.
	refusals := 0
	err = k8s.Poll(ctx, timeouts.PolicyInForce, "three refusals in a row", func(ctx context.Context) error {
		switch err := connect(ctx); {
		case errors.Is(err, errRefused):
			refusals++
		case err != nil:
			return err
		default:
			refusals = 0
		}
		if refusals < 3 {
			return errOpen
		}
		return nil
	})
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, errOpen):
		return false, nil
	}
	return false, err
}

var (
	errRefused = errors.New("refused")
	errOpen    = errors.New("the connection is let through")
)

// CreateNamespace makes a namespace under Pod Security "restricted", with a name that begins with the prefix.
func (c *Cluster) CreateNamespace(ctx context.Context, prefix string) (string, error) {
	created, err := c.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: prefix + "-",
		Labels: map[string]string{
			"pod-security.kubernetes.io/enforce": "restricted",
			"pod-security.kubernetes.io/warn":    "restricted",
		},
	}}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("creating a namespace %s-…: %w", prefix, err)
	}
	return created.Name, nil
}

func (c *Cluster) docker(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "docker", args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return strings.TrimSpace(string(out)), nil
}
