package command

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/start"
)

func startCommand(b builder) *cobra.Command {
	define := func(f *flags) {
		s := f.settings
		f.cluster()
		f.kubernetes()
		f.ownPod()
		f.StringVar(&s.p2pScheme, "p2p-scheme", "http", "scheme of the addresses that peers use for each other: http or https")
		f.BoolVar(&s.clustered, "cluster", true, "the servers run as a cluster")
		f.StringVar(&s.storage, "storage", "/qdrant/storage", "the server's data directory")
		f.StringVar(&s.shared, "shared", "/qdrant/shepherd", "directory shared with the server and watch")
		f.duration(&s.apiWait, "api-wait", start.DefaultAPIWait, "how long to wait for an API server that does not answer")
		f.duration(&s.setAsideKeep, "set-aside-keep", start.DefaultSetAsideKeep, "how long to keep a state that was set aside on the volume")
	}
	return b.command("start", "Decide how the server of this pod may start, and write its arguments (init container)", commandline.Arguments(0, 0), define, runStart)
}

func runStart(ctx context.Context, s *settings, _ []string) error {
	if err := oneOf("p2p-scheme", s.p2pScheme, "http", "https"); err != nil {
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
	return start.Run(ctx, start.Options{
		Names:         s.names(),
		Pod:           s.pod,
		Single:        !s.clustered,
		URI:           uri(s.p2pScheme, s.domain),
		Client:        peers.client,
		Kubernetes:    client,
		Storage:       s.storage,
		Shared:        s.shared,
		ReplicasLimit: s.replicasLimit,
		APIWait:       explicit(s.apiWait),
		SetAsideKeep:  explicit(s.setAsideKeep),
		Log:           s.log,
	})
}
