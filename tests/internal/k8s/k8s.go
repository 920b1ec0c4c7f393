// Package k8s holds the calls to the Kubernetes API that the end-to-end tests share: run and reach pods, wait for a
// StatefulSet, evict, watch. It knows clusters, not tests: every function takes a context and returns an error that names
// the object, so that it works in a t.Cleanup as well as in a test.
package k8s

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/qdrant-shepherd/shepherd/client/wait"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// Client is client-go's Clientset for one cluster, and the calls of this package as methods.
type Client struct {
	kubernetes.Interface

	// Dynamic reads objects whose Go types the tests do not import.
	Dynamic dynamic.Interface
	// Config is for further clients of the same cluster.
	Config *rest.Config
}

// New connects to the cluster of a kubeconfig file, and to no other: neither $KUBECONFIG nor ~/.kube/config is read.
func New(kubeconfig string) (*Client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading kubeconfig %s: %w", kubeconfig, err)
	}
	// No limit on this side: client-go's 5 requests a second would make a poll of several objects wait for itself, and a
	// poll's last error would be the limiter's.
	config.QPS = -1
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client of %s: %w", config.Host, err)
	}
	untyped, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("dynamic client of %s: %w", config.Host, err)
	}
	return &Client{Interface: typed, Dynamic: untyped, Config: config}, nil
}

// Poll calls try until it returns nil or the timeout has passed. The error then says what was waited for, for how long,
// and what try said last. Each try has a context of its own, so that one that hangs is not the last.
func Poll(ctx context.Context, timeout time.Duration, what string, try func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not within %s", timeout))
	defer cancel()
	return wait.Until(ctx, what, wait.Options{Every: timeouts.Tick, Attempt: timeouts.Request}, try)
}

// Steady looks for the whole window and returns the first error that a look comes to: it proves that something does NOT
// happen while the window lasts. Only looks prove it. Each has timeouts.Look; one that is not over by then has seen nothing,
// and timeouts.Unseen is the longest time without one that has, from the beginning of the window to a last look after its end.
func Steady(ctx context.Context, window time.Duration, what string, look func(ctx context.Context) error) error {
	start := time.Now()
	ticker := time.NewTicker(timeouts.Tick)
	defer ticker.Stop()
	seen := start // when the last look that saw something began
	for {
		began := time.Now()
		attempt, stop := context.WithTimeout(ctx, timeouts.Look)
		err := look(attempt)
		unanswered := attempt.Err() != nil && errors.Is(err, context.DeadlineExceeded)
		stop()
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", what, errors.Join(ctx.Err(), err))
		case err != nil && !unanswered:
			return fmt.Errorf("%s: no longer so after %s: %w", what, time.Since(start).Round(time.Millisecond), err)
		case time.Since(seen) > timeouts.Unseen:
			return fmt.Errorf("%s: not seen for %s, which is longer than %s: %w", what, time.Since(seen).Round(time.Millisecond),
				timeouts.Unseen, cmp.Or(err, errors.New("the look took too long")))
		case err == nil && began.Sub(start) >= window:
			return nil
		case err == nil:
			seen = began
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case <-ticker.C:
		}
	}
}
