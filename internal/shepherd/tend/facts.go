package tend

import (
	"context"
	"fmt"
	"slices"

	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// Facts are what Kubernetes says.
type Facts struct {
	StatefulSet kube.StatefulSet
	Pods        []kube.Pod
	Claims      []kube.Claim
	// GivenUp are the shards whose loss a person has accepted; Unread are lines of that list that make no sense.
	GivenUp map[plan.ShardName]bool
	Unread  []string
}

// Gather reads the facts.
func Gather(ctx context.Context, k Kubernetes, store Store, ordinals int) (Facts, error) {
	var f Facts
	var err error
	if f.StatefulSet, err = k.StatefulSet(ctx); err != nil {
		return f, fmt.Errorf("reading the StatefulSet: %w", err)
	}
	if f.Pods, err = k.Pods(ctx); err != nil {
		return f, fmt.Errorf("reading the pods: %w", err)
	}
	if f.Claims, err = k.Claims(ctx, ordinals); err != nil {
		return f, fmt.Errorf("reading the claims: %w", err)
	}
	state, err := store.State(ctx)
	if err != nil {
		return f, fmt.Errorf("reading the state: %w", err)
	}
	f.GivenUp, f.Unread = ParseLosses(state[KeyAcceptLoss])
	return f, nil
}

// Targets are the servers to ask: those of all pods there are, and of those there should be.
func Targets(f Facts, pod func(ordinal int) string, peer func(pod string) Peer) []topology.Target {
	ordinals := map[int]bool{}
	for _, p := range f.Pods {
		if p.Ordinal >= 0 {
			ordinals[p.Ordinal] = true
		}
	}
	for ordinal := range f.StatefulSet.Replicas {
		ordinals[ordinal] = true
	}
	targets := make([]topology.Target, 0, len(ordinals))
	for ordinal := range ordinals {
		name := pod(ordinal)
		targets = append(targets, topology.Target{Pod: name, Ordinal: ordinal, Reader: peer(name)})
	}
	slices.SortFunc(targets, func(a, b topology.Target) int { return a.Ordinal - b.Ordinal })
	return targets
}

func (f Facts) pod(ordinal int) (kube.Pod, bool) {
	for _, p := range f.Pods {
		if p.Ordinal == ordinal {
			return p, true
		}
	}
	return kube.Pod{}, false
}

func (f Facts) claim(ordinal int) (kube.Claim, bool) {
	for _, c := range f.Claims {
		if c.Ordinal == ordinal {
			return c, true
		}
	}
	return kube.Claim{}, false
}
