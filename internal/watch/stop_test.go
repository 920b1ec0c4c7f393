package watch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/qdrant-shepherd/shepherd/internal/kube"
	"github.com/qdrant-shepherd/shepherd/internal/topology"
)

func TestMayStop(t *testing.T) {
	t.Parallel()
	well := func() *world { return newWorld(3).shard(0, active, active).shard(1, active, "", active) }
	type edit = func(*StopCase)
	// picture has the pod q-0 look at a world.
	picture := func(w *world) edit { return func(c *StopCase) { c.Picture = w.draw() } }
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

		{name: "the only other copy is dead", edits: []edit{permitted, picture(newWorld(3).shard(0, active, dead))}, reason: ForShards},
		{name: "the only other copy does not answer", edits: []edit{permitted, picture(newWorld(4).shard(0, active, active).down(1))}, reason: ForShards},
		{name: "the only other copy is being made", edits: []edit{permitted, picture(newWorld(3).shard(0, active, "Recovery"))}, reason: ForShards},
		{name: "peers differ on the other copy", edits: []edit{permitted, picture(well().change(2, func(v *topology.View) { v.State.Collections[0].Replicas[1].State = dead }))}, reason: ForShards},
		{name: "one copy by choice", edits: []edit{permitted, picture(newWorld(3).shard(0, active))}, release: true, reason: Permitted},
		{name: "the own copy is dead", edits: []edit{permitted, picture(newWorld(3).shard(0, dead, active))}, release: true, reason: Permitted},
		{name: "a third copy is enough", edits: []edit{permitted, picture(newWorld(4).shard(0, active, dead, active))}, release: true, reason: Permitted},
		{name: "another pod is down", edits: []edit{permitted, picture(newWorld(3).down(2))}, reason: ForVoters},
		{name: "two of five are down", edits: []edit{permitted, picture(newWorld(5).down(3, 4))}, reason: ForVoters},
		{name: "one of five is down", edits: []edit{permitted, picture(newWorld(5).down(4))}, release: true, reason: Permitted},
		{name: "another's consensus has stopped", edits: []edit{permitted, picture(newWorld(3).change(2, func(v *topology.View) { v.Cluster.Consensus.Status = "stopped" }))}, reason: ForVoters},
		{name: "a learner does not count", edits: []edit{permitted, picture(newWorld(3).change(2, func(v *topology.View) { v.Cluster.Raft.IsVoter = false }))}, release: true, reason: Permitted},
		{name: "of two voters nobody could ever stop", edits: []edit{permitted, picture(newWorld(2).shard(0, active, active))}, release: true, reason: Permitted},
		{name: "one replica", edits: []edit{permitted, picture(newWorld(1).shard(0, active))}, release: true, reason: Permitted},
		{name: "nothing was seen yet", edits: []edit{permitted, picture(&world{})}, reason: ForShards},
		{name: "nothing was seen yet, nor the own server", edits: []edit{permitted, picture(newWorld(3)), func(c *StopCase) { c.Self = Self{} }}, release: false, reason: ForShards},
		{name: "everyone is silent at this look", edits: []edit{permitted, picture(newWorld(3).shard(0, active, active).down(0, 1, 2))}, reason: ForShards},
		{name: "the server does not answer", edits: []edit{picture(well().down(0)), func(c *StopCase) { c.Self, c.Held = Self{Misses: 3}, 0 }}, release: true, reason: NotServing},
		{name: "the server missed one look", edits: []edit{permitted, picture(newWorld(3).shard(0, active, dead).down(0)), func(c *StopCase) { c.Self.Answers, c.Self.Misses = false, 1 }}, reason: ForShards},
		{name: "a founder of a second cluster", edits: []edit{picture(newWorld(3).remove(0).change(0, func(v *topology.View) { v.Cluster.Consensus.Status = "working" }))}, release: true, reason: Removed},

		{name: "without cluster mode", edits: []edit{picture(&world{}), func(c *StopCase) { c.Self = Self{Answers: true, Single: true} }}, release: true, reason: Unclustered},
		{name: "without cluster mode, clients have yet to hear", edits: []edit{picture(&world{}), func(c *StopCase) { c.Self, c.Held = Self{Answers: true, Single: true}, 0 }}, reason: ForMinHold},

		{name: "leaving, with shards", edits: []edit{leaving(2), permitted, picture(well())}, reason: ForDrain},
		{name: "leaving, without shards, but still a member", edits: []edit{leaving(2), permitted, picture(newWorld(3))}, reason: ForDrain},
		{name: "leaving, drained", edits: []edit{leaving(2), picture(newWorld(3).remove(2)), func(c *StopCase) { c.Claim.Drained = id(2) }}, release: true, reason: Removed},
		{name: "leaving, drained, and the others can't be seen", edits: []edit{leaving(2), picture(newWorld(3).remove(2).down(0, 1)), func(c *StopCase) { c.Claim.Drained = id(2) }}, release: true, reason: Drained},
		{name: "leaving, an earlier peer was drained", edits: []edit{leaving(2), picture(well()), func(c *StopCase) { c.Claim.Drained = 7 }}, reason: ForDrain},
		{name: "leaving, removed, the mark is yet to come", edits: []edit{leaving(2), picture(newWorld(3).remove(2))}, release: true, reason: Removed},
		{name: "leaving, removed by one of four as yet", edits: []edit{leaving(3), picture(newWorld(4).change(0, func(v *topology.View) { v.Cluster.Peers = v.Cluster.Peers[:3] }))}, reason: ForDrain},
		{name: "leaving, still starting, never joined", edits: []edit{leaving(3), picture(newWorld(3)), func(c *StopCase) { c.Self, c.Claim = Self{Misses: 1}, kube.Claim{Peer: kube.Founding} }}, release: true, reason: Removed},
		{name: "leaving, still starting, with shards", edits: []edit{leaving(2), picture(well().down(2)), func(c *StopCase) { c.Self = Self{Misses: 9} }}, reason: ForDrain},
		{name: "leaving, still starting, and nobody is there to say", edits: []edit{leaving(2), picture(&world{}), func(c *StopCase) { c.Self = Self{Misses: 9} }}, reason: ForDrain},
		{name: "leaving, with a lost peer of the same pod that has shards", edits: []edit{leaving(2), picture(well().down(2)), func(c *StopCase) { c.Self.Peer, c.Claim.Peer = 77, kube.Founding }}, reason: ForDrain},
		{name: "turned round: it will come back", edits: []edit{leaving(2), picture(well()), func(c *StopCase) { c.StatefulSet.Replicas = 3 }}, permit: true, reason: ForPermit},
		{name: "turned round after it was removed", edits: []edit{leaving(2), picture(newWorld(3).remove(2)), func(c *StopCase) { c.StatefulSet.Replicas = 3 }}, release: true, reason: Removed},

		{name: "API away", edits: []edit{func(c *StopCase) { c.APIAway = 59 * time.Second }}, reason: ForKubernetes},
		{name: "API away for long", edits: []edit{func(c *StopCase) { c.APIAway, c.StatefulSet = time.Minute, kube.StatefulSet{} }}, release: true, reason: APIAway},
		{name: "API away for long, and the last copy is here", edits: []edit{picture(newWorld(3).shard(0, active, dead)), func(c *StopCase) { c.APIAway = time.Minute }}, reason: ForShards},
		{name: "the permit can't be had", edits: []edit{func(c *StopCase) { c.PermitAway = 59 * time.Second }}, permit: true, reason: ForPermit},
		{name: "the permit can't be had for long", edits: []edit{func(c *StopCase) { c.PermitAway = time.Minute }}, release: true, reason: APIAway},

		{name: "at the end of the wait", edits: []edit{picture(newWorld(3).down(1, 2)), func(c *StopCase) { c.Held = 30 * time.Minute }}, release: true, reason: MaxWait},
		{name: "just before", edits: []edit{picture(newWorld(3).down(1, 2)), func(c *StopCase) { c.Held = 30*time.Minute - 1 }}, reason: ForVoters},
		{name: "a drain may take longer", edits: []edit{leaving(2), picture(well()), func(c *StopCase) { c.Held = 59*time.Minute - 1 }}, reason: ForDrain},
		{name: "but must leave time to stop", edits: []edit{leaving(2), picture(well()), func(c *StopCase) { c.Held = 59 * time.Minute }}, release: true, reason: GraceEnds},
		{name: "the API server refuses", edits: []edit{picture(newWorld(3).down(1, 2)), func(c *StopCase) { c.Refused, c.APIAway = true, 2*time.Minute-1 }}, reason: ForVoters},
		{name: "the API server refuses for long", edits: []edit{picture(newWorld(3).down(1, 2)), func(c *StopCase) { c.Refused, c.APIAway = true, 2*time.Minute }}, release: true, reason: Refused},
		{name: "the API server is away for long", edits: []edit{picture(newWorld(3).down(1, 2)), func(c *StopCase) { c.APIAway = 2 * time.Minute }}, reason: ForVoters},
		{name: "at the end of the grace period", edits: []edit{leaving(2), picture(well()), func(c *StopCase) { c.Limits.Grace, c.Held = 11*time.Minute, 10*time.Minute }}, release: true, reason: GraceEnds},
		{name: "also without an API server", edits: []edit{picture(newWorld(3).down(1, 2)), func(c *StopCase) { c.APIAway, c.Held = time.Hour, time.Hour }}, release: true, reason: MaxWait},
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

func TestMarks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		claim   kube.Claim
		world   *world
		unready bool
		want    map[string]string // "-" removes
		problem bool
	}{
		{name: "nothing to do", claim: kube.Claim{Peer: id(0), Verdict: "start: …"}},
		{name: "a founder has an id now", claim: kube.Claim{Peer: kube.Founding}, unready: true, want: map[string]string{kube.AnnotationPeer: "1001"}},
		{name: "one that has not joined has not", claim: kube.Claim{Peer: kube.Founding}, world: newWorld(3).remove(0), unready: true},
		{name: "adopted, all answer", want: map[string]string{kube.AnnotationPeer: "1001"}},
		{name: "adopted, not ready", unready: true},
		{name: "adopted, one may be about to start", world: newWorld(3).down(2)},
		{name: "another peer's claim", claim: kube.Claim{Peer: 7}, problem: true},
		{name: "stale", claim: kube.Claim{Peer: id(0), Drained: 7, Verdict: "wait-peers: …"}, want: map[string]string{kube.AnnotationDrained: "-", kube.AnnotationVerdict: "-"}},
		{name: "stale, but not ready", claim: kube.Claim{Peer: id(0), Drained: 7, Verdict: "wait-peers: …"}, unready: true},
		{name: "drained just now", claim: kube.Claim{Peer: id(0), Drained: id(0)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.world == nil {
				c.world = newWorld(3)
			}
			annotations, problem := Marks(c.claim, id(0), c.world.draw(), !c.unready)
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
