// Package kube holds the calls to the Kubernetes API that the end-to-end tests share: run and reach pods, wait for a
// StatefulSet, evict, watch. It knows clusters, not tests: every function takes a context and returns an error that names
// the object, so that it works in a t.Cleanup as well as in a test.
package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

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
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ticker := time.NewTicker(timeouts.Tick)
	defer ticker.Stop()
	var last error
	for {
		attempt, stop := context.WithTimeout(ctx, timeouts.Request)
		err := try(attempt)
		stop()
		if err == nil {
			return nil
		}
		// What ends with the whole wait says less than what came before it.
		if last == nil || ctx.Err() == nil || !errors.Is(err, context.DeadlineExceeded) {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: not within %s: %w", what, time.Since(start).Round(time.Second), last)
		case <-ticker.C:
		}
	}
}

// Steady calls try for the whole window and returns the first error that it meets: it proves that something does NOT
// happen while the window lasts.
func Steady(ctx context.Context, window time.Duration, what string, try func(ctx context.Context) error) error {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, window)
	defer cancel()
	ticker := time.NewTicker(timeouts.Tick)
	defer ticker.Stop()
	for {
		if err := try(ctx); err != nil && ctx.Err() == nil {
			return fmt.Errorf("%s: no longer so after %s: %w", what, time.Since(start).Round(time.Millisecond), err)
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) && time.Since(start) >= window {
				return nil
			}
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case <-ticker.C:
		}
	}
}
