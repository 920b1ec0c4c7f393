// Package watch is the sidecar of a server: it says when its pod is ready and when it may stop, and moves nothing itself. Both answers
// are pure functions of a picture of the cluster; the rest of the package looks, remembers and answers.
package watch

import (
	"context"
	"log/slog"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
)

// Kubernetes is what a sidecar needs of the API server.
type Kubernetes interface {
	StatefulSet(ctx context.Context) (kube.StatefulSet, error)
	Pod(ctx context.Context, name string) (kube.Pod, error)
	// Claim is the data claim of an ordinal; found is false if there is none. kube.IsUnreadable tells one that makes no sense.
	Claim(ctx context.Context, ordinal int) (claim kube.Claim, found bool, err error)
	// AnnotateClaim sets annotations of the claim of an ordinal; nil removes one.
	AnnotateClaim(ctx context.Context, ordinal int, annotations map[string]*string) error
}

// Permit is the stop permit: a lease that one pod at a time holds while it restarts.
type Permit interface {
	// Take takes a permit that is free, has run out or is one's own. It reports whether who holds it now, and who does.
	Take(ctx context.Context, who string, forHowLong time.Duration) (taken bool, holder string, err error)
	// Release gives the permit back if who holds it.
	Release(ctx context.Context, who string) error
}

// Options are what Run needs. Zero durations mean the defaults below; there is no default for MinHold.
type Options struct {
	Names kube.Names
	// Pod is the name of the sidecar's own pod.
	Pod string
	// Client makes a client for the REST API of a pod, the own one included.
	Client     func(pod string) *clusterapi.Client
	Kubernetes Kubernetes
	Permit     Permit
	// Shared is the directory that start, the server and watch have in common.
	Shared string
	// Storage is the data volume's directory, where stops are counted.
	Storage string
	// Listen is where probes and hooks ask, MetricsListen where Prometheus does.
	Listen        string
	MetricsListen string
	// MaxWait bounds a hold, and so does Grace, the pod's grace period: a hold ends StopTime before that does.
	MaxWait time.Duration
	Grace   time.Duration
	// MinHold is how long a pod goes on answering after it was deleted, because proxies and clients hear of it later (preStopSeconds).
	MinHold time.Duration
	// PermitFor is how long a permit lasts when nobody gives it back.
	PermitFor time.Duration
	// APIWait is how long a hold waits for an API server that is away before it goes by the cluster alone. Without a permit the pods go
	// one by one, each ordinal APIWait after the one before.
	APIWait time.Duration
	// Interval is between two looks at the own server, PeersInterval at all of them while something waits for it, IdleInterval else.
	Interval      time.Duration
	PeersInterval time.Duration
	IdleInterval  time.Duration
	AskTimeout    time.Duration
	Log           *slog.Logger
}

// Defaults of Options.
const (
	DefaultListen        = ":6337"
	DefaultMetricsListen = ":6338"
	DefaultMaxWait       = 30 * time.Minute
	DefaultGrace         = time.Hour
	DefaultPermitFor     = 10 * time.Minute
	DefaultAPIWait       = time.Minute
	DefaultInterval      = time.Second
	DefaultPeersInterval = 2 * time.Second
	DefaultIdleInterval  = 10 * time.Second
	DefaultAskTimeout    = 3 * time.Second
)

// StopTime is what a hold leaves of the grace period for the server to stop in peace.
const StopTime = time.Minute
