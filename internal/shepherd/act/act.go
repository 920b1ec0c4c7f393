// Package act carries a plan's moves out, one call at a time. It begins a move and never waits for its end: whether a move is over
// is read from the next picture, so whoever resumes after a kill sees the same as who began. Nothing is ever forced.
package act

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

const (
	// callTimeout bounds one call. The server waits up to 10 seconds for the consensus to accept it.
	callTimeout = 15 * time.Second
	// snapshotTimeout bounds a snapshot or the recovery from it: mostly of nothing, but a stale replica may be large.
	snapshotTimeout = 5 * time.Minute
)

// Cluster is what changes a cluster through one of its peers; *qdrant.Client satisfies it.
type Cluster interface {
	ReplicateShard(ctx context.Context, collection string, shard clusterapi.ShardID, from, to clusterapi.PeerID, method string) error
	MoveShard(ctx context.Context, collection string, shard clusterapi.ShardID, from, to clusterapi.PeerID, method string) error
	AbortTransfer(ctx context.Context, collection string, shard clusterapi.ShardID, from, to clusterapi.PeerID) error
	DropReplica(ctx context.Context, collection string, shard clusterapi.ShardID, peer clusterapi.PeerID) error
	RemovePeer(ctx context.Context, peer clusterapi.PeerID) error
	Snapshots
}

// Snapshots are the calls that make an empty replica count.
type Snapshots interface {
	SnapshotShard(ctx context.Context, collection string, shard clusterapi.ShardID) (string, error)
	RecoverShard(ctx context.Context, collection string, shard clusterapi.ShardID, name string) error
	DeleteShardSnapshot(ctx context.Context, collection string, shard clusterapi.ShardID, name string) error
}

// ErrNotYet says that the server refused for a reason that passes by itself: try again soon.
var ErrNotYet = errors.New("not yet")

// Actor begins moves.
type Actor struct {
	// Cluster is the way to an answering member.
	Cluster func(topology.Member) Cluster
	// Method is how shards travel; empty leaves it to the server.
	Method string
	// Look draws a new picture, for what must not rest on the one that a move was planned on.
	Look func(context.Context) topology.Picture
	// Allowed is asked right before each change, so that whoever has lost the lead, or has been told to stop, changes nothing more.
	Allowed func(context.Context) error
}

// Begin starts a move. No error means that the cluster has accepted it, not that it is done. ErrNotYet is no failure.
func (a *Actor) Begin(ctx context.Context, p topology.Picture, m plan.Move) error {
	act := m.String()
	if m.Kind == plan.Abandon {
		if err := a.abandon(ctx, p, m); err != nil {
			return fmt.Errorf("%s: %w", act, err)
		}
		return nil
	}
	asked, err := Spokesman(p, m)
	if err != nil {
		return fmt.Errorf("%s: %w", act, err)
	}
	err = a.change(ctx, callTimeout, func(ctx context.Context) error { return a.send(ctx, a.Cluster(asked), m) })
	if err != nil {
		return fmt.Errorf("%s: %w", act, err)
	}
	return nil
}

func (a *Actor) send(ctx context.Context, to Cluster, m plan.Move) error {
	collection, shard := m.Shard.Collection, m.Shard.Shard
	switch m.Kind {
	case plan.ReplicateShard:
		return passing(to.ReplicateShard(ctx, collection, shard, m.From, m.To, a.Method))
	case plan.MoveShard:
		return passing(to.MoveShard(ctx, collection, shard, m.From, m.To, a.Method))
	case plan.DropReplica:
		return to.DropReplica(ctx, collection, shard, m.From)
	case plan.RemovePeer:
		err := to.RemovePeer(ctx, m.From)
		// The asked peer refuses until it has itself applied the drops that came before.
		if refused(err, http.StatusBadRequest) {
			return errors.Join(ErrNotYet, err)
		}
		return err
	default:
		return fmt.Errorf("no such kind of move: %q", m.Kind)
	}
}

// passing makes the refusal of a source that has not put away the transfer before this one ErrNotYet: until then its replica is neither
// the plain one nor the one that is being sent.
func passing(err error) error {
	if answer, ok := errors.AsType[*clusterapi.Error](err); ok && answer.Status == http.StatusBadRequest && strings.Contains(answer.Message, "queue proxy shard") {
		return errors.Join(ErrNotYet, err)
	}
	return err
}

// Abort ends a transfer that cannot end by itself. The source keeps its replica.
func (a *Actor) Abort(ctx context.Context, p topology.Picture, shard plan.ShardName, from, to clusterapi.PeerID) error {
	act := fmt.Sprintf("aborting the transfer of shard %s from peer %d to peer %d", shard, from, to)
	asked, err := Spokesman(p, plan.Move{})
	if err != nil {
		return fmt.Errorf("%s: %w", act, err)
	}
	err = a.change(ctx, callTimeout, func(ctx context.Context) error {
		return a.Cluster(asked).AbortTransfer(ctx, shard.Collection, shard.Shard, from, to)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", act, err)
	}
	return nil
}

// change makes one call if it is still allowed.
func (a *Actor) change(ctx context.Context, timeout time.Duration, call func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if a.Allowed != nil {
		if err := a.Allowed(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return call(ctx)
}

// Spokesman is the member that is asked for a move: the leader if it answers, because no other can commit anything without it, else
// the first that answers; never the peer that is to be removed.
func Spokesman(p topology.Picture, m plan.Move) (topology.Member, error) {
	var found []topology.Member
	for _, member := range p.Members {
		removed := m.Kind == plan.RemovePeer && member.ID == m.From
		if p.Live(member.ID) && !removed {
			found = append(found, member)
		}
	}
	if len(found) == 0 {
		return topology.Member{}, errors.New("no peer of the cluster answers")
	}
	leads := slices.IndexFunc(found, func(member topology.Member) bool { return member.Raft.Leader == member.ID })
	return found[max(leads, 0)], nil
}

// refused reports whether the server itself answered with the status.
func refused(err error, status int) bool {
	answer, ok := errors.AsType[*clusterapi.Error](err)
	return ok && answer.Status == status
}
