package tend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/act"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// Run tends the cluster until the context ends, which is no error. It must run in one process at a time.
func Run(ctx context.Context, options Options) error {
	l, err := newLoop(options)
	if err != nil {
		return err
	}
	for {
		wait := l.tick(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// loop is what is remembered from one observation to the next. All of it may be lost at any time: it confirms, counts and logs.
type loop struct {
	o       Options
	metrics *metrics
	once    *onceLog
	actor   *act.Actor

	conditions   conditions
	notes, whole act.Confirm[string]
	ongoing      []*ongoingMove
	seen         map[transferKey]time.Time
	stuck        map[transferKey]time.Time
	// retries are moves, again are tasks.
	retries, again *backoff
	drains         map[clusterapi.PeerID]*drain
	rebalance      *rebalance
	guard          Guard
	guarded        time.Time

	// What the current observation is about.
	facts Facts
	pods  map[clusterapi.PeerID]string
}

func newLoop(options Options) (*loop, error) {
	o := options.withDefaults()
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, fmt.Errorf("registering metrics: %w", err)
	}
	confirm := act.Confirm[string]{Needed: o.Confirm}
	l := &loop{
		o: o, metrics: m, once: &onceLog{log: o.Log, said: map[string]string{}},
		conditions: conditions{confirm: act.Confirm[condition]{Needed: o.Confirm}}, notes: confirm, whole: confirm,
		drains: map[clusterapi.PeerID]*drain{}, stuck: map[transferKey]time.Time{},
		retries: newBackoff(o.Backoff, o.MaxBackoff), again: newBackoff(o.Backoff, o.MaxBackoff),
	}
	l.actor = &act.Actor{
		Method: o.Method, Allowed: l.allowed,
		Cluster: func(m topology.Member) act.Cluster { return o.Peer(l.pods[m.ID]) },
		Look: func(ctx context.Context) topology.Picture {
			p, _ := topology.Observe(ctx, Targets(l.facts, o.Pod, o.Peer), o.Timeout)
			return p
		},
	}
	return l, nil
}

// tick makes one observation and does what follows from it. It returns how long to wait for the next one.
func (l *loop) tick(ctx context.Context) time.Duration {
	facts, err := Gather(ctx, l.o.Kubernetes, l.o.Store, l.o.Ordinals)
	if ctx.Err() != nil {
		return 0
	}
	if err != nil {
		return l.blind(ctx, err)
	}
	l.retries.worked(targetKubernetes)
	l.once.over(ctx, targetKubernetes, "Kubernetes answers again")
	l.facts = facts

	p, views := topology.Observe(ctx, Targets(facts, l.o.Pod, l.o.Peer), l.o.Timeout)
	if ctx.Err() != nil {
		return 0
	}
	l.pods = map[clusterapi.PeerID]string{}
	for _, view := range views {
		if view.Err == nil {
			l.pods[view.Cluster.PeerID] = view.Pod
		}
	}
	if len(l.pods) > 0 {
		l.retries.worked(targetQdrant)
	}
	l.recordSilent(ctx, p)
	o := Next(facts, p, l.o.Settings)
	l.seen = ages(p, l.seen)
	l.forgetStuck(p)
	l.metrics.show(facts, p, o, l.seen)
	l.recordNotes(ctx, o)
	l.tellHeld(ctx, o)
	l.settle(ctx, p)
	l.keepGuard(ctx, p)
	if l.o.DryRun {
		l.recordPlan(ctx, o)
		return l.o.Interval
	}
	if o.Held != "" {
		l.held(ctx, p, o)
		l.recordPlan(ctx, o)
		if len(l.pods) == 0 {
			return max(l.o.Interval, l.retries.failed(targetQdrant, time.Now()))
		}
		return l.o.Interval
	}
	return l.work(ctx, p, o)
}

// held takes a look at which nothing is changed in the cluster. Claims are marked while paused. Drains do not go on in a release that ends.
func (l *loop) held(ctx context.Context, p topology.Picture, o Outlook) {
	switch {
	case o.Leaderless:
		l.conditions.leaderless(l.facts, p, o.Goal)
	case o.Paused:
		tasks := slices.DeleteFunc(slices.Clone(o.Tasks), func(c Task) bool { return !c.marks() })
		l.conditions.see(l.facts, p, Outlook{Goal: o.Goal, Tasks: tasks}, nil, false)
		l.doTasks(ctx, tasks)
	default:
		l.conditions.none()
	}
	if stopping(l.facts.StatefulSet) != "" {
		clear(l.drains)
		l.rebalance = nil
	}
}

// work does what the outlook says, as far as it is confirmed.
func (l *loop) work(ctx context.Context, p topology.Picture, o Outlook) time.Duration {
	moving := slices.ContainsFunc(l.ongoing, func(f *ongoingMove) bool { return f.move.Why == plan.WhyBalance })
	l.conditions.see(l.facts, p, o, l.drains, moving)
	moves := l.conditions.moves(l.facts, p, o)
	// What an earlier move of the plan must precede is planned anew once that has been made.
	pending := len(moves) < len(o.Plan.Now()) || len(l.conditions.tasks(l.facts, o.Tasks)) < len(o.Tasks)
	l.tellDrains(ctx, p, o.Goal.Leaving)
	if l.conditions.confirmed[wholeOf(l.facts, p, o.Goal)] {
		l.tellRebalance(ctx, p, o)
	}
	l.doTasks(ctx, o.Tasks)
	l.abortStuck(ctx, p)
	l.begin(ctx, p, moves)
	return l.pace(p, pending)
}

// begin starts what may start now. After an error nothing more is begun on this picture.
func (l *loop) begin(ctx context.Context, p topology.Picture, moves []plan.Move) {
	ready := slices.DeleteFunc(slices.Clone(moves), func(m plan.Move) bool { return l.retries.waits(subject(m), p.At) })
	peers := 0
	for _, m := range p.Members {
		if p.Joined(m.ID) {
			peers++
		}
	}
	// The moves that wait are still in the list that is scheduled: what depends on them waits as well.
	for _, m := range act.Schedule(moves, running(p, l.ongoing), act.LimitsFor(l.o.Settings.Limit, peers)) {
		if !slices.Contains(ready, m) {
			continue
		}
		if !l.start(ctx, p, m) {
			return
		}
	}
}

// start begins one move and reports whether to go on with others.
func (l *loop) start(ctx context.Context, p topology.Picture, m plan.Move) bool {
	now := time.Now()
	err := l.actor.Begin(ctx, p, m)
	answer, answered := errors.AsType[*clusterapi.Error](err)
	switch {
	case ctx.Err() != nil:
		return false
	case errors.Is(err, errHalt):
		l.once.say(ctx, "halt", slog.LevelWarn, err.Error())
		return false
	case errors.Is(err, act.ErrNotYet):
		if l.retries.failed(subject(m), now) >= l.o.MaxBackoff {
			l.once.say(ctx, "begin/"+subject(m), slog.LevelWarn, "still refused: "+err.Error())
		}
		return true
	case errors.Is(err, act.ErrLeftBehind):
		l.o.Log.WarnContext(ctx, "a snapshot is left behind", "error", err.Error())
	case err != nil && answered && answer.Status < http.StatusInternalServerError:
		l.failed(ctx, m, fmt.Sprintf("%d %s", answer.Status, answer.Message))
		return false
	case err != nil:
		// Nobody knows whether the cluster has taken it: the next pictures will tell. So it is while another leader is elected, when
		// the server gives up waiting for its consensus.
		l.once.say(ctx, "begin/"+subject(m), slog.LevelWarn, err.Error())
	}
	delete(l.once.said, "halt")
	f := &ongoingMove{move: m, began: now, seen: err == nil, unsure: err != nil && !errors.Is(err, act.ErrLeftBehind)}
	l.ongoing = append(l.ongoing, f)
	if f.unsure {
		return true
	}
	l.metrics.move(m, started)
	if m.Why == plan.WhyBalance && l.rebalance == nil {
		l.rebalance = &rebalance{began: now}
		l.metrics.rebalances.WithLabelValues(started).Inc()
		l.record(ctx, slog.LevelInfo, "RebalanceStarted", "spreading replicas over the peers")
	}
	l.o.Log.InfoContext(ctx, "begun: "+m.String(), "why", m.Why, "bytes", m.Bytes)
	return true
}

// subject is what a failed move makes wait: its shard, or the peer to be removed.
func subject(m plan.Move) string {
	if m.Kind == plan.RemovePeer {
		return "peer " + m.From.String()
	}
	return "shard " + m.Shard.String()
}

func (l *loop) failed(ctx context.Context, m plan.Move, why string) {
	wait := l.retries.failed(subject(m), time.Now())
	l.metrics.move(m, failed)
	l.once.say(ctx, "begin/"+subject(m), slog.LevelWarn, "failed: "+m.String(), "why", m.Why, "error", why, "retry", wait.String())
}

// settle counts and logs the moves that have ended, and forgets them.
func (l *loop) settle(ctx context.Context, p topology.Picture) {
	l.ongoing = slices.DeleteFunc(l.ongoing, func(f *ongoingMove) bool {
		result, moved := f.look(p)
		if f.unsure && (f.seen || result == moveDone) {
			f.unsure = false
			l.metrics.move(f.move, started)
		}
		seconds := p.At.Sub(f.began).Seconds()
		switch result {
		case movePending:
			return false
		case moveDone:
			l.retries.worked(subject(f.move))
			delete(l.once.said, "begin/"+subject(f.move))
			l.metrics.move(f.move, finished)
			l.metrics.points.Add(float64(max(moved.Points, 0)))
			l.metrics.bytes.Add(float64(max(moved.Bytes, 0)))
			if l.rebalance != nil && f.move.Why == plan.WhyBalance {
				l.rebalance.moves++
				l.rebalance.bytes += max(moved.Bytes, 0)
			}
			l.o.Log.InfoContext(ctx, "finished: "+f.move.String(), "why", f.move.Why, "seconds", seconds, "points", moved.Points, "bytes", moved.Bytes)
		case moveFailed:
			if f.unsure {
				wait := l.retries.failed(subject(f.move), time.Now())
				l.o.Log.InfoContext(ctx, "to be tried again, for it was not taken up: "+f.move.String(), "why", f.move.Why, "retry", wait.String())
				return true
			}
			l.failed(ctx, f.move, "it has ended, and what it was to make is not there")
		case moveObsolete:
			l.o.Log.InfoContext(ctx, "the shard is gone: "+f.move.String(), "why", f.move.Why)
		}
		return true
	})
}

// forgetStuck forgets since when a transfer was stuck that has ended or moves again. It is asked at every look, also at those at which nothing
// may be done.
func (l *loop) forgetStuck(p topology.Picture) {
	maps.DeleteFunc(l.stuck, func(key transferKey, _ time.Time) bool {
		_, there := l.seen[key]
		return !there || p.Live(key.from) && p.Live(key.to)
	})
}

// abortStuck ends transfers with an end that has not answered for long. The server does so itself when that peer comes back; until
// then its shard could not be touched.
func (l *loop) abortStuck(ctx context.Context, p topology.Picture) {
	for _, key := range slices.SortedFunc(maps.Keys(l.seen), transferKey.compare) {
		if p.Live(key.from) && p.Live(key.to) {
			continue
		}
		since, known := l.stuck[key]
		if !known {
			l.stuck[key] = p.At
			continue
		}
		shard := plan.ShardName{Collection: key.collection, Shard: key.shard}
		if !l.conditions.confirmed[key.stuck()] || p.At.Sub(since) < l.patience(p, key) || l.facts.GivenUp[shard] || l.retries.waits("abort "+shard.String(), p.At) {
			continue
		}
		l.retries.failed("abort "+shard.String(), p.At)
		err := l.actor.Abort(ctx, p, shard, key.from, key.to)
		if err != nil && !errors.Is(err, errHalt) && ctx.Err() == nil {
			l.once.say(ctx, "abort/"+shard.String(), slog.LevelWarn, err.Error())
		}
		if err == nil {
			l.o.Log.WarnContext(ctx, "aborted a transfer with an end that does not answer", "shard", shard.String(), "from", key.from, "to", key.to)
		}
	}
}

// patience is how long a transfer may have an end that does not answer: a server that is merely slow still sends. Without a pod there is
// no server.
func (l *loop) patience(p topology.Picture, key transferKey) time.Duration {
	for _, id := range []clusterapi.PeerID{key.from, key.to} {
		if m, known := p.Member(id); known && withoutPod(l.facts, p, m) {
			return 0
		}
	}
	return l.o.Stuck
}

// errHalt says that the condition for a change has gone since it was decided on.
var errHalt = errors.New("no change now")

// allowed is asked right before each change. Reading the StatefulSet anew keeps a process that is cut off from Kubernetes, and so may
// have lost its lease without knowing, from changing anything, and takes notice of a scale or a pause in the last moment.
func (l *loop) allowed(ctx context.Context) error {
	if l.o.Leading != nil && !l.o.Leading() {
		return fmt.Errorf("%w: another process leads", errHalt)
	}
	now, err := l.o.Kubernetes.StatefulSet(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errHalt, err)
	}
	was := l.facts.StatefulSet
	now.Updating = was.Updating
	if now != was {
		return fmt.Errorf("%w: the StatefulSet has changed", errHalt)
	}
	return nil
}

// doTasks does those that are confirmed. A task that has vanished begins anew when it comes back.
func (l *loop) doTasks(ctx context.Context, tasks []Task) {
	texts := map[string]bool{}
	for _, task := range tasks {
		texts[task.Text] = true
	}
	l.again.keep(texts)
	for _, task := range l.conditions.tasks(l.facts, tasks) {
		if l.again.waits(task.Text, time.Now()) {
			continue
		}
		// What was done shows in the facts a moment later; until then it is not done again.
		l.again.failed(task.Text, time.Now())
		err := l.allowed(ctx)
		if err == nil {
			err = l.do(ctx, task)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			l.once.say(ctx, "task/"+task.Text, slog.LevelWarn, task.Text+": "+err.Error())
			continue
		}
		l.record(ctx, slog.LevelInfo, taskReason(task), task.Text)
	}
}

func (l *loop) do(ctx context.Context, task Task) error {
	switch {
	case task.Annotate != nil:
		return l.o.Kubernetes.AnnotateClaim(ctx, task.Ordinal, task.Annotate)
	case task.Delete.Name != "":
		return l.o.Kubernetes.DeletePod(ctx, task.Delete.Name, task.Delete.UID)
	default:
		return l.o.Store.UpdateState(ctx, func(data map[string]string) {
			data[KeyAcceptLoss] = withoutLosses(data[KeyAcceptLoss], task.Forget)
		})
	}
}

func taskReason(task Task) string {
	switch {
	case task.Annotate != nil:
		return "ClaimMarked"
	case task.Delete.Name != "":
		return "PodRestarted"
	default:
		return "LossSettled"
	}
}

// keepGuard writes what guard asks for. "Whole" is written when it has been seen several times, "not whole" at once; that only the
// sentence has changed can wait.
func (l *loop) keepGuard(ctx context.Context, p topology.Picture) {
	g := Guarding(p)
	if !g.Whole {
		l.whole.Observe()
	} else if !l.whole.Observe(KeyWhole)[KeyWhole] {
		return
	}
	same := g.Whole == l.guard.Whole && g.MinReplicas == l.guard.MinReplicas
	if g == l.guard || same && p.At.Sub(l.guarded) < guardSentence || l.retries.waits("guard", p.At) {
		return
	}
	if err := l.o.Store.UpdateState(ctx, func(data map[string]string) { maps.Copy(data, g.values()) }); err != nil {
		l.retries.failed("guard", time.Now())
		l.once.say(ctx, "guard", slog.LevelWarn, "writing what guard asks for: "+err.Error())
		return
	}
	l.retries.worked("guard")
	l.once.over(ctx, "guard", "what guard asks for is written again")
	l.guard, l.guarded = g, p.At
}

// guardSentence is how often the sentence alone is written anew.
const guardSentence = 30 * time.Second

// pace is how long to wait: shortly while something is under way, a second while something is to be confirmed and all peers answer.
func (l *loop) pace(p topology.Picture, pending bool) time.Duration {
	if len(l.ongoing) > 0 {
		return l.o.Fast
	}
	if !pending {
		return l.o.Interval
	}
	for _, m := range p.Members {
		if p.Joined(m.ID) && !m.Answers {
			return l.o.Interval
		}
	}
	return min(l.o.Interval, time.Second)
}

// blind is an observation that Kubernetes did not answer. Without it nobody knows who should leave, so nothing is done.
func (l *loop) blind(ctx context.Context, err error) time.Duration {
	l.metrics.failures.WithLabelValues(targetKubernetes).Inc()
	l.conditions.blind()
	l.once.say(ctx, targetKubernetes, slog.LevelWarn, err.Error())
	return l.retries.failed(targetKubernetes, time.Now())
}
