package up

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// engineTime is how long a Docker engine has to answer.
const engineTime = 10 * time.Second

// choose finds the world: the one that is up, or that was asked for, or the best that this machine can do.
func choose(ctx context.Context, settings Settings) (world, error) {
	state, err := settings.state()
	switch {
	case err == nil:
		return settings.stay(state)
	case !errors.Is(err, os.ErrNotExist):
		return nil, err
	}
	engine := engineAnswers(ctx)
	switch {
	case settings.World == inKind && !engine:
		return nil, errors.New("UP=kind: no Docker engine answers; start it, or leave UP unset to go without")
	case settings.World == inLocal, !engine:
		return newLocal(ctx, settings, !engine)
	}
	return &kind{settings: settings, cluster: cmp.Or(settings.Cluster, "qdrant-up")}, nil
}

// stay is the world that is up, if that is what is asked for.
func (s Settings) stay(state State) (world, error) {
	if s.World != "" && s.World != state.World {
		return nil, fmt.Errorf("UP=%s: %s is up in %s; %s first", s.World, state, s.Directory, s.command("down"))
	}
	if state.World == inKind && s.Cluster != "" && s.Cluster != state.Cluster {
		return nil, fmt.Errorf("CLUSTER=%s: %s is up in %s; %s first", s.Cluster, state, s.Directory, s.command("down"))
	}
	if state.World == inLocal && s.Server != "" && s.Server != state.Server {
		return nil, fmt.Errorf("QDRANT_BIN: %s is up in %s with other servers; %s first", state, s.Directory, s.command("down"))
	}
	return s.in(state), nil
}

// in is the world of a state.
func (s Settings) in(state State) world {
	if state.World == inKind {
		return &kind{settings: s, cluster: state.Cluster}
	}
	return &local{settings: s, state: state}
}

func engineAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, engineTime)
	defer cancel()
	return exec.CommandContext(ctx, "docker", "info", "--format", "{{.ServerVersion}}").Run() == nil
}
