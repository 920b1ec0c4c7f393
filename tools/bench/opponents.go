package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
)

// opponents are those that a run compares with.
type opponents struct {
	names    []string
	versions map[string]string // of those that are programs
	missing  []Missing
}

// Missing is an opponent that "all" would have meant, and why it is not met.
type Missing struct {
	Opponent string `json:"opponent"`
	Why      string `json:"why"`
}

// findOpponents looks for the opponents before anything else is done. Those asked for by name have to be there; "all" means all that are.
func findOpponents(ctx context.Context, o Options) (opponents, error) {
	found := opponents{versions: map[string]string{}}
	if !o.runs(PhaseCompare) || len(o.Against) == 0 {
		return found, nil
	}
	several, err := severalPeers(ctx, o.Connection.Target)
	if err != nil {
		return found, err
	}
	names, all := o.Against, slices.Contains(o.Against, againstAll)
	if all {
		names = Opponents()
	}
	var errs []error
	for _, name := range names {
		version, why := o.look(ctx, name)
		why = errors.Join(several, why)
		switch {
		case ctx.Err() != nil:
			return found, ctx.Err()
		case why == nil:
			found.names = append(found.names, name)
			found.versions[name] = version
		case all:
			found.missing = append(found.missing, Missing{Opponent: name, Why: why.Error()})
		default:
			errs = append(errs, fmt.Errorf("--against %s: %w", name, why))
		}
	}
	return found, errors.Join(errs...)
}

// look says why an opponent cannot be met, if that is so, and otherwise its version if it is a program.
func (o Options) look(ctx context.Context, name string) (version string, err error) {
	switch {
	case name != againstPython && name != againstBfb:
		return "", nil
	case o.Connection.TLS != nil:
		return "", errors.New("it is only compared without TLS")
	case name == againstPython:
		version, err = output(ctx, o.Python, "-c", "import importlib.metadata as m; import qdrant_client; print(m.version('qdrant-client'))")
		return "qdrant-client " + version, err
	default:
		return output(ctx, o.Bfb, "--version")
	}
}

// severalPeers says if a target stands for several: client/vector spreads its calls over all of them, and the other clients do not, so that
// comparing them would compare a cluster with a peer. A machine's loopback addresses are one.
func severalPeers(ctx context.Context, target string) (several, err error) {
	if target == "" {
		return nil, nil
	}
	host, _, err := splitTarget(target)
	if err != nil {
		return nil, err
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("looking up %s: %w", host, err)
	}
	return among(host, addresses), nil
}

func among(host string, addresses []string) error {
	peers := map[string]bool{}
	for _, address := range addresses {
		if net.ParseIP(address).IsLoopback() {
			address = "loopback"
		}
		peers[address] = true
	}
	if len(peers) > 1 {
		return fmt.Errorf("%s has %d addresses, and the clients would not use them alike", host, len(peers))
	}
	return nil
}
