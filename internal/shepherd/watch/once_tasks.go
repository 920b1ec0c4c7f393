package watch

import (
	"context"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
)

// onceTasks is what remains to be done once for each process of the server.
type onceTasks struct {
	process time.Time
	// marked says that the claim has the peer's id or can't get it, returned that the stop permit is not held any more.
	marked   bool
	returned bool
	tried    time.Time
	problem  string
}

// doOnceTasks writes to the own claim what a living peer proves, and gives the stop permit back when the pod is ready again.
func (w *watcher) doOnceTasks(ctx context.Context) {
	seen, progress := w.seen()
	d, ready := &w.tasks, seen.readiness.Ready
	if !d.process.Equal(progress.Process) {
		*d = onceTasks{process: progress.Process, problem: d.problem}
	}
	pace := w.pace(ready && d.returned)
	if !seen.self.Answers || seen.self.Single || d.marked && (d.returned || !ready) || time.Since(d.tried) < pace {
		return
	}
	d.tried = time.Now()
	a, err := w.lookAtKubernetes(ctx)
	if err != nil {
		return
	}
	if !w.mark(ctx, a.claim, seen, ready) || !ready {
		return
	}
	d.returned = d.returned || w.returnPermit(ctx)
}

// mark annotates the claim; it reports whether that went well.
func (w *watcher) mark(ctx context.Context, claim kube.Claim, seen snapshot, ready bool) bool {
	annotations, problem := Marks(claim, seen.self.Peer, seen.picture, ready)
	if problem != "" && problem != w.tasks.problem {
		w.options.Log.Error(problem)
	}
	w.tasks.problem = problem
	if len(annotations) > 0 {
		ctx, cancel := context.WithTimeout(ctx, apiTimeout)
		defer cancel()
		err := w.options.Kubernetes.AnnotateClaim(ctx, w.ordinal, annotations)
		w.complain("kubernetes", err)
		if err != nil {
			return false
		}
	}
	_, written := annotations[kube.AnnotationPeer]
	// What is stale on the claim is known only once the pod is ready.
	w.tasks.marked = ready && (written || claim.Peer != kube.Founding)
	return true
}

// returnPermit gives the stop permit back once Kubernetes too calls the pod ready: before that the next pod would stop while this one has no
// traffic. It does not unless the pod stays: a hold has just taken the permit of one that is about to stop, or will.
func (w *watcher) returnPermit(ctx context.Context) bool {
	select {
	case w.holding <- struct{}{}:
		defer func() { <-w.holding }()
	default:
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	pod, err := w.options.Kubernetes.Pod(ctx, w.options.Pod)
	if err == nil && !pod.Deleting && !pod.Ready {
		w.complain("kubernetes", nil)
		return false
	}
	if err == nil && !pod.Deleting {
		err = w.options.Permit.Release(ctx, w.options.Pod)
	}
	w.complain("kubernetes", err)
	return err == nil
}
