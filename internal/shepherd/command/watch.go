package command

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/watch"
)

func watchCommand(b builder) *cobra.Command {
	define := func(f *flags) {
		s := f.settings
		f.cluster()
		f.kubernetes()
		f.ownPod()
		f.StringVar(&s.storage, "storage", "/qdrant/storage", "directory of the data volume")
		f.StringVar(&s.shared, "shared", "/qdrant/shepherd", "directory shared with start and the server")
		f.StringVar(&s.listen, "listen", watch.DefaultListen, "address on which to serve probes and hooks")
		f.StringVar(&s.metricsListen, "metrics-listen", watch.DefaultMetricsListen, "address on which to serve metrics")
		f.StringVar(&s.lease, "lease", "", "Lease of the stop permit (default: the StatefulSet's name with -stop)")
		f.duration(&s.maxWait, "max-wait", watch.DefaultMaxWait, "how long a stop can be held")
		f.duration(&s.permitFor, "permit-for", watch.DefaultPermitFor, "how long a stop permit lasts if it is not returned")
		f.duration(&s.gracePeriod, "grace-period", watch.DefaultGrace, "the pod's termination grace period")
		f.duration(&s.preStop, "prestop", 5*time.Second, "minimum time for which a deleted pod keeps answering")
		f.duration(&s.apiWait, "api-wait", watch.DefaultAPIWait, "how long to wait for an API server that does not answer")
	}
	return b.command("watch", "Decide when this pod is ready and when it may stop (sidecar)", commandline.Arguments(0, 0), define, runWatch)
}

func runWatch(ctx context.Context, s *settings, _ []string) error {
	peers, err := s.peers(s.pod)
	if err != nil {
		return err
	}
	client, err := s.kube()
	if err != nil {
		return err
	}
	return untilStopped(ctx, watch.Run(ctx, watch.Options{
		Names:         s.names(),
		Pod:           s.pod,
		Client:        peers.client,
		Kubernetes:    client,
		Permit:        client.Permit(),
		Shared:        s.shared,
		Storage:       s.storage,
		Listen:        s.listen,
		MetricsListen: s.metricsListen,
		MaxWait:       explicit(s.maxWait),
		Grace:         explicit(s.gracePeriod),
		MinHold:       s.preStop,
		PermitFor:     explicit(s.permitFor),
		APIWait:       explicit(s.apiWait),
		Log:           s.log,
	}))
}
