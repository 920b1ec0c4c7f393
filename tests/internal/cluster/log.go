package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"sigs.k8s.io/kind/pkg/log"
)

// logger hands kind's messages to slog: what kind shows a person by default as debug, its warnings as they are.
type logger struct{ to *slog.Logger }

func (l logger) Warn(message string)               { l.to.Warn(message) }
func (l logger) Warnf(format string, args ...any)  { l.to.Warn(fmt.Sprintf(format, args...)) }
func (l logger) Error(message string)              { l.to.Error(message) }
func (l logger) Errorf(format string, args ...any) { l.to.Error(fmt.Sprintf(format, args...)) }

func (l logger) V(level log.Level) log.InfoLogger {
	return info{to: l.to, on: level == 0 && l.to.Enabled(context.Background(), slog.LevelInfo)}
}

type info struct {
	to *slog.Logger
	on bool
}

func (i info) Enabled() bool { return i.on }

func (i info) Info(message string) {
	// kind marks the begin of a step with a bullet and its end with a tick; the begin is enough.
	if message = strings.TrimSpace(message); i.on && !strings.HasPrefix(message, "✓") {
		i.to.Info("kind: " + strings.TrimLeft(message, "• "))
	}
}

func (i info) Infof(format string, args ...any) { i.Info(fmt.Sprintf(format, args...)) }
