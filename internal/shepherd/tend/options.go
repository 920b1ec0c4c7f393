// Package tend is the one loop that changes a cluster: it drains peers that leave, re-creates what is missing, spreads shards over new
// peers and forgets peers that are gone. It starts nothing and keeps nothing between runs: where it stands is read from Qdrant and from
// Kubernetes each time, so it may be killed at any point. What it decides is in pure functions (Goals, Next); Run only carries it out.
package tend

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qdrant-shepherd/shepherd/internal/shepherd/act"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// Kubernetes is what tend reads and changes of its release.
type Kubernetes interface {
	StatefulSet(ctx context.Context) (kube.StatefulSet, error)
	Pods(ctx context.Context) ([]kube.Pod, error)
	Claims(ctx context.Context, upTo int) ([]kube.Claim, error)
	// AnnotateClaim sets annotations; a nil value removes one.
	AnnotateClaim(ctx context.Context, ordinal int, annotations map[string]*string) error
	// DeletePod deletes the pod only if it still is the one of the uid.
	DeletePod(ctx context.Context, name, uid string) error
}

// Store is the ConfigMap that tend shares with guard and with people.
type Store interface {
	State(ctx context.Context) (map[string]string, error)
	// UpdateState edits what is there now, so that nothing is lost that someone else writes at the same time.
	UpdateState(ctx context.Context, change func(data map[string]string)) error
}

// Recorder writes Events about the StatefulSet.
type Recorder interface {
	Event(ctx context.Context, warning bool, reason, message string) error
}

// Peer is a way to the server in a pod; *qdrant.Client satisfies it.
type Peer interface {
	topology.Reader
	act.Cluster
}

// Settings are the values that decide what is done.
type Settings struct {
	Strategy plan.Strategy
	// Limit is how many transfers may be under way at a time; 1 when it is less.
	Limit              int
	ReplaceLostVolumes bool
	// Untouched are collections that balancing leaves alone.
	Untouched []string
}

// Options are what Run needs. The zero values of durations and counts mean the defaults that are named with them.
type Options struct {
	Kubernetes Kubernetes
	Store      Store
	Events     Recorder
	Peer       func(pod string) Peer
	// Pod names the pod of an ordinal.
	Pod func(ordinal int) string
	// Ordinals is how many ordinals there may be: claims are looked for from 0 up to it.
	Ordinals int
	Settings Settings
	// Method is how shards travel; empty leaves it to the server.
	Method string
	// DryRun logs plans and changes nothing, in Qdrant or in Kubernetes. What guard asks for is written all the same: guard goes by it,
	// and what it says must not grow old.
	DryRun bool
	// Leading is asked before each change whether this process still holds the lease; nil when there is none to hold.
	Leading func() bool
	// Interval is the time between two observations (3 s); while a move of its own is under way it is Fast (0.2 s).
	Interval, Fast time.Duration
	// Timeout bounds one observation (5 s).
	Timeout time.Duration
	// Confirm is how often in a row what a change rests on must be seen before it is made (3).
	Confirm int
	// Stuck is how long a transfer may have an end that does not answer before it is aborted (2 min).
	Stuck time.Duration
	// Backoff is the first wait after an error or a failed move (1 s); it doubles up to MaxBackoff (1 min).
	Backoff, MaxBackoff time.Duration
	Registerer          prometheus.Registerer
	Log                 *slog.Logger
}

// Keys of the ConfigMap. Guard asks for the first three; acceptLoss is written by people, and tend takes away what is settled.
const (
	KeyMinReplicas = "minReplicas"
	KeyWhole       = "whole"
	KeyReason      = "reason"
	KeyAcceptLoss  = "acceptLoss" // lines of COLLECTION/SHARD
)

// Defaults of Options.
const (
	DefaultOrdinals   = 16
	DefaultInterval   = 3 * time.Second
	DefaultFast       = 200 * time.Millisecond
	DefaultTimeout    = 5 * time.Second
	DefaultConfirm    = 3
	DefaultStuck      = 2 * time.Minute
	DefaultBackoff    = time.Second
	DefaultMaxBackoff = time.Minute
)

func (o Options) withDefaults() Options {
	o.Ordinals = cmp.Or(o.Ordinals, DefaultOrdinals)
	o.Interval = cmp.Or(o.Interval, DefaultInterval)
	o.Fast = cmp.Or(o.Fast, DefaultFast)
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	o.Confirm = cmp.Or(o.Confirm, DefaultConfirm)
	o.Stuck = cmp.Or(o.Stuck, DefaultStuck)
	o.Backoff = cmp.Or(o.Backoff, DefaultBackoff)
	o.MaxBackoff = cmp.Or(o.MaxBackoff, DefaultMaxBackoff)
	o.Settings.Limit = cmp.Or(o.Settings.Limit, 1)
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}
