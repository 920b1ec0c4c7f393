package tend

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

func TestOngoingMove(t *testing.T) {
	t.Parallel()
	copyOf := plan.Move{Kind: plan.ReplicateShard, Shard: plan.ShardName{Collection: "c"}, From: 101, To: 103}
	moved := copyOf
	moved.Kind = plan.MoveShard
	dropped := plan.Move{Kind: plan.DropReplica, Shard: copyOf.Shard, From: 102}
	removed := plan.Move{Kind: plan.RemovePeer, From: 103}

	on := func(states map[clusterapi.PeerID]clusterapi.ReplicaState, transfers ...clusterapi.Transfer) func(p *topology.Picture) {
		return func(p *topology.Picture) {
			shard := &p.Collections[0].Shards[0]
			shard.Replicas, shard.Transfers = nil, transfers
			for _, peer := range []clusterapi.PeerID{101, 102, 103} {
				if state, there := states[peer]; there {
					shard.Replicas = append(shard.Replicas, topology.Replica{Peer: peer, State: state, Points: 7, Bytes: 70})
				}
			}
		}
	}
	type states = map[clusterapi.PeerID]clusterapi.ReplicaState
	cases := []struct {
		name     string
		move     plan.Move
		accepted bool
		after    time.Duration
		look     func(p *topology.Picture)
		want     outcome
	}{
		{"its transfer runs", copyOf, true, time.Hour, on(states{101: "Active", 103: "Recovery"}, clusterapi.Transfer{From: 101, To: 103}), movePending},
		{"the copy is there", copyOf, true, 0, on(states{101: "Active", 103: "Active"}), moveDone},
		{"the copy is there and has not been seen on its way", copyOf, false, 0, on(states{101: "Active", 103: "Active"}), moveDone},
		{"moved", moved, true, 0, on(states{103: "Active"}), moveDone},
		{"the source has not been dropped yet", moved, true, time.Second, on(states{101: "Active", 103: "Active"}), movePending},
		{"the transfer is gone and the copy is not Active: wait a moment", copyOf, true, goneFor - 1, on(states{101: "Active", 103: "Dead"}), movePending},
		{"and then it has failed", copyOf, true, goneFor, on(states{101: "Active", 103: "Dead"}), moveFailed},
		{"nothing has come of it", moved, true, goneFor, on(states{101: "Active"}), moveFailed},
		{"an unanswered call has more time", moved, false, unseenFor - 1, on(states{101: "Active"}), movePending},
		{"though not for ever", moved, false, unseenFor, on(states{101: "Active"}), moveFailed},
		{"the collection is gone", copyOf, true, 0, func(p *topology.Picture) { p.Collections = nil }, moveObsolete},
		{"dropped", dropped, true, 0, on(states{101: "Active"}), moveDone},
		{"not dropped yet", dropped, true, unseenFor - 1, on(states{101: "Active", 102: "Active"}), movePending},
		{"never dropped", dropped, true, unseenFor, on(states{101: "Active", 102: "Active"}), moveFailed},
		{"not removed yet", removed, true, removeFor - 1, func(*topology.Picture) {}, movePending},
		{"never removed", removed, true, removeFor, func(*topology.Picture) {}, moveFailed},
		{"the empty copy counts", plan.Move{Kind: plan.Abandon, Shard: copyOf.Shard, From: 101, To: 103}, true, 0, on(states{101: "Dead", 103: "Active"}), moveDone},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := wellScene(3).picture()
			c.look(&p)
			f := &ongoingMove{move: c.move, began: now, seen: c.accepted}
			p.At = now
			if c.want != moveDone && c.want != moveObsolete {
				result, _ := f.look(p)
				assert.Equal(t, movePending, result, "at first")
			}
			p.At = now.Add(c.after)
			result, replica := f.look(p)
			assert.Equal(t, c.want, result)
			if result == moveDone && c.move.To != 0 {
				assert.Equal(t, topology.Replica{Peer: 103, State: "Active", Points: 7, Bytes: 70}, replica)
			}
		})
	}
	t.Run("removed", func(t *testing.T) {
		t.Parallel()
		s := wellScene(3)
		s.forget(103)
		result, _ := (&ongoingMove{move: removed, began: now}).look(s.picture())
		assert.Equal(t, moveDone, result)
	})
}

func TestRunning(t *testing.T) {
	t.Parallel()
	s := wellScene(3)
	p := s.picture()
	p.Collections[0].Shards[0].Transfers = []clusterapi.Transfer{{From: 101, To: 103}}
	shard := plan.ShardName{Collection: "c"}
	shown := plan.Move{Kind: plan.MoveShard, Shard: shard, From: 101, To: 103}
	hidden := plan.Move{Kind: plan.DropReplica, Shard: plan.ShardName{Collection: "d"}, From: 101}
	assert.Equal(t, []plan.Move{shown, hidden}, running(p, []*ongoingMove{{move: shown}, {move: hidden}}), "each once")
	s.silence(2)
	p = s.picture()
	p.Collections[0].Shards[0].Transfers = []clusterapi.Transfer{{From: 101, To: 103}}
	assert.Empty(t, running(p, nil), "a transfer that cannot go on keeps nothing waiting")
}
