package start

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
)

// Kubernetes is what a start needs of the API server.
type Kubernetes interface {
	StatefulSet(ctx context.Context) (kube.StatefulSet, error)
	// Claim is the data claim of an ordinal; found is false if there is none. kube.IsUnreadable tells one that makes no sense.
	Claim(ctx context.Context, ordinal int) (claim kube.Claim, found bool, err error)
	// AnnotateClaim sets annotations of the claim of an ordinal; nil removes one.
	AnnotateClaim(ctx context.Context, ordinal int, annotations map[string]*string) error
}

// Options are what Run needs. Zero durations and counts mean the defaults below.
type Options struct {
	Names kube.Names
	// Pod is the name of the pod that starts.
	Pod string
	// Single says that the server runs without cluster mode. There is nothing to decide then, and nobody is asked.
	Single bool
	// URI is the address that peers know a pod by, such as http://q-0.q-headless.default.svc.cluster.local:6335.
	URI func(pod string) string
	// Client makes a client for the REST API of a pod.
	Client     func(pod string) *clusterapi.Client
	Kubernetes Kubernetes
	// Storage is the server's data directory, Shared the one that start, the server and watch have in common.
	Storage string
	Shared  string
	// ReplicasLimit is how many ordinals there can be; claims of more are not looked for.
	ReplicasLimit int
	// APIWait is how long a peer with a state of its own waits for an API server that is away, before it starts on a volume that nobody
	// has checked. One that answers with a refusal is not away.
	APIWait time.Duration
	// JoinWait is how long a join waits for a majority of the peers to answer; without one the server's attempt would most likely fail.
	JoinWait time.Duration
	// SetAsideKeep is how long old states are kept.
	SetAsideKeep time.Duration
	// Interval is between two looks, and up to ten times that while they find nothing new. AskTimeout bounds a look at the peers.
	Interval   time.Duration
	AskTimeout time.Duration
	// Confirm is how many looks in a row must lead to the same decision where it can't be taken back.
	Confirm int
	Log     *slog.Logger
}

// Defaults of Options.
const (
	DefaultReplicasLimit = 16
	DefaultAPIWait       = 2 * time.Minute
	DefaultJoinWait      = 30 * time.Second
	DefaultSetAsideKeep  = 7 * 24 * time.Hour
	DefaultInterval      = time.Second
	DefaultAskTimeout    = 3 * time.Second
	DefaultConfirm       = 3
)

func (o Options) withDefaults() Options {
	o.ReplicasLimit = cmp.Or(o.ReplicasLimit, DefaultReplicasLimit)
	o.APIWait = cmp.Or(o.APIWait, DefaultAPIWait)
	o.JoinWait = cmp.Or(o.JoinWait, DefaultJoinWait)
	o.SetAsideKeep = cmp.Or(o.SetAsideKeep, DefaultSetAsideKeep)
	o.Interval = cmp.Or(o.Interval, DefaultInterval)
	o.AskTimeout = cmp.Or(o.AskTimeout, DefaultAskTimeout)
	o.Confirm = cmp.Or(o.Confirm, DefaultConfirm)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}
