package watch

import (
	"cmp"
	"context"
	"errors"
	"reflect"
	"syscall"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// apiTimeout bounds one look at the API server.
const apiTimeout = 10 * time.Second

// look asks the own server and, when that is due, all peers; then it decides whether the pod is ready.
func (w *watcher) look(ctx context.Context) {
	before, progress := w.seen()
	self, readyz := w.lookAtSelf(ctx, before.self, progress)
	if ctx.Err() != nil {
		return
	}
	picture := before.picture
	back := self.Answers && !before.self.Answers
	if self.Answers && !self.Single && (back || time.Since(picture.At) >= w.pace(before.readiness.Ready)) {
		picture = w.lookAtAll(ctx)
	}
	next, readiness := progress.Observe(self, picture, readyz)
	if ctx.Err() != nil {
		return // what was missed is not the server's fault
	}
	w.mu.Lock()
	w.snap.self, w.snap.readiness, w.progress = self, readiness, next
	w.mu.Unlock()
	if !reflect.DeepEqual(next, progress) {
		if err := writeProgress(w.options.Shared, next); err != nil {
			w.options.Log.Warn(err.Error())
		}
	}
	w.tellReadiness(before.readiness, readiness)
}

// pace is how often all peers are asked: often while the pod has yet to get ready, seldom when only its removal would be news. A hold
// looks for itself.
func (w *watcher) pace(ready bool) time.Duration {
	if ready {
		return w.options.IdleInterval
	}
	return w.options.PeersInterval
}

func (w *watcher) lookAtSelf(ctx context.Context, before Self, progress Progress) (self Self, readyz bool) {
	ctx, cancel := context.WithTimeout(ctx, w.options.AskTimeout)
	defer cancel()
	client := w.options.Client(w.options.Pod)
	cluster, err := client.Cluster(ctx)
	w.complain("qdrant", err)
	if err != nil {
		before.Answers = false
		before.Misses++
		before.Refusals++
		if !refused(err) {
			before.Refusals = 0
		}
		return before, false
	}
	w.metrics.observed.SetToCurrentTime()
	self = Self{Peer: cluster.PeerID, Answers: true, Single: !cluster.Enabled}
	// The server works on its own readiness only while it is asked for it.
	return self, progress.Closed || client.Ready(ctx) == nil
}

// refused says that nothing accepts connections. A key that is wrong, an error of the server's and a look that took too long are no such
// thing: clients may well be served.
func refused(err error) bool {
	for _, no := range []error{syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EHOSTUNREACH, syscall.ENETUNREACH} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// lookAtAll asks all peers. The first answer of the own server tells which there are, so that asking is done over when it names more.
func (w *watcher) lookAtAll(ctx context.Context) topology.Picture {
	for {
		asked := w.ordinals()
		picture, _ := topology.Observe(ctx, w.targets(asked), w.options.AskTimeout)
		if ctx.Err() != nil {
			return picture
		}
		w.mu.Lock()
		w.snap.picture = picture
		w.mu.Unlock()
		if w.ordinals() <= asked {
			return picture
		}
	}
}

// ordinals is how many pods are asked: those that should be there, and those that have a peer.
func (w *watcher) ordinals() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	ordinals := max(w.replicas, w.ordinal+1)
	for _, member := range w.snap.picture.Members {
		ordinals = max(ordinals, member.Ordinal+1)
	}
	return ordinals
}

func (w *watcher) targets(ordinals int) []topology.Target {
	targets := make([]topology.Target, 0, ordinals)
	for ordinal := range ordinals {
		pod := w.options.Names.Pod(ordinal)
		targets = append(targets, topology.Target{Pod: pod, Ordinal: ordinal, Reader: w.options.Client(pod)})
	}
	return targets
}

// asked is what the API server says.
type asked struct {
	set   kube.StatefulSet
	pod   kube.Pod
	claim kube.Claim
}

func (w *watcher) lookAtKubernetes(ctx context.Context) (a asked, err error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	var garbled error
	defer func() { w.complain("kubernetes", cmp.Or(err, garbled)) }()
	if a.set, err = w.options.Kubernetes.StatefulSet(ctx); err != nil {
		return a, err
	}
	w.mu.Lock()
	w.replicas = a.set.Replicas
	w.mu.Unlock()
	// A pod that is not there any more was deleted by force: its Pod is zero, which is not being deleted, so that nothing waits.
	if a.pod, err = w.options.Kubernetes.Pod(ctx, w.options.Pod); err != nil && !kube.IsNotFound(err) {
		return a, err
	}
	claim, found, err := w.options.Kubernetes.Claim(ctx, w.ordinal)
	switch {
	case kube.IsUnreadable(err):
		// The API server is there, and the claim says nothing: least of all that it was drained.
		garbled = err
	case err != nil:
		return a, err
	case found:
		a.claim = claim
	}
	return a, nil
}
