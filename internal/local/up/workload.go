package up

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"github.com/qdrant-shepherd/shepherd/client/childprocess"
)

// runWorkload writes and searches real vectors, and shows what tools/smoke says of it.
func runWorkload(ctx context.Context, settings Settings, w world, key string, screen *screen) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	to, err := w.reach(ctx)
	if err != nil {
		return err
	}
	arguments := []string{"run", "./tools/smoke", "-target", to.grpc, "-rest", "http://" + to.rest}
	if w.describe().StandIn {
		arguments = append(arguments, "-stand-in")
	}
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Dir = settings.Root
	command.Env = append(os.Environ(), "API_KEY="+key)
	command.Stdout, command.Stderr = screen.out, screen.out
	if err := childprocess.Run(ctx, command); err != nil {
		return fmt.Errorf("the workload: %w", err)
	}
	return nil
}
