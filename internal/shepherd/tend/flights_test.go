package tend

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

func TestFlight(t *testing.T) {
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
		{"its transfer runs", copyOf, true, time.Hour, on(states{101: "Active", 103: "Recovery"}, clusterapi.Transfer{From: 101, To: 103}), flying},
		{"the copy is there", copyOf, true, 0, on(states{101: "Active", 103: "Active"}), arrived},
		{"the copy is there and has not been seen on its way", copyOf, false, 0, on(states{101: "Active", 103: "Active"}), arrived},
		{"moved", moved, true, 0, on(states{103: "Active"}), arrived},
		{"the source has not been dropped yet", moved, true, time.Second, on(states{101: "Active", 103: "Active"}), flying},
		{"the transfer is gone and the copy is not Active: wait a moment", copyOf, true, goneFor - 1, on(states{101: "Active", 103: "Dead"}), flying},
		{"and then it has failed", copyOf, true, goneFor, on(states{101: "Active", 103: "Dead"}), lostOnTheWay},
		{"nothing has come of it", moved, true, goneFor, on(states{101: "Active"}), lostOnTheWay},
		{"an unanswered call has more time", moved, false, unseenFor - 1, on(states{101: "Active"}), flying},
		{"though not for ever", moved, false, unseenFor, on(states{101: "Active"}), lostOnTheWay},
		{"the collection is gone", copyOf, true, 0, func(p *topology.Picture) { p.Collections = nil }, pointless},
		{"dropped", dropped, true, 0, on(states{101: "Active"}), arrived},
		{"not dropped yet", dropped, true, unseenFor - 1, on(states{101: "Active", 102: "Active"}), flying},
		{"never dropped", dropped, true, unseenFor, on(states{101: "Active", 102: "Active"}), lostOnTheWay},
		{"not removed yet", removed, true, removeFor - 1, func(*topology.Picture) {}, flying},
		{"never removed", removed, true, removeFor, func(*topology.Picture) {}, lostOnTheWay},
		{"the empty copy counts", plan.Move{Kind: plan.Abandon, Shard: copyOf.Shard, From: 101, To: 103}, true, 0, on(states{101: "Dead", 103: "Active"}), arrived},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := wellScene(3).picture()
			c.look(&p)
			f := &flight{move: c.move, began: now, seen: c.accepted}
			p.At = now
			if c.want != arrived && c.want != pointless {
				result, _ := f.look(p)
				assert.Equal(t, flying, result, "at first")
			}
			p.At = now.Add(c.after)
			result, replica := f.look(p)
			assert.Equal(t, c.want, result)
			if result == arrived && c.move.To != 0 {
				assert.Equal(t, topology.Replica{Peer: 103, State: "Active", Points: 7, Bytes: 70}, replica)
			}
		})
	}
	t.Run("removed", func(t *testing.T) {
		t.Parallel()
		s := wellScene(3)
		s.forget(103)
		result, _ := (&flight{move: removed, began: now}).look(s.picture())
		assert.Equal(t, arrived, result)
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
	assert.Equal(t, []plan.Move{shown, hidden}, running(p, []*flight{{move: shown}, {move: hidden}}), "each once")
	s.silence(2)
	p = s.picture()
	p.Collections[0].Shards[0].Transfers = []clusterapi.Transfer{{From: 101, To: 103}}
	assert.Empty(t, running(p, nil), "a transfer that cannot go on keeps nothing waiting")
}
