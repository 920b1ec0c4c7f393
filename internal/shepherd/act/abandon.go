package act

import (
	"context"
	"errors"
	"fmt"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// abandon gives a shard whose only good copy is lost a replica to go on with. The server has no call for that, but lets a snapshot
// win over whatever other replicas claim: To gets a replica (a transfer from the lost peer makes an empty one, and never goes on),
// takes a snapshot of it, and recovers from that snapshot. The first recovery ends the transfer, and the replica dies with it; the
// second makes it Active, and the lost one Dead, which a later plan drops. Whatever of this was done before a kill is not done again.
func (a *Actor) abandon(ctx context.Context, p topology.Picture, m plan.Move) error {
	if err := stillLost(p, m); err != nil {
		return err
	}
	target, known := p.Member(m.To)
	if !known || !p.Live(m.To) {
		return fmt.Errorf("peer %d does not answer", m.To)
	}
	shard, _ := p.Shard(m.Shard.Collection, m.Shard.Shard)
	if _, exists := shard.On(m.To); !exists {
		asked, err := Spokesman(p, m)
		if err != nil {
			return err
		}
		err = a.change(ctx, callTimeout, func(ctx context.Context) error {
			return a.Cluster(asked).ReplicateShard(ctx, m.Shard.Collection, m.Shard.Shard, m.From, m.To, "")
		})
		if err != nil {
			return err
		}
		return fmt.Errorf("%w: the empty replica is being made", ErrNotYet)
	}
	return a.revive(ctx, a.Cluster(target), m)
}

// stillLost refuses what would overwrite a good copy: a recovery with priority "snapshot" makes all other replicas Dead.
func stillLost(p topology.Picture, m plan.Move) error {
	shard, known := p.Shard(m.Shard.Collection, m.Shard.Shard)
	if !known {
		return errors.New("no peer knows the shard")
	}
	if p.WholeWithout(shard) {
		return errors.New("there is an Active copy on a peer that answers")
	}
	if from, known := p.Member(m.From); known && from.Answers {
		return fmt.Errorf("peer %d answers", m.From)
	}
	return nil
}

// lookAgain asks right before a recovery what stillLost asks: a snapshot may take minutes, in which the lost peer, or any other with a
// good copy, may have come back. It is done when the one Active copy is To's.
func (a *Actor) lookAgain(ctx context.Context, m plan.Move) (done bool, err error) {
	if a.Look == nil {
		return false, errors.New("there is no way to look again")
	}
	p := a.Look(ctx)
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if ok, why := p.Quorum(); !ok {
		return false, fmt.Errorf("looking again: %s", why)
	}
	if shard, _ := p.Shard(m.Shard.Collection, m.Shard.Shard); p.WholeWithout(shard) && !p.WholeWithout(shard, m.To) {
		return true, nil
	}
	if err := stillLost(p, m); err != nil {
		return false, fmt.Errorf("looking again: %w", err)
	}
	return false, nil
}

// revive makes the replica of a peer Active with what it has.
func (a *Actor) revive(ctx context.Context, at Cluster, m plan.Move) error {
	var name string
	shard := m.Shard
	err := a.change(ctx, snapshotTimeout, func(ctx context.Context) (err error) {
		name, err = at.SnapshotShard(ctx, shard.Collection, shard.Shard)
		return err
	})
	if err != nil {
		return err
	}
	recover := func() error {
		if done, err := a.lookAgain(ctx, m); done || err != nil {
			return err
		}
		return a.change(ctx, snapshotTimeout, func(ctx context.Context) error { return at.RecoverShard(ctx, shard.Collection, shard.Shard, name) })
	}
	first := recover()
	if err = recover(); err != nil {
		err = errors.Join(first, err)
	}
	// The snapshot goes in any case: it holds nothing that the replica does not.
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	if deleting := at.DeleteShardSnapshot(clean, shard.Collection, shard.Shard, name); deleting != nil && err == nil {
		return fmt.Errorf("%w: %w", ErrLeftBehind, deleting)
	}
	return err
}

// ErrLeftBehind says that a move was made, and that something it needed on the way could not be cleaned up.
var ErrLeftBehind = errors.New("left behind")

var _ Cluster = (*clusterapi.Client)(nil)
