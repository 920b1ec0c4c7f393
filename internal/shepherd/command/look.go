package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/tend"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// askTimeout bounds one look at all servers.
const askTimeout = 5 * time.Second

// look is what tend would see now.
type look struct {
	names    kube.Names
	client   *kube.Client
	facts    tend.Facts
	picture  topology.Picture
	settings tend.Settings
}

// look asks Kubernetes and every server once.
func (s *settings) look(ctx context.Context) (look, error) {
	l := look{names: s.names()}
	var err error
	if l.settings, err = s.planningSettings(); err != nil {
		return l, err
	}
	peers, err := s.peers("")
	if err != nil {
		return l, err
	}
	if l.client, err = s.kube(); err != nil {
		return l, err
	}
	if l.facts, err = tend.Gather(ctx, l.client, l.client, s.replicasLimit); err != nil {
		return l, err
	}
	targets := tend.Targets(l.facts, l.names.Pod, func(pod string) tend.Peer { return peers.client(pod) })
	l.picture, _ = topology.Observe(ctx, targets, askTimeout)
	return l, nil
}

// looking are the flags of a command for people that looks.
func (f *flags) looking() {
	f.cluster()
	f.kubernetes()
	f.planning()
}

func (f *flags) output() { f.StringVarP(&f.settings.output, "output", "o", "text", "text or json") }

// show writes text, or the value as JSON.
func (s *settings) show(value interface{ Text() string }) error {
	if s.output == "json" {
		return writeJSON(s.process.Out, value)
	}
	if _, err := io.WriteString(s.process.Out, value.Text()); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}

func writeJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}
