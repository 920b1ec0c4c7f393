package tend

import (
	"context"
	"log/slog"
	"maps"
	"slices"
)

// onceLog says a thing once, and once that it is over: a log that repeats each observation hides what is new in it.
type onceLog struct {
	log  *slog.Logger
	said map[string]string
}

// say logs the text unless it is what was last said of the subject. It reports whether it did.
func (h *onceLog) say(ctx context.Context, subject string, level slog.Level, text string, attributes ...any) bool {
	if h.said[subject] == text {
		return false
	}
	h.said[subject] = text
	h.log.Log(ctx, level, text, attributes...)
	return true
}

// over takes back what was said of a subject, and tells so if it was said.
func (h *onceLog) over(ctx context.Context, subject, text string, attributes ...any) {
	if _, said := h.said[subject]; said {
		delete(h.said, subject)
		h.log.InfoContext(ctx, text, attributes...)
	}
}

// subjects are those of which something was said, with the prefix, in order.
func (h *onceLog) subjects(prefix string) []string {
	var subjects []string
	for _, subject := range slices.Sorted(maps.Keys(h.said)) {
		if len(subject) > len(prefix) && subject[:len(prefix)] == prefix {
			subjects = append(subjects, subject[len(prefix):])
		}
	}
	return subjects
}
