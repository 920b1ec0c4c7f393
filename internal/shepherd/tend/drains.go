package tend

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// drain is how far a peer that leaves has come since this process first saw it leave.
type drain struct {
	name      string
	began     time.Time
	all, left int
	// failed says that the pod was gone before the peer was empty.
	failed bool
}

// tellDrains logs the start, the progress and the end of each drain.
func (l *loop) tellDrains(ctx context.Context, p topology.Picture, leaving map[clusterapi.PeerID]bool) {
	for _, id := range slices.Sorted(maps.Keys(leaving)) {
		left := len(p.Replicas(id))
		d, known := l.drains[id]
		if !known && !l.conditions.confirmed[condition{kind: conditionLeaves, peer: id}] {
			continue
		}
		if !known {
			d = &drain{name: p.Name(id), began: p.At, all: left, left: left}
			l.drains[id] = d
			l.metrics.drains.WithLabelValues(started).Inc()
			l.record(ctx, slog.LevelInfo, "DrainStarted", fmt.Sprintf("draining %s, which leaves: %d replicas", d.name, left))
			continue
		}
		if left != d.left {
			d.left, d.all = left, max(d.all, left)
			l.o.Log.InfoContext(ctx, "draining", "peer", d.name, "left", left, "of", d.all)
		}
		l.recordFailedDrain(ctx, p, id, d)
	}
	for id, d := range l.drains {
		if leaving[id] || !l.conditions.confirmed[condition{kind: conditionStays, peer: id}] {
			continue
		}
		seconds := p.At.Sub(d.began).Seconds()
		switch {
		case d.failed:
			l.o.Log.InfoContext(ctx, "a peer whose drain has failed leaves no more", "peer", d.name, "removed", !knownByOthers(p, id))
		case knownByOthers(p, id):
			l.metrics.drains.WithLabelValues(turnedRound).Inc()
			l.record(ctx, slog.LevelInfo, "DrainTurnedRound", fmt.Sprintf("%s stays after all: its drain ends with %d of %d replicas left, after %.1f seconds",
				d.name, len(p.Replicas(id)), d.all, seconds))
		default:
			l.metrics.drains.WithLabelValues(finished).Inc()
			l.record(ctx, slog.LevelInfo, "DrainFinished", fmt.Sprintf("drained %s of %d replicas in %.1f seconds, and removed it from the cluster", d.name, d.all, seconds))
		}
		delete(l.drains, id)
	}
}

// recordFailedDrain tells that a pod is gone whose peer still has replicas. Once the pod is back it is drained anew.
func (l *loop) recordFailedDrain(ctx context.Context, p topology.Picture, id clusterapi.PeerID, d *drain) {
	m, _ := p.Member(id)
	_, running := l.facts.pod(m.Ordinal)
	switch {
	case d.failed && (running || m.Answers):
		delete(l.drains, id)
	case !d.failed && !running && !m.Answers && d.left > 0:
		d.failed = true
		var names []string
		for _, r := range p.Replicas(id) {
			names = append(names, plan.ShardName{Collection: r.Collection, Shard: r.Shard}.String())
		}
		l.metrics.drains.WithLabelValues(failed).Inc()
		l.record(ctx, slog.LevelWarn, "DrainFailed", fmt.Sprintf("the pod of %s is gone, and %d of %d replicas are left on its volume: %s; scaling up to %d brings them back",
			d.name, d.left, d.all, some(names), m.Ordinal+1))
	}
}

// some are the first few names of a list.
func some(names []string) string {
	const most = 10
	text := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// rebalance is one that this process has begun.
type rebalance struct {
	began time.Time
	moves int
	bytes int64
}

// tellRebalance logs its end: nothing is left to even out, or something else has come first.
func (l *loop) tellRebalance(ctx context.Context, p topology.Picture, o Outlook) {
	r := l.rebalance
	if r == nil {
		return
	}
	for _, f := range l.ongoing {
		if f.move.Why == plan.WhyBalance {
			return
		}
	}
	for _, m := range o.Plan.Moves {
		if m.Why == plan.WhyBalance {
			return
		}
	}
	result, word := finished, "rebalanced"
	if o.Goal.Strategy != l.o.Settings.Strategy || len(o.Plan.Moves) > 0 || len(o.Plan.Blocked) > 0 {
		result, word = interrupted, "rebalancing was interrupted"
	}
	l.rebalance = nil
	l.metrics.rebalances.WithLabelValues(result).Inc()
	l.record(ctx, slog.LevelInfo, "Rebalance"+map[string]string{finished: "Finished", interrupted: "Interrupted"}[result],
		fmt.Sprintf("%s: %d moves, %d bytes, %.1f seconds", word, r.moves, r.bytes, p.At.Sub(r.began).Seconds()))
}
