package watch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

const active, dead = clusterapi.Active, clusterapi.Dead

// moment is one look.
type moment struct {
	world  *world
	self   *Self // q-0 that answers, if nil
	unwell bool  // /readyz says no
	ready  bool
	why    string
}

func TestLatch(t *testing.T) {
	t.Parallel()
	well := func() *world { return newWorld(3).shard(0, active, active).shard(1, active, "", active) }
	silent := func(misses int) *Self { return &Self{Peer: id(0), Misses: misses} }
	restarted := func(w *world) *world {
		return w.change(0, func(v *topology.View) { v.State.Started = began.Add(time.Hour) })
	}
	for _, c := range []struct {
		name    string
		moments []moment
	}{
		{"all is well", []moment{{world: well(), ready: true, why: "whole"}}},
		{"nobody has looked", []moment{{world: &world{}, why: "not been looked at"}}},
		{"the server does not answer yet", []moment{{world: well(), self: &Self{Misses: 1}, why: "did not answer"}, {world: well(), self: &Self{Misses: 9}, why: "does not answer"}}},
		{"readyz", []moment{{world: well(), unwell: true, why: "/readyz"}, {world: well(), ready: true}}},
		{"no leader", []moment{{world: well().change(0, func(v *topology.View) { v.Cluster.Raft.Leader = 0 }), why: "no leader"}, {world: well(), ready: true}}},
		{"a learner", []moment{{world: well().change(0, func(v *topology.View) { v.Cluster.Raft.IsVoter = false }), why: "no vote"}}},
		{"consensus stopped", []moment{{world: well().change(0, func(v *topology.View) { v.Cluster.Consensus.Status = "stopped" }), why: "stopped"}}},
		{"a sick replica is waited for", []moment{
			{world: newWorld(3).shard(0, dead, active), why: "c/0"},
			{world: newWorld(3).shard(0, clusterapi.Recovery, active), why: "c/0"},
			{world: newWorld(3).shard(0, active, active), ready: true},
		}},
		{"once healthy is enough", []moment{
			{world: newWorld(3).shard(0, dead, active).shard(1, dead, active)},
			{world: newWorld(3).shard(0, active, active).shard(1, dead, active), why: "1 shard replicas"},
			{world: newWorld(3).shard(0, dead, active).shard(1, active, active), ready: true},
		}},
		{"a replica that goes away is not waited for", []moment{
			{world: newWorld(3).shard(0, dead, active)},
			{world: newWorld(3).shard(0, "", active), ready: true},
		}},
		{"the own view may be behind: what others call dead is", []moment{
			{world: newWorld(3).shard(0, dead, active).change(0, func(v *topology.View) { v.State.Collections[0].Replicas[0].State = active }), why: "c/0"},
		}},
		{"seen as Active before it had caught up, and Dead after", []moment{
			{world: newWorld(3).shard(0, active, active), unwell: true},
			{world: newWorld(3).shard(0, dead, active), why: "c/0"},
			{world: newWorld(3).shard(0, active, active), ready: true},
		}},
		{"states that the server calls healthy are", []moment{{world: newWorld(3).shard(0, clusterapi.Listener, clusterapi.ManualRecovery), ready: true}}},
		{"what others suffer does not open it", []moment{
			{world: well(), ready: true},
			{world: well().down(1, 2), ready: true},
			{world: newWorld(3).shard(0, dead, active), ready: true},
			{world: well().change(0, func(v *topology.View) { v.Cluster.Raft.Leader = 0 }), ready: true},
			{world: well(), unwell: true, ready: true},
		}},
		{"a look without an answer does not open it, three do", []moment{
			{world: well(), ready: true}, {world: well(), self: silent(1), ready: true}, {world: well(), self: silent(2), ready: true},
			{world: well(), self: silent(3), why: "does not answer"}, {world: well(), ready: true},
		}},
		{"a new process begins anew", []moment{{world: well(), ready: true}, {world: restarted(well()), unwell: true}, {world: restarted(well()), ready: true}}},
		{"removal opens it", []moment{{world: well(), ready: true}, {world: well().remove(0), why: "stopped"}}},
		{"removal that the peer has not seen", []moment{
			{world: well(), ready: true},
			{world: well().remove(0).change(0, func(v *topology.View) {
				v.Cluster = newWorld(3).views[0].Cluster
			}), why: "removed"},
		}},
		{"removal that two removed peers have not seen, in a cluster of one", []moment{
			{world: well(), ready: true},
			{world: newWorld(3).change(1, func(v *topology.View) { v.Cluster.Peers = v.Cluster.Peers[1:2] }), ready: true}, // q-1 alone remains, says q-1 alone
			{world: newWorld(3).change(1, func(v *topology.View) { v.Cluster.Peers = v.Cluster.Peers[1:2] }).change(2, func(v *topology.View) { v.Cluster.Peers = v.Cluster.Peers[1:] }), why: "removed"},
		}},
		{"one of two others does not list it yet", []moment{
			{world: well(), ready: true},
			{world: well().change(1, func(v *topology.View) { v.Cluster.Peers = v.Cluster.Peers[1:] }), ready: true},
		}},
		{"a second cluster is not ready, nor disturbs the first", []moment{{
			world: well().remove(0).change(0, func(v *topology.View) { v.Cluster.Consensus.Status = "working" }), why: "removed",
		}}},
		{"a second cluster of one next to one", []moment{
			{world: newWorld(2), ready: true},
			{world: newWorld(2).remove(1).change(1, func(v *topology.View) { v.Cluster.Consensus.Status = "working" }), ready: true},
		}},
		{"neither of two that do not know each other", []moment{{
			world: newWorld(2).remove(1).change(1, func(v *topology.View) { v.Cluster.Consensus.Status = "working" }), why: "one cluster",
		}}},
		{"without cluster mode", []moment{
			{world: &world{}, self: &Self{Answers: true, Single: true}, unwell: true, why: "/readyz"},
			{world: &world{}, self: &Self{Answers: true, Single: true}, ready: true},
		}},
		{"one replica", []moment{{world: newWorld(1).shard(0, active), ready: true}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.NotEmpty(t, c.moments)
			latch := Latch{}
			for i, m := range c.moments {
				self := Self{Peer: id(0), Answers: true}
				if m.self != nil {
					self = *m.self
				}
				before := latch
				var r Readiness
				latch, r = latch.Observe(self, m.world.draw(), !m.unwell)
				require.Equal(t, m.ready, r.Ready, "moment %d: %s", i, r.Why)
				assert.Contains(t, r.Why, m.why, "moment %d", i)
				again, _ := before.Observe(self, m.world.draw(), !m.unwell)
				assert.Equal(t, latch, again, "a look changes nothing of what it starts from")
			}
		})
	}
}

func TestLatchFile(t *testing.T) {
	t.Parallel()
	shared := t.TempDir()
	latch, err := readLatch(shared)
	require.NoError(t, err)
	assert.Equal(t, Latch{}, latch)
	want := Latch{Process: began, Closed: true, Sick: map[string]bool{"c/0": false}}
	require.NoError(t, writeLatch(shared, want))
	latch, err = readLatch(shared)
	require.NoError(t, err)
	assert.Equal(t, want, latch)
	_, r := latch.Observe(Self{Peer: id(0), Answers: true}, newWorld(3).draw(), false)
	assert.True(t, r.Ready, "a new sidecar of the same process goes on where the old one ended")
}
