package command

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qdrant-shepherd/shepherd/internal/report"
	"github.com/qdrant-shepherd/shepherd/internal/tend"
)

func statusCommand(b builder) *cobra.Command {
	define := func(f *flags) {
		f.looking()
		f.text(&f.settings.lease, "lease", "", "Lease of the stop permit (default: the StatefulSet's name with -stop)")
		f.output()
	}
	return b.command("status", "Show peers, shards, transfers, and what would be done next", noArgs, define, runStatus)
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
	return s.show(report.MakeStatus(seen.names.StatefulSet, permit, seen.facts, seen.picture, outlook))
}
