package watch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// watcher is the sidecar at work.
type watcher struct {
	options Options
	ordinal int
	metrics *metrics

	// holding is taken by whoever is about to take or give back the stop permit. What goes with it: stopAsked is when the hook first asked
	// for a stop that was not let go yet, told what the API server said last since; letGo says that a stop of this pod was let go.
	holding   chan struct{}
	stopAsked time.Time
	told      asked
	letGo     bool
	// tasks and unready, since when the pod is not ready, belong to the loop alone.
	tasks   onceTasks
	unready time.Time

	mu         sync.Mutex
	snap       snapshot
	progress   Progress
	replicas   int // of the StatefulSet, when last seen
	complaints map[string]string
}

// snapshot is what was seen last.
type snapshot struct {
	self      Self
	picture   topology.Picture
	readiness Readiness
}

// Run watches the server and answers probes, hooks and Prometheus until the context ends.
func Run(ctx context.Context, options Options) error {
	w, err := newWatcher(options)
	if err != nil {
		return err
	}
	servers, err := w.serve(ctx)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(w.options.Interval)
	defer ticker.Stop()
	for {
		w.look(ctx)
		w.doOnceTasks(ctx)
		select {
		case <-ctx.Done():
			return servers.shutdown(ctx)
		case err := <-servers.failed:
			return errors.Join(err, servers.shutdown(ctx))
		case <-ticker.C:
		}
	}
}

func newWatcher(options Options) (*watcher, error) {
	o := options.withDefaults()
	w := &watcher{
		options: o, ordinal: o.Names.Ordinal(o.Pod), metrics: newMetrics(),
		holding: make(chan struct{}, 1), unready: time.Now(), complaints: map[string]string{},
		snap: snapshot{readiness: Readiness{Why: "the server has not been looked at yet"}},
	}
	if w.ordinal < 0 {
		return nil, fmt.Errorf("reading the ordinal of pod %s: it is no pod of statefulset %s", o.Pod, o.Names.StatefulSet)
	}
	progress, err := readProgress(o.Shared)
	if err != nil {
		// The server is looked at anew; at worst the pod is not ready for a while.
		o.Log.Warn(err.Error())
	}
	w.progress = progress
	return w, nil
}

func (o Options) withDefaults() Options {
	o.Listen = cmp.Or(o.Listen, DefaultListen)
	o.MetricsListen = cmp.Or(o.MetricsListen, DefaultMetricsListen)
	o.MaxWait = cmp.Or(o.MaxWait, DefaultMaxWait)
	o.Grace = cmp.Or(o.Grace, DefaultGrace)
	o.PermitFor = cmp.Or(o.PermitFor, DefaultPermitFor)
	o.APIWait = cmp.Or(o.APIWait, DefaultAPIWait)
	o.Interval = cmp.Or(o.Interval, DefaultInterval)
	o.PeersInterval = cmp.Or(o.PeersInterval, DefaultPeersInterval)
	o.IdleInterval = cmp.Or(o.IdleInterval, DefaultIdleInterval)
	o.AskTimeout = cmp.Or(o.AskTimeout, DefaultAskTimeout)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// seen is what was seen last, and the progress.
func (w *watcher) seen() (snapshot, Progress) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.snap, w.progress
}

// tellReadiness puts a change into the log, and what holds now into the metrics.
func (w *watcher) tellReadiness(before, now Readiness) {
	if before.Ready && !now.Ready {
		w.unready = time.Now()
	}
	w.metrics.setReady(now.Ready, time.Since(w.unready))
	switch {
	case before == now || before.Ready && now.Ready:
	case now.Ready:
		w.options.Log.Info("ready: "+now.Why, "after", time.Since(w.unready).Round(time.Millisecond).String())
	default:
		w.options.Log.Info("not ready: " + now.Why)
	}
}

// complain counts a failed look, and logs it when it is news. A nil error says that the target answers.
func (w *watcher) complain(target string, err error) {
	if err != nil && errors.Is(err, context.Canceled) {
		return // the end of the sidecar or of a hold, not of the target
	}
	text := ""
	if err != nil {
		text = err.Error()
		w.metrics.errors.WithLabelValues(target).Inc()
	}
	w.mu.Lock()
	before := w.complaints[target]
	w.complaints[target] = text
	w.mu.Unlock()
	switch text {
	case before:
	case "":
		w.options.Log.Info("looks succeed again", "target", target)
	default:
		w.options.Log.Warn("a look failed", "target", target, "error", text)
	}
}
