package command

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/statusscreen"
)

func planCommand(b builder) *cobra.Command {
	define := func(f *flags) {
		f.looking()
		f.output()
		f.IntVar(&f.settings.replicas, "replicas", -1, "number of pods to plan for")
	}
	return b.command("plan", "Show what another number of pods would move, or why it cannot work", commandline.Arguments(0, 0), define, runPlan)
}

func runPlan(ctx context.Context, s *settings, _ []string) error {
	switch {
	case s.replicas < 0:
		return commandline.Usage("say for how many: --replicas N")
	case s.replicas > s.replicasLimit:
		return commandline.Usage("--replicas: %d is more than the %d that the release has permissions for", s.replicas, s.replicasLimit)
	}
	if err := oneOf("output", s.output, "text", "json"); err != nil {
		return err
	}
	seen, err := s.look(ctx)
	if err != nil {
		return err
	}
	resize := statusscreen.MakeResize(seen.facts, seen.picture, seen.settings, seen.names.Pod, s.replicas)
	if err := s.show(resize); err != nil {
		return err
	}
	if !resize.Possible {
		return commandline.ErrReported
	}
	return nil
}
