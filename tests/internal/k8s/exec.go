package k8s

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// Container is the container that Exec and Logs take when none is named.
const Container = "qdrant"

// Exec runs a command in the qdrant container of a pod. A command that ends with another code than 0 gives an error for
// which ExitCode knows the code, and what the command printed until then.
func (c *Client) Exec(ctx context.Context, namespace, pod string, command ...string) (stdout, stderr string, err error) {
	return c.ExecIn(ctx, namespace, pod, Container, command...)
}

// ExecIn is Exec in the container of that name.
func (c *Client) ExecIn(ctx context.Context, namespace, pod, container string, command ...string) (stdout, stderr string, err error) {
	url := c.CoreV1().RESTClient().Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: container, Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec).URL()
	websocket, err := remotecommand.NewWebSocketExecutor(c.Config, http.MethodGet, url.String())
	if err != nil {
		return "", "", fmt.Errorf("exec in pod %s/%s: %w", namespace, pod, err)
	}
	old, err := remotecommand.NewSPDYExecutor(c.Config, http.MethodPost, url)
	if err != nil {
		return "", "", fmt.Errorf("exec in pod %s/%s: %w", namespace, pod, err)
	}
	executor, err := remotecommand.NewFallbackExecutor(websocket, old, upgradeRefused)
	if err != nil {
		return "", "", fmt.Errorf("exec in pod %s/%s: %w", namespace, pod, err)
	}
	var out, errOut bytes.Buffer
	if err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &out, Stderr: &errOut}); err != nil {
		return out.String(), errOut.String(), fmt.Errorf("exec in pod %s/%s: %w: %s", namespace, pod, err, tail(errOut.String(), 300))
	}
	return out.String(), errOut.String(), nil
}

// Bash runs a script in the qdrant container of a pod and returns what it printed.
func (c *Client) Bash(ctx context.Context, namespace, pod, script string) (string, error) {
	stdout, _, err := c.Exec(ctx, namespace, pod, "bash", "-c", script)
	return stdout, err
}

// Logs is what a container has written; with previous, what its last life wrote before it ended.
func (c *Client) Logs(ctx context.Context, namespace, pod, container string, previous bool) (string, error) {
	stream, err := c.CoreV1().Pods(namespace).GetLogs(pod, &corev1.PodLogOptions{Container: container, Previous: previous}).Stream(ctx)
	if err != nil {
		return "", fmt.Errorf("logs of %s/%s, container %s: %w", namespace, pod, container, err)
	}
	defer func() { _ = stream.Close() }()
	text, err := io.ReadAll(stream)
	if err != nil {
		return string(text), fmt.Errorf("logs of %s/%s, container %s: %w", namespace, pod, container, err)
	}
	return string(text), nil
}

// Forward opens a local port that leads to a port of one pod, whatever NetworkPolicies say: the kubelet connects from
// within the pod. It ends with stop, with ctx, or with the pod; a pod that is restarted needs a new one.
func (c *Client) Forward(ctx context.Context, namespace, pod string, port int) (address string, stop func(), err error) {
	url := c.CoreV1().RESTClient().Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(c.Config)
	if err != nil {
		return "", nil, fmt.Errorf("forwarding to pod %s/%s: %w", namespace, pod, err)
	}
	tunnel, err := portforward.NewSPDYOverWebsocketDialerForStreaming(url, c.Config)
	if err != nil {
		return "", nil, fmt.Errorf("forwarding to pod %s/%s: %w", namespace, pod, err)
	}
	old := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	dialer := portforward.NewFallbackDialerForStreaming(tunnel, old, upgradeRefused)

	ctx, cancel := context.WithCancel(ctx)
	ready := make(chan struct{})
	forwarder, err := portforward.NewOnAddressesForStreamingWithContext(ctx, dialer, []string{"127.0.0.1"}, []string{"0:" + strconv.Itoa(port)}, ready, io.Discard, io.Discard)
	if err != nil {
		cancel()
		return "", nil, fmt.Errorf("forwarding to pod %s/%s: %w", namespace, pod, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- forwarder.ForwardPorts() }()
	deadline, done := context.WithTimeout(ctx, timeouts.Request)
	defer done()
	select {
	case <-ready:
	case err := <-ended:
		cancel()
		return "", nil, fmt.Errorf("forwarding to pod %s/%s, port %d: %w", namespace, pod, port, err)
	case <-deadline.Done():
		cancel()
		return "", nil, fmt.Errorf("forwarding to pod %s/%s, port %d: %w", namespace, pod, port, deadline.Err())
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		cancel()
		return "", nil, fmt.Errorf("forwarding to pod %s/%s, port %d: %w", namespace, pod, port, err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(ports[0].Local))), cancel, nil
}

func upgradeRefused(err error) bool {
	return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
}

func tail(text string, most int) string {
	text = strings.TrimSpace(text)
	if len(text) > most {
		return "…" + text[len(text)-most:]
	}
	return text
}
