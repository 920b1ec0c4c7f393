package tend

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// record logs something that happened and makes an Event of it.
func (l *loop) record(ctx context.Context, level slog.Level, reason, text string) {
	l.o.Log.Log(ctx, level, text, "reason", reason)
	if l.o.Events == nil || l.o.DryRun {
		return
	}
	if err := l.o.Events.Event(ctx, level >= slog.LevelWarn, reason, text); err != nil && ctx.Err() == nil {
		l.once.say(ctx, "events", slog.LevelWarn, "writing an Event: "+err.Error())
	}
}

// recordNotes records each note once when it has been seen several times, and once that it is over.
func (l *loop) recordNotes(ctx context.Context, o Outlook) {
	var keys []string
	levels := map[string]slog.Level{}
	for _, n := range o.Notes {
		key := n.Reason + ": " + n.Text
		if _, twice := levels[key]; twice {
			continue
		}
		levels[key] = slog.LevelInfo
		if n.Warning {
			levels[key] = slog.LevelWarn
		}
		keys = append(keys, key)
	}
	confirmed := l.notes.Observe(keys...)
	for _, key := range keys {
		if _, said := l.once.said["note/"+key]; said || !confirmed[key] {
			continue
		}
		l.once.said["note/"+key] = key
		reason, text, _ := strings.Cut(key, ": ")
		l.record(ctx, levels[key], reason, text)
	}
	for _, key := range l.once.subjects("note/") {
		if !slices.Contains(keys, key) {
			_, text, _ := strings.Cut(key, ": ")
			l.once.over(ctx, "note/"+key, "no longer so: "+text)
		}
	}
}

func (l *loop) tellHeld(ctx context.Context, o Outlook) {
	if o.Held == "" {
		l.once.over(ctx, "held", "changes are made again")
		return
	}
	l.once.say(ctx, "held", slog.LevelWarn, "nothing is changed: "+o.Held)
}

// recordSilent logs once that a server does not answer, and counts each time. Its words change from time to time, by ports and the like;
// what counts is whether it refuses the key.
func (l *loop) recordSilent(ctx context.Context, p topology.Picture) {
	var silent []string
	for _, s := range p.Silent {
		l.metrics.failures.WithLabelValues(targetQdrant).Inc()
		text, level := "a server does not answer", slog.LevelInfo
		if strings.Contains(s.Err, ": 401 ") || strings.Contains(s.Err, ": 403 ") {
			text, level = "a server refuses the API key", slog.LevelWarn
		}
		silent = append(silent, s.Pod)
		l.once.say(ctx, "silent/"+s.Pod, level, text, "pod", s.Pod, "error", s.Err)
	}
	for _, pod := range l.once.subjects("silent/") {
		if !slices.Contains(silent, pod) {
			l.once.over(ctx, "silent/"+pod, "a server answers, or is not wanted any more", "pod", pod)
		}
	}
}

// recordPlan logs what would be done if it were allowed.
func (l *loop) recordPlan(ctx context.Context, o Outlook) {
	lines := make([]string, 0, len(o.Plan.Moves)+len(o.Tasks))
	for _, m := range o.Plan.Moves {
		lines = append(lines, fmt.Sprintf("%s (%s, %d bytes)", m.String(), m.Why, m.Bytes))
	}
	for _, task := range o.Tasks {
		lines = append(lines, task.Text)
	}
	if len(lines) == 0 {
		l.once.over(ctx, "plan", "there would be nothing to do")
		return
	}
	text := strings.Join(lines, "\n")
	if l.once.said["plan"] != text {
		l.once.said["plan"] = text
		l.o.Log.InfoContext(ctx, "would be done", "moves", lines)
	}
}
