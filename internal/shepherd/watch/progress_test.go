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
	fixture *fixture
	self    *Self // q-0 that answers, if nil
	unwell  bool  // /readyz says no
	ready   bool
	why     string
}

func TestProgress(t *testing.T) {
	t.Parallel()
	well := func() *fixture { return newFixture(3).shard(0, active, active).shard(1, active, "", active) }
	silent := func(misses int) *Self { return &Self{Peer: id(0), Misses: misses} }
	restarted := func(w *fixture) *fixture {
		return w.change(0, func(v *topology.View) { v.State.Started = began.Add(time.Hour) })
	}
	for _, c := range []struct {
		name    string
		moments []moment
	}{
		{"all is well", []moment{{fixture: well(), ready: true, why: "whole"}}},
		{"nobody has looked", []moment{{fixture: &fixture{}, why: "not been looked at"}}},
		{"the server does not answer yet", []moment{{fixture: well(), self: &Self{Misses: 1}, why: "did not answer"}, {fixture: well(), self: &Self{Misses: 9}, why: "does not answer"}}},
		{"readyz", []moment{{fixture: well(), unwell: true, why: "/readyz"}, {fixture: well(), ready: true}}},
		{"no leader", []moment{{fixture: well().change(0, func(v *topology.View) { v.Cluster.Raft.Leader = 0 }), why: "no leader"}, {fixture: well(), ready: true}}},
		{"a learner", []moment{{fixture: well().change(0, func(v *topology.View) { v.Cluster.Raft.IsVoter = false }), why: "no vote"}}},
		{"consensus stopped", []moment{{fixture: well().change(0, func(v *topology.View) { v.Cluster.Consensus.Status = "stopped" }), why: "stopped"}}},
		{"a sick replica is waited for", []moment{
			{fixture: newFixture(3).shard(0, dead, active), why: "c/0"},
			{fixture: newFixture(3).shard(0, clusterapi.Recovery, active), why: "c/0"},
			{fixture: newFixture(3).shard(0, active, active), ready: true},
		}},
		{"once healthy is enough", []moment{
			{fixture: newFixture(3).shard(0, dead, active).shard(1, dead, active)},
			{fixture: newFixture(3).shard(0, active, active).shard(1, dead, active), why: "1 shard replicas"},
			{fixture: newFixture(3).shard(0, dead, active).shard(1, active, active), ready: true},
		}},
		{"a replica that goes away is not waited for", []moment{
			{fixture: newFixture(3).shard(0, dead, active)},
			{fixture: newFixture(3).shard(0, "", active), ready: true},
		}},
		{"the own view may be behind: what others call dead is", []moment{
			{fixture: newFixture(3).shard(0, dead, active).change(0, func(v *topology.View) { v.State.Collections[0].Replicas[0].State = active }), why: "c/0"},
		}},
		{"seen as Active before it had caught up, and Dead after", []moment{
			{fixture: newFixture(3).shard(0, active, active), unwell: true},
			{fixture: newFixture(3).shard(0, dead, active), why: "c/0"},
			{fixture: newFixture(3).shard(0, active, active), ready: true},
		}},
		{"states that the server calls healthy are", []moment{{fixture: newFixture(3).shard(0, clusterapi.Listener, clusterapi.ManualRecovery), ready: true}}},
		{"what others suffer does not open it", []moment{
			{fixture: well(), ready: true},
			{fixture: well().down(1, 2), ready: true},
			{fixture: newFixture(3).shard(0, dead, active), ready: true},
			{fixture: well().change(0, func(v *topology.View) { v.Cluster.Raft.Leader = 0 }), ready: true},
			{fixture: well(), unwell: true, ready: true},
		}},
		{"a look without an answer does not open it, three do", []moment{
			{fixture: well(), ready: true}, {fixture: well(), self: silent(1), ready: true}, {fixture: well(), self: silent(2), ready: true},
			{fixture: well(), self: silent(3), why: "does not answer"}, {fixture: well(), ready: true},
		}},
		{"a new process begins anew", []moment{{fixture: well(), ready: true}, {fixture: restarted(well()), unwell: true}, {fixture: restarted(well()), ready: true}}},
		{"removal opens it", []moment{{fixture: well(), ready: true}, {fixture: well().remove(0), why: "stopped"}}},
		{"removal that the peer has not seen", []moment{
			{fixture: well(), ready: true},
			{fixture: well().remove(0).change(0, func(v *topology.View) {
				v.Cluster = newFixture(3).views[0].Cluster
			}), why: "removed"},
		}},
		{"removal that two removed peers have not seen, in a cluster of one", []moment{
			{fixture: well(), ready: true},
			{fixture: newFixture(3).change(1, func(v *topology.View) { v.Cluster.Peers = v.Cluster.Peers[1:2] }), ready: true}, // q-1 alone remains, says q-1 alone
			{fixture: newFixture(3).change(1, func(v *topology.View) { v.Cluster.Peers = v.Cluster.Peers[1:2] }).change(2, func(v *topology.View) { v.Cluster.Peers = v.Cluster.Peers[1:] }), why: "removed"},
		}},
		{"one of two others does not list it yet", []moment{
			{fixture: well(), ready: true},
			{fixture: well().change(1, func(v *topology.View) { v.Cluster.Peers = v.Cluster.Peers[1:] }), ready: true},
		}},
		{"a second cluster is not ready, nor disturbs the first", []moment{{
			fixture: well().remove(0).change(0, func(v *topology.View) { v.Cluster.Consensus.Status = "working" }), why: "removed",
		}}},
		{"a second cluster of one next to one", []moment{
			{fixture: newFixture(2), ready: true},
			{fixture: newFixture(2).remove(1).change(1, func(v *topology.View) { v.Cluster.Consensus.Status = "working" }), ready: true},
		}},
		{"neither of two that do not know each other", []moment{{
			fixture: newFixture(2).remove(1).change(1, func(v *topology.View) { v.Cluster.Consensus.Status = "working" }), why: "one cluster",
		}}},
		{"without cluster mode", []moment{
			{fixture: &fixture{}, self: &Self{Answers: true, Single: true}, unwell: true, why: "/readyz"},
			{fixture: &fixture{}, self: &Self{Answers: true, Single: true}, ready: true},
		}},
		{"one replica", []moment{{fixture: newFixture(1).shard(0, active), ready: true}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.NotEmpty(t, c.moments)
			progress := Progress{}
			for i, m := range c.moments {
				self := Self{Peer: id(0), Answers: true}
				if m.self != nil {
					self = *m.self
				}
				before := progress
				var r Readiness
				progress, r = progress.Observe(self, m.fixture.draw(), !m.unwell)
				require.Equal(t, m.ready, r.Ready, "moment %d: %s", i, r.Why)
				assert.Contains(t, r.Why, m.why, "moment %d", i)
				again, _ := before.Observe(self, m.fixture.draw(), !m.unwell)
				assert.Equal(t, progress, again, "a look changes nothing of what it starts from")
			}
		})
	}
}

func TestLatchFile(t *testing.T) {
	t.Parallel()
	shared := t.TempDir()
	progress, err := readProgress(shared)
	require.NoError(t, err)
	assert.Equal(t, Progress{}, progress)
	want := Progress{Process: began, Closed: true, Sick: map[string]bool{"c/0": false}}
	require.NoError(t, writeProgress(shared, want))
	progress, err = readProgress(shared)
	require.NoError(t, err)
	assert.Equal(t, want, progress)
	_, r := progress.Observe(Self{Peer: id(0), Answers: true}, newFixture(3).draw(), false)
	assert.True(t, r.Ready, "a new sidecar of the same process goes on where the old one ended")
}
