package command

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/statusscreen"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/tend"
)

func statusCommand(b builder) *cobra.Command {
	define := func(f *flags) {
		f.looking()
		f.StringVar(&f.settings.lease, "lease", "", "Lease of the stop permit (default: the StatefulSet's name with -stop)")
		f.output()
	}
	return b.command("status", "Show peers, shards, transfers, and the next changes", commandline.Arguments(0, 0), define, runStatus)
}

func runStatus(ctx context.Context, s *settings, _ []string) error {
	if err := oneOf("output", s.output, "text", "json"); err != nil {
		return err
	}
	seen, err := s.look(ctx)
	if err != nil {
		return err
	}
	permit, err := seen.client.Permit().Holder(ctx)
	if err != nil {
		return err
	}
	outlook := tend.Next(seen.facts, seen.picture, seen.settings)
	return s.show(statusscreen.MakeStatus(seen.names.StatefulSet, permit, seen.facts, seen.picture, outlook))
}
