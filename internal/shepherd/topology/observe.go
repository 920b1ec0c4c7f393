package topology

import (
	"context"
	"sync"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

// Reader is what a peer is asked; *qdrant.Client is one.
type Reader interface {
	Cluster(ctx context.Context) (clusterapi.Cluster, error)
	State(ctx context.Context) (clusterapi.State, error)
}

// Target is a pod that should have a peer, and the way to ask it.
type Target struct {
	Pod     string
	Ordinal int
	Reader  Reader
}

// View is what one target answered. With an error it holds whatever was answered before that.
type View struct {
	Pod     string
	Ordinal int
	Cluster clusterapi.Cluster
	State   clusterapi.State
	Err     error
}

// Observe asks all targets at once, each for at most the timeout, and draws the picture of their answers.
func Observe(ctx context.Context, targets []Target, timeout time.Duration) (Picture, []View) {
	views := make([]View, len(targets))
	var asking sync.WaitGroup
	for i, target := range targets {
		asking.Go(func() { views[i] = ask(ctx, target, timeout) })
	}
	asking.Wait()
	return Draw(time.Now(), views), views
}

func ask(ctx context.Context, target Target, timeout time.Duration) View {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	view := View{Pod: target.Pod, Ordinal: target.Ordinal}
	if view.Cluster, view.Err = target.Reader.Cluster(ctx); view.Err == nil {
		view.State, view.Err = target.Reader.State(ctx)
	}
	return view
}
