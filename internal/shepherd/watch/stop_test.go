package watch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

func TestMayStop(t *testing.T) {
	t.Parallel()
	well := func() *fixture { return newFixture(3).shard(0, active, active).shard(1, active, "", active) }
	type edit = func(*StopCase)
	// picture has the pod q-0 look at a fixture.
	picture := func(w *fixture) edit { return func(c *StopCase) { c.Picture = w.draw() } }
	leaving := func(ordinal int) edit {
		return func(c *StopCase) {
			c.Ordinal, c.Pod, c.Self.Peer = ordinal, names.Pod(ordinal), id(ordinal)
			c.StatefulSet.Replicas = ordinal
			c.Claim = kube.Claim{Peer: id(ordinal), Ordinal: ordinal}
		}
	}
	permitted := func(c *StopCase) { c.Permitted = true }
	for _, c := range []struct {
		name    string
		edits   []edit
		release bool
		permit  bool
		reason  Reason
	}{
		{name: "a restart needs the permit", permit: true, reason: ForPermit},
		{name: "and goes with it", edits: []edit{permitted}, release: true, reason: Permitted},
		{name: "but not before clients have heard", edits: []edit{permitted, func(c *StopCase) { c.Held = time.Second }}, reason: ForMinHold},

		{name: "namespace ends", edits: []edit{func(c *StopCase) { c.StatefulSet.NamespaceEnding, c.Held = true, 0 }}, release: true, reason: Gone},
		{name: "StatefulSet gone", edits: []edit{func(c *StopCase) { c.StatefulSet, c.Held = kube.StatefulSet{Gone: true}, 0 }}, release: true, reason: Gone},
		{name: "StatefulSet deleted", edits: []edit{func(c *StopCase) { c.StatefulSet.Deleting, c.Held = true, 0 }}, release: true, reason: Gone},
		{name: "StatefulSet replaced", edits: []edit{func(c *StopCase) { c.StatefulSet.UID, c.Held = "s2", 0 }}, release: true, reason: Gone},
		{name: "orphan that is adopted later", edits: []edit{func(c *StopCase) { c.OwnPod.OwnerUID = "" }}, permit: true, reason: ForPermit},
		{name: "at 0 replicas", edits: []edit{func(c *StopCase) { c.StatefulSet.Replicas, c.Held = 0, 0 }}, release: true, reason: Gone},
		{name: "only the container restarts", edits: []edit{func(c *StopCase) { c.OwnPod.Deleting, c.Held = false, 0 }}, release: true, reason: NotDeleted},

		{name: "the only other copy is dead", edits: []edit{permitted, picture(newFixture(3).shard(0, active, dead))}, reason: ForShards},
		{name: "the only other copy does not answer", edits: []edit{permitted, picture(newFixture(4).shard(0, active, active).down(1))}, reason: ForShards},
		{name: "the only other copy is being made", edits: []edit{permitted, picture(newFixture(3).shard(0, active, "Recovery"))}, reason: ForShards},
		{name: "peers differ on the other copy", edits: []edit{permitted, picture(well().change(2, func(v *topology.View) { v.State.Collections[0].Replicas[1].State = dead }))}, reason: ForShards},
		{name: "one copy by choice", edits: []edit{permitted, picture(newFixture(3).shard(0, active).factor(1))}, release: true, reason: Permitted},
		{name: "one copy, and there should be two", edits: []edit{permitted, picture(newFixture(3).shard(0, active))}, reason: ForShards},
		{name: "two copies, and one would do", edits: []edit{permitted, picture(newFixture(3).shard(0, active, dead).factor(1))}, reason: ForShards},
		{name: "the own copy is dead", edits: []edit{permitted, picture(newFixture(3).shard(0, dead, active))}, release: true, reason: Permitted},
		{name: "a third copy is enough", edits: []edit{permitted, picture(newFixture(4).shard(0, active, dead, active))}, release: true, reason: Permitted},
		{name: "another pod is down", edits: []edit{permitted, picture(newFixture(3).down(2))}, reason: ForVoters},
		{name: "two of five are down", edits: []edit{permitted, picture(newFixture(5).down(3, 4))}, reason: ForVoters},
		{name: "one of five is down", edits: []edit{permitted, picture(newFixture(5).down(4))}, release: true, reason: Permitted},
		{name: "another's consensus has stopped", edits: []edit{permitted, picture(newFixture(3).change(2, func(v *topology.View) { v.Cluster.Consensus.Status = "stopped" }))}, reason: ForVoters},
		{name: "a learner does not count", edits: []edit{permitted, picture(newFixture(3).change(2, func(v *topology.View) { v.Cluster.Raft.IsVoter = false }))}, release: true, reason: Permitted},
		{name: "of two voters nobody could ever stop", edits: []edit{permitted, picture(newFixture(2).shard(0, active, active))}, release: true, reason: Permitted},
		{name: "one replica", edits: []edit{permitted, picture(newFixture(1).shard(0, active))}, release: true, reason: Permitted},
		{name: "nothing was seen yet", edits: []edit{permitted, picture(&fixture{})}, reason: ForShards},
		{name: "nothing was seen yet, nor the own server", edits: []edit{permitted, picture(newFixture(3)), func(c *StopCase) { c.Self = Self{} }}, release: false, reason: ForShards},
		{name: "everyone is silent at this look", edits: []edit{permitted, picture(newFixture(3).shard(0, active, active).down(0, 1, 2))}, reason: ForShards},
		{name: "the server does not answer", edits: []edit{picture(well().down(0)), func(c *StopCase) { c.Self, c.Held = Self{Misses: 3, Refusals: 3}, 0 }}, release: true, reason: NotServing},
		{name: "the server does not answer this pod, and may well serve others", edits: []edit{picture(newFixture(3).shard(0, active, dead).down(0)), func(c *StopCase) { c.Self.Answers, c.Self.Misses = false, 300 }}, reason: ForShards},
		{name: "nor did it ever", edits: []edit{picture(well().down(0)), func(c *StopCase) { c.Self = Self{Misses: 300} }}, reason: ForShards},
		{name: "drained, and the server has ended: nobody has to hear", edits: []edit{leaving(2), picture(newFixture(3).remove(2).down(2)), func(c *StopCase) { c.Self.Refusals, c.Claim.Drained, c.Held = 3, id(2), 0 }}, release: true, reason: Removed},
		{name: "let go before, and the server has ended", edits: []edit{leaving(2), picture(well().down(2)), func(c *StopCase) { c.LetGo, c.Self.Refusals, c.APIAway, c.Held = true, 3, 1, 0 }}, release: true, reason: NotServing},
		{name: "let go before, and the server has not ended", edits: []edit{leaving(2), picture(well()), func(c *StopCase) { c.LetGo = true }}, reason: ForDrain},
		{name: "the server missed one look", edits: []edit{permitted, picture(newFixture(3).shard(0, active, dead).down(0)), func(c *StopCase) { c.Self.Answers, c.Self.Misses = false, 1 }}, reason: ForShards},
		{name: "a founder of a second cluster", edits: []edit{picture(newFixture(3).remove(0).change(0, func(v *topology.View) { v.Cluster.Consensus.Status = "working" }))}, release: true, reason: Removed},

		{name: "without cluster mode", edits: []edit{picture(&fixture{}), func(c *StopCase) { c.Self = Self{Answers: true, Single: true} }}, release: true, reason: Unclustered},
		{name: "without cluster mode, clients have yet to hear", edits: []edit{picture(&fixture{}), func(c *StopCase) { c.Self, c.Held = Self{Answers: true, Single: true}, 0 }}, reason: ForMinHold},

		{name: "leaving, with shards", edits: []edit{leaving(2), permitted, picture(well())}, reason: ForDrain},
		{name: "leaving, without shards, but still a member", edits: []edit{leaving(2), permitted, picture(newFixture(3))}, reason: ForDrain},
		{name: "leaving, drained", edits: []edit{leaving(2), picture(newFixture(3).remove(2)), func(c *StopCase) { c.Claim.Drained = id(2) }}, release: true, reason: Removed},
		{name: "leaving, drained, and the others can't be seen", edits: []edit{leaving(2), picture(newFixture(3).remove(2).down(0, 1)), func(c *StopCase) { c.Claim.Drained = id(2) }}, release: true, reason: Drained},
		{name: "leaving, an earlier peer was drained", edits: []edit{leaving(2), picture(well()), func(c *StopCase) { c.Claim.Drained = 7 }}, reason: ForDrain},
		{name: "leaving, removed, the mark is yet to come", edits: []edit{leaving(2), picture(newFixture(3).remove(2))}, release: true, reason: Removed},
		{name: "leaving, removed by one of four as yet", edits: []edit{leaving(3), picture(newFixture(4).change(0, func(v *topology.View) { v.Cluster.Peers = v.Cluster.Peers[:3] }))}, reason: ForDrain},
		{name: "leaving, still starting, never joined", edits: []edit{leaving(3), picture(newFixture(3)), func(c *StopCase) { c.Self, c.Claim = Self{Misses: 1}, kube.Claim{Peer: kube.Founding} }}, release: true, reason: Removed},
		{name: "leaving, still starting, with shards", edits: []edit{leaving(2), picture(well().down(2)), func(c *StopCase) { c.Self = Self{Misses: 9} }}, reason: ForDrain},
		{name: "leaving, still starting, and nobody is there to say", edits: []edit{leaving(2), picture(&fixture{}), func(c *StopCase) { c.Self = Self{Misses: 9} }}, reason: ForDrain},
		{name: "leaving, with a lost peer of the same pod that has shards", edits: []edit{leaving(2), picture(well().down(2)), func(c *StopCase) { c.Self.Peer, c.Claim.Peer = 77, kube.Founding }}, reason: ForDrain},
		{name: "turned round: it will come back", edits: []edit{leaving(2), picture(well()), func(c *StopCase) { c.StatefulSet.Replicas = 3 }}, permit: true, reason: ForPermit},
		{name: "turned round after it was removed", edits: []edit{leaving(2), picture(newFixture(3).remove(2)), func(c *StopCase) { c.StatefulSet.Replicas = 3 }}, release: true, reason: Removed},

		{name: "API away", edits: []edit{func(c *StopCase) { c.APIAway = 59 * time.Second }}, reason: ForKubernetes},
		{name: "API away for long, the permit is asked for all the same", edits: []edit{func(c *StopCase) { c.APIAway, c.StatefulSet = time.Hour, kube.StatefulSet{} }}, permit: true, reason: ForPermit},
		{name: "API away for long, the permit too", edits: []edit{func(c *StopCase) { c.APIAway, c.PermitAway, c.StatefulSet = time.Minute, 1, kube.StatefulSet{} }}, release: true, reason: APIAway},
		{name: "the second pod goes later", edits: []edit{func(c *StopCase) {
			c.Pod, c.Ordinal, c.Self.Peer, c.APIAway, c.PermitAway = "q-1", 1, id(1), 2*time.Minute-1, time.Minute
		}}, permit: true, reason: ForPermit},
		{name: "but goes", edits: []edit{func(c *StopCase) {
			c.Pod, c.Ordinal, c.Self.Peer, c.APIAway, c.PermitAway = "q-1", 1, id(1), 2*time.Minute, time.Minute
		}}, release: true, reason: APIAway},
		{name: "unless the first is down", edits: []edit{picture(well().down(0)), func(c *StopCase) {
			c.Pod, c.Ordinal, c.Self.Peer, c.APIAway, c.PermitAway = "q-1", 1, id(1), time.Hour-1, time.Hour-1
		}}, reason: ForShards},
		{name: "API away in a drain", edits: []edit{leaving(2), picture(newFixture(3).shard(0, "", "", active).factor(1)), func(c *StopCase) { c.APIAway, c.PermitAway = 10*time.Minute, 10*time.Minute }}, reason: ForDrain},
		{name: "API away in a drain, past the longest wait", edits: []edit{leaving(2), picture(well()), func(c *StopCase) { c.APIAway, c.Held = 1, 40*time.Minute }}, reason: ForDrain},
		{name: "API away in a drain, until it was drained", edits: []edit{leaving(2), picture(newFixture(3).remove(2)), func(c *StopCase) { c.APIAway = 1 }}, release: true, reason: Removed},
		{name: "API away for long, and the last copy is here", edits: []edit{picture(newFixture(3).shard(0, active, dead)), func(c *StopCase) { c.APIAway = time.Minute }}, reason: ForShards},
		{name: "the permit can't be had", edits: []edit{func(c *StopCase) { c.PermitAway = 59 * time.Second }}, permit: true, reason: ForPermit},
		{name: "the permit can't be had for long", edits: []edit{func(c *StopCase) { c.PermitAway = time.Minute }}, release: true, reason: APIAway},

		{name: "at the end of the wait", edits: []edit{picture(newFixture(3).down(1, 2)), func(c *StopCase) { c.Held = 30 * time.Minute }}, release: true, reason: MaxWait},
		{name: "just before", edits: []edit{picture(newFixture(3).down(1, 2)), func(c *StopCase) { c.Held = 30*time.Minute - 1 }}, reason: ForVoters},
		{name: "a drain may take longer", edits: []edit{leaving(2), picture(well()), func(c *StopCase) { c.Held = 59*time.Minute - 1 }}, reason: ForDrain},
		{name: "but must leave time to stop", edits: []edit{leaving(2), picture(well()), func(c *StopCase) { c.Held = 59 * time.Minute }}, release: true, reason: GraceEnds},
		{name: "the API server refuses", edits: []edit{picture(newFixture(3).down(1, 2)), func(c *StopCase) { c.Denied, c.APIAway = 2*time.Minute-1, time.Hour }}, reason: ForVoters},
		{name: "the API server refuses for long", edits: []edit{picture(newFixture(3).down(1, 2)), func(c *StopCase) { c.Denied, c.APIAway = 2*time.Minute, 2*time.Minute }}, release: true, reason: Refused},
		{name: "also a pod that leaves", edits: []edit{leaving(2), picture(well()), func(c *StopCase) { c.Denied, c.APIAway = 2*time.Minute, 2*time.Minute }}, release: true, reason: Refused},
		{name: "the API server is away for long", edits: []edit{picture(newFixture(3).down(1, 2)), func(c *StopCase) { c.APIAway = 2 * time.Minute }}, reason: ForVoters},
		{name: "at the end of the grace period", edits: []edit{leaving(2), picture(well()), func(c *StopCase) { c.Limits.Grace, c.Held = 11*time.Minute, 10*time.Minute }}, release: true, reason: GraceEnds},
		{name: "whoever deletes it gives it less time", edits: []edit{leaving(2), picture(well()), func(c *StopCase) { c.OwnPod.DeletionGrace, c.Held = 2*time.Minute, time.Minute }}, release: true, reason: GraceEnds},
		{name: "which also comes before the longest wait", edits: []edit{picture(newFixture(3).down(1, 2)), func(c *StopCase) { c.OwnPod.DeletionGrace, c.Held = 20*time.Minute, 19*time.Minute }}, release: true, reason: GraceEnds},
		{name: "just before that", edits: []edit{picture(newFixture(3).down(1, 2)), func(c *StopCase) { c.OwnPod.DeletionGrace, c.Held = 20*time.Minute, 19*time.Minute-1 }}, reason: ForVoters},
		{name: "more time than there is", edits: []edit{leaving(2), picture(well()), func(c *StopCase) { c.OwnPod.DeletionGrace, c.Held = 9*time.Hour, 59*time.Minute }}, release: true, reason: GraceEnds},
		{name: "also without an API server", edits: []edit{picture(newFixture(3).down(1, 2)), func(c *StopCase) { c.APIAway, c.Held = time.Hour, time.Hour }}, release: true, reason: MaxWait},
		{name: "no time at all", edits: []edit{func(c *StopCase) { c.Limits.Grace, c.Held = 30*time.Second, 0 }}, release: true, reason: GraceEnds},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := StopCase{
				Held:   time.Minute,
				Limits: Limits{MinHold: 5 * time.Second, MaxWait: 30 * time.Minute, Grace: time.Hour, APIWait: time.Minute},
				Pod:    "q-0", Self: Self{Peer: id(0), Answers: true}, Picture: well().draw(),
				StatefulSet: kube.StatefulSet{UID: "s1", Replicas: 3}, OwnPod: kube.Pod{Name: "q-0", OwnerUID: "s1", Deleting: true},
				Claim: kube.Claim{Peer: id(0)},
			}
			for _, edit := range c.edits {
				edit(&in)
			}
			v := MayStop(in)
			assert.Equal(t, c.release, v.Release, v.Why)
			assert.Equal(t, c.permit, v.NeedPermit, v.Why)
			assert.Equal(t, c.reason, v.Reason, v.Why)
			assert.NotEmpty(t, v.Why)
		})
	}
}

// TestGivenUp: what a stop that ran out of time takes away is in its sentence.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	limits := Limits{MaxWait: 30 * time.Minute, Grace: time.Hour}
	own := kube.Pod{OwnerUID: "s1", Deleting: true}
	for _, c := range []struct {
		name string
		in   StopCase
		why  []string
	}{
		{"a shard", StopCase{Held: 30 * time.Minute, StatefulSet: kube.StatefulSet{UID: "s1", Replicas: 3}, Picture: newFixture(4).shard(0, active, dead).draw()}, []string{"shard c/0 has no other Active replica"}},
		{"a majority", StopCase{Held: 30 * time.Minute, StatefulSet: kube.StatefulSet{UID: "s1", Replicas: 3}, Picture: newFixture(3).shard(0, active, active).down(2).draw()}, []string{"1 of 3 voters"}},
		{
			"both", StopCase{Held: 30 * time.Minute, StatefulSet: kube.StatefulSet{UID: "s1", Replicas: 3}, Picture: newFixture(3).shard(0, active, active).shard(4, active, active).down(1, 2).draw()},
			[]string{"2 shards have no other Active replica on a peer that answers: c/0, c/4", "0 of 3 voters"},
		},
		{"a drain that did not end", StopCase{Held: 59 * time.Minute, Ordinal: 1, StatefulSet: kube.StatefulSet{UID: "s1", Replicas: 1}, Picture: newFixture(3).shard(0, active).factor(1).draw()}, []string{"shard c/0 has no other", "ends in 1m0s"}},
		{"nothing", StopCase{Held: 30 * time.Minute, StatefulSet: kube.StatefulSet{UID: "s1", Replicas: 3}, Picture: newFixture(3).shard(0, active).factor(1).draw()}, []string{"each of its shards has"}},
		{"nobody knows", StopCase{Held: 30 * time.Minute, StatefulSet: kube.StatefulSet{UID: "s1", Replicas: 3}}, []string{"has not been seen together"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.in.Limits, c.in.OwnPod, c.in.Self = limits, own, Self{Peer: id(0), Answers: true}
			v := MayStop(c.in)
			assert.True(t, v.Release)
			for _, part := range c.why {
				assert.Contains(t, v.Why, part)
			}
		})
	}
}

// TestEveryReasonIsListed: a series that is there from the beginning can be alerted on when it first moves.
func TestEveryReasonIsListed(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "stop.go", nil, parser.ParseComments)
	require.NoError(t, err)
	var declared []Reason
	for _, declaration := range file.Decls {
		constants, ok := declaration.(*ast.GenDecl)
		if !ok || constants.Tok != token.CONST || !strings.Contains(constants.Doc.Text(), "Reasons for a release") {
			continue
		}
		for _, spec := range constants.Specs {
			text, err := strconv.Unquote(spec.(*ast.ValueSpec).Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			declared = append(declared, Reason(text))
		}
	}
	assert.NotEmpty(t, declared)
	assert.Equal(t, declared, releases)
	assert.Equal(t, len(releases), testutil.CollectAndCount(newMetrics().released))
}

func TestMarks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		claim   kube.Claim
		fixture *fixture
		unready bool
		want    map[string]string // "-" removes
		problem bool
	}{
		{name: "nothing to do", claim: kube.Claim{Peer: id(0), Verdict: "start: …"}},
		{name: "a founder has an id now", claim: kube.Claim{Peer: kube.Founding}, unready: true, want: map[string]string{kube.AnnotationPeer: "1001"}},
		{name: "one that has not joined has not", claim: kube.Claim{Peer: kube.Founding}, fixture: newFixture(3).remove(0), unready: true},
		{name: "adopted: the first mark is tend's"},
		{name: "another peer's claim", claim: kube.Claim{Peer: 7}, problem: true},
		{name: "stale", claim: kube.Claim{Peer: id(0), Drained: 7, Verdict: "wait-peers: …"}, want: map[string]string{kube.AnnotationDrained: "-", kube.AnnotationVerdict: "-"}},
		{name: "stale, but not ready", claim: kube.Claim{Peer: id(0), Drained: 7, Verdict: "wait-peers: …"}, unready: true},
		{name: "drained just now", claim: kube.Claim{Peer: id(0), Drained: id(0)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.fixture == nil {
				c.fixture = newFixture(3)
			}
			annotations, problem := Marks(c.claim, id(0), c.fixture.draw(), !c.unready)
			got := map[string]string{}
			for key, value := range annotations {
				got[key] = "-"
				if value != nil {
					got[key] = *value
				}
			}
			if c.want == nil {
				c.want = map[string]string{}
			}
			assert.Equal(t, c.want, got)
			assert.Equal(t, c.problem, problem != "")
		})
	}
}
