package k8s

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// PodOptions describes a pod that runs one bash script.
type PodOptions struct {
	Name   string            // a prefix, "probe" when empty
	Image  string            // any image with bash and coreutils
	Script string            // run by bash -c
	Args   []string          // $1, $2, … of the script
	Labels map[string]string // what NetworkPolicies select it by
	Node   string            // the node that it must run on; empty for any
	Env    []corev1.EnvVar
	// Timeout is for the whole life of the pod, timeouts.PodRunning when 0.
	Timeout time.Duration
}

// PodResult is what a script that ran to its end has left.
type PodResult struct {
	ExitCode int
	Output   string
}

// RunPod runs a script in a pod of its own, waits for its end and deletes the pod. A script that ends with another code
// than 0 is no error.
func (c *Client) RunPod(ctx context.Context, namespace string, options PodOptions) (PodResult, error) {
	if options.Timeout == 0 {
		options.Timeout = timeouts.PodRunning
	}
	name, stop, err := c.startPod(ctx, namespace, options)
	if err != nil {
		return PodResult{}, err
	}
	defer stop()
	pod, err := c.WaitPod(ctx, namespace, name, "finished", options.Timeout, func(pod *corev1.Pod) bool {
		return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	})
	if err != nil {
		return PodResult{}, err
	}
	var result PodResult
	if result.ExitCode, err = exitCode(pod); err != nil {
		return result, err
	}
	result.Output, err = c.Logs(ctx, namespace, name, Container, false)
	return result, err
}

// exitCode is that of the script of a pod that has ended. A pod that was evicted, or never came to run, has none.
func exitCode(pod *corev1.Pod) (int, error) {
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name == Container && status.State.Terminated != nil {
			return int(status.State.Terminated.ExitCode), nil
		}
	}
	return 0, fmt.Errorf("pod %s/%s ended without an exit code: %s %s", pod.Namespace, pod.Name, pod.Status.Reason, pod.Status.Message)
}

// HoldPod starts a pod that runs its script (sleep infinity when empty) until stop is called, and waits until it runs.
// Exec and Bash work in it.
func (c *Client) HoldPod(ctx context.Context, namespace string, options PodOptions) (name string, stop func(), err error) {
	if options.Timeout == 0 {
		options.Timeout = timeouts.PodRunning
	}
	if options.Script == "" {
		options.Script = "exec sleep infinity"
	}
	name, stop, err = c.startPod(ctx, namespace, options)
	if err != nil {
		return "", nil, err
	}
	_, err = c.WaitPod(ctx, namespace, name, "running", options.Timeout, func(pod *corev1.Pod) bool {
		return pod.Status.Phase == corev1.PodRunning && Ready(pod)
	})
	if err != nil {
		stop()
		return "", nil, err
	}
	return name, stop, nil
}

func (c *Client) startPod(ctx context.Context, namespace string, options PodOptions) (name string, stop func(), err error) {
	prefix := options.Name
	if prefix == "" {
		prefix = "probe"
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: prefix + "-", Namespace: namespace, Labels: options.Labels},
		Spec: corev1.PodSpec{
			RestartPolicy:                 corev1.RestartPolicyNever,
			TerminationGracePeriodSeconds: new(int64), // bash as PID 1 ignores SIGTERM
			AutomountServiceAccountToken:  new(bool),
			EnableServiceLinks:            new(bool),
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: new(true), RunAsUser: new(int64(1000)), RunAsGroup: new(int64(2000)),
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name:            Container,
				Image:           options.Image,
				ImagePullPolicy: corev1.PullIfNotPresent,
				WorkingDir:      "/",
				Command:         append([]string{"bash", "-c", options.Script, "bash"}, options.Args...),
				Env:             options.Env,
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: new(bool),
					ReadOnlyRootFilesystem:   new(true),
					Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
	if options.Node != "" {
		// By label, not spec.nodeName: the scheduler then still says why the pod cannot run there.
		pod.Spec.NodeSelector = map[string]string{corev1.LabelHostname: options.Node}
	}
	created, err := c.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{})
	if err != nil {
		return "", nil, fmt.Errorf("creating pod %s in %s: %w", prefix, namespace, err)
	}
	return created.Name, func() {
		// Without the caller's cancellation: it may be over exactly because that context is.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeouts.Request)
		defer cancel()
		_ = c.CoreV1().Pods(namespace).Delete(ctx, created.Name, metav1.DeleteOptions{})
	}, nil
}

// reach prints "TARGET open" or "TARGET closed" for each of its arguments. A target is open when one of three attempts
// connects, closed when none does, so that neither a busy machine nor a policy that has only just come into force decides.
// A refused packet is dropped, not answered, so each attempt lasts: the targets are tried side by side.
const reach = `
for target in "$@"; do
  {
    answer=closed
    for attempt in 1 2 3; do
      if timeout 3 bash -c "exec 3<>/dev/tcp/${target%:*}/${target##*:}" 2>/dev/null; then answer=open; break; fi
    done
    echo "$target $answer"
  } &
done
wait`

// Reach says which of the targets (host:port, TCP) accept a connection from a new pod with the labels of the options.
// The pod waits 3 s first: some network plugins filter a pod only once its address is in its status. With the labels of a
// release's own pods it would be an endpoint of that release's Services for as long as it lives: use ReachFrom for peers.
func (c *Client) Reach(ctx context.Context, namespace string, options PodOptions, targets ...string) (map[string]bool, error) {
	options.Script, options.Args = "sleep 3"+reach, targets
	result, err := c.RunPod(ctx, namespace, options)
	if err != nil {
		return nil, err
	}
	return reached(result.Output, targets)
}

// ReachFrom is Reach from the qdrant container of a pod that runs already.
func (c *Client) ReachFrom(ctx context.Context, namespace, pod string, targets ...string) (map[string]bool, error) {
	stdout, _, err := c.Exec(ctx, namespace, pod, append([]string{"bash", "-c", reach, "bash"}, targets...)...)
	if err != nil {
		return nil, err
	}
	return reached(stdout, targets)
}

func reached(output string, targets []string) (map[string]bool, error) {
	open := map[string]bool{}
	for line := range strings.Lines(output) {
		if target, answer, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			open[target] = answer == "open"
		}
	}
	for _, target := range targets {
		if _, ok := open[target]; !ok {
			return nil, fmt.Errorf("probing %s: the probe printed no answer: %q", target, tail(output, 300))
		}
	}
	return open, nil
}

// NodePort makes a NodePort Service over the ready pods of a selector and returns the node port of each port. With local,
// a node port leads to the pods of its own node only, and what connects keeps its address: a target then stands for one
// peer. Without, every node leads to every ready pod, and connections come from the node's address.
func (c *Client) NodePort(ctx context.Context, namespace, name string, selector map[string]string, local bool, ports ...int32) (map[int32]int32, error) {
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeNodePort, Selector: selector, ExternalTrafficPolicy: corev1.ServiceExternalTrafficPolicyCluster,
		},
	}
	if local {
		service.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	}
	for _, port := range ports {
		service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{Name: "port-" + strconv.Itoa(int(port)), Port: port, TargetPort: intstr.FromInt32(port)})
	}
	created, err := c.CoreV1().Services(namespace).Create(ctx, service, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("creating Service %s/%s: %w", namespace, name, err)
	}
	found := map[int32]int32{}
	for _, port := range created.Spec.Ports {
		if port.NodePort == 0 {
			return nil, errors.New("Service " + namespace + "/" + name + " got no node port") //nolint:staticcheck // the kind's name
		}
		found[port.Port] = port.NodePort
	}
	return found, nil
}
