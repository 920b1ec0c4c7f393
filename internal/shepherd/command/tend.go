package command

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/tend"
)

func tendCommand(b builder) *cobra.Command {
	define := func(f *flags) {
		s := f.settings
		f.cluster()
		f.kubernetes()
		f.ownPod()
		f.planning()
		f.StringVar(&s.leaderLease, "leader-lease", "", "Lease of the leader (default: the StatefulSet's name with -tend)")
		f.StringVar(&s.metricsListen, "metrics-listen", ":6338", "address on which to serve metrics")
		f.duration(&s.interval, "interval", 3*time.Second, "interval between two observations of the cluster")
		f.IntVar(&s.confirm, "confirm", 3, "number of consecutive observations that a change needs")
		f.IntVar(&s.maxConcurrentTransfers, "max-concurrent-transfers", 1, "number of shard transfers in progress at the same time")
		f.StringVar(&s.transferMethod, "transfer-method", "", "stream_records, snapshot or wal_delta (default: the server decides)")
		f.BoolVar(&s.dryRun, "dry-run", false, "log the changes without making them; only the ConfigMap of the guard is updated")
	}
	return b.command("tend", "Drain, repair and balance the whole cluster (one leader at a time)", commandline.Arguments(0, 0), define, runTend)
}

func runTend(ctx context.Context, s *settings, _ []string) error {
	if err := oneOf("transfer-method", s.transferMethod, "", "stream_records", "snapshot", "wal_delta"); err != nil {
		return err
	}
	planning, err := s.planningSettings()
	if err != nil {
		return err
	}
	peers, err := s.peers("")
	if err != nil {
		return err
	}
	client, err := s.kube()
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return serveMetrics(running, s.metricsListen, registry) })
	group.Go(func() error {
		return client.Lead(running, s.pod, kube.DefaultLeaderTiming, func(ctx context.Context) error {
			s.log.Info("leading", "pod", s.pod)
			return s.tend(ctx, client, peers, planning, registry)
		})
	})
	return untilStopped(ctx, group.Wait())
}

// tend does the work of the leader until its context ends, which it does when the Lease is lost.
func (s *settings) tend(ctx context.Context, client *kube.Client, peers *peers, planning tend.Settings, registry prometheus.Registerer) error {
	cache, err := client.Watch(ctx)
	if err != nil {
		return err
	}
	events := client.Recorder("shepherd")
	defer events.Close()
	return tend.Run(ctx, tend.Options{
		Kubernetes: cache,
		Store:      client,
		Events:     events,
		Peer:       func(pod string) tend.Peer { return peers.client(pod) },
		Pod:        client.Names().Pod,
		Ordinals:   s.replicasLimit,
		Settings:   planning,
		Method:     s.transferMethod,
		DryRun:     s.dryRun,
		Leading:    func() bool { return ctx.Err() == nil },
		Interval:   s.interval,
		Confirm:    s.confirm,
		Registerer: registry,
		Log:        s.log,
	})
}

func (s *settings) planningSettings() (tend.Settings, error) {
	words := []string{string(plan.None), string(plan.Count), string(plan.Size)}
	if err := oneOf("strategy", s.strategy, words...); err != nil {
		return tend.Settings{}, err
	}
	return tend.Settings{
		Strategy:           plan.Strategy(s.strategy),
		Limit:              s.maxConcurrentTransfers,
		ReplaceLostVolumes: s.replaceLostVolumes,
		Untouched:          s.untouched,
	}, nil
}
