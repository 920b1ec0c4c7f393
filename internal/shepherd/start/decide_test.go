package start

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
)

const (
	own   clusterapi.PeerID = 11
	other clusterapi.PeerID = 22
)

// dice turns a number into one choice after another, so that counting up goes through every combination of choices.
type dice struct{ n, sides int }

func pick[T any](d *dice, of ...T) T {
	choice := of[d.n/d.sides%len(of)]
	d.sides *= len(of)
	return choice
}

// everySituation is the product of all that a decision can depend on.
func everySituation(yield func(Situation)) {
	type peers struct {
		answers          int
		live             string
		quorum, joinOver bool
	}
	const live = "http://q-1:6335"
	for n, combinations := 0, 1; n < combinations; n++ {
		d := &dice{n: n, sides: 1}
		s := Situation{
			Ordinal: pick(d, 0, 1, 2), URI: "http://q-0:6335", Fallback: "http://q-9:6335",
			API:     pick(d, Reached, Away, AwayForLong, Denied, Garbled),
			Corrupt: pick(d, "", "raft_state.json is no JSON"),
			Volume: Volume{
				State:  pick(d, State{}, State{Exists: true, Peer: own, URI: "http://old:6335"}),
				Starts: pick(d, 4, 5, 6), Founding: pick(d, false, true),
			},
			Claim:        kube.Claim{Name: "c", Peer: pick(d, 0, kube.Founding, own, other), Starts: 5, Drained: pick(d, 0, own, other)},
			OthersMarked: pick(d, false, true), Listed: pick(d, false, true), Removed: pick(d, false, true),
			Holder: 33, HolderShards: pick(d, 0, 3),
		}
		p := pick(d, peers{}, peers{answers: 1}, peers{2, live, false, false}, peers{2, live, false, true}, peers{2, live, true, false})
		s.Answers, s.Live, s.Quorum, s.JoinOver = p.answers, p.live, p.quorum, p.joinOver
		if !pick(d, true, false) {
			s.Holder, s.HolderShards = 0, 0
		}
		combinations = d.sides
		yield(s)
	}
}

// TestDecideEverySituation holds each decision against what must never happen and what must always, said without the table.
func TestDecideEverySituation(t *testing.T) {
	t.Parallel()
	seen := map[Verdict]int{}
	everySituation(func(s Situation) {
		d := Decide(s)
		seen[d.Verdict]++
		ok := func(holds bool, what string) {
			if !holds {
				t.Fatalf("%s: %+v in %+v", what, d, s)
			}
		}
		hasState, nobody := s.Volume.State.Exists, s.Answers == 0
		ok(d.Why != "" && d.Why != "no rule fits", "each situation has a row")

		if d.Verdict == Found {
			ok(s.Ordinal == 0 && nobody && !hasState && !s.OthersMarked && s.API == Reached, "only ordinal 0 founds, with no trace of a cluster")
			ok(s.Claim.Peer == 0 || s.Claim.Peer == kube.Founding && s.Volume.Founding, "a claim that was marked founds nothing, unless its own founding was cut short")
			ok(d.Bootstrap == "" && d.URI == s.URI && d.Confirm, "a founder joins nobody, and looks more than once")
		}
		if d.Verdict == Join {
			ok(!hasState && s.Live != "" && s.HolderShards == 0 && d.Bootstrap == s.Live && d.URI == s.URI, "a join needs a live peer and no lost shards")
		}
		if d.Verdict == Start {
			ok(hasState && d.Bootstrap != "" && d.Peer == own, "only a state is started")
			if s.API == Reached {
				ok(s.Claim.Peer != 0 || !s.OthersMarked, "a state on an unmarked claim waits where others are marked")
				ok(s.Volume.Starts >= s.Claim.Starts, "an old copy waits")
				ok(s.Claim.Peer != other, "another peer's state waits")
			}
			ok(d.URI == "http://old:6335" || s.Listed && s.Quorum, "an address changes only with a majority alive")
		}
		if d.Verdict == SetAside {
			ok(hasState && s.Removed && s.Claim.Marked() && d.Confirm && s.API == Reached, "only a removed peer's state is set aside")
		}
		if s.Corrupt != "" || s.API != Reached && (s.API != AwayForLong || !hasState) {
			ok(d.Verdict.Waits(), "what can't be known waits")
		}
		if s.Corrupt == "" && s.API == Reached {
			right := hasState && (s.Claim.Peer == own || s.Claim.Peer == kube.Founding) && s.Volume.Starts >= 5
			switch {
			case hasState && s.Claim.Marked() && s.Removed:
				ok(d.Verdict == SetAside, "row 1")
			case hasState && !s.Claim.Marked() && s.OthersMarked:
				ok(d.Verdict == WaitOldVolume, "row 2")
			case right && s.Claim.Drained != own:
				ok(d.Verdict == Start, "row 3: a full-cluster restart must not block")
			case !hasState && s.Live != "" && s.HolderShards > 0:
				ok(d.Verdict == WaitLostVolume && d.Peer == 33, "row 4")
			case !hasState && s.Live != "" && s.Quorum:
				ok(d.Verdict == Join, "row 5")
			case !hasState && nobody && s.Claim.Marked() && !s.Volume.Founding:
				ok(d.Verdict == WaitEmptied, "row 6")
			case !hasState && nobody && s.OthersMarked && !s.Claim.Marked():
				ok(d.Verdict == WaitPeers, "row 7")
			case !hasState && nobody && !s.Claim.Marked() && s.Ordinal == 0:
				ok(d.Verdict == Found, "row 8")
			case !hasState && nobody && !s.Claim.Marked():
				ok(d.Verdict == WaitFirst, "row 9")
			}
		}
		if d.Verdict.Waits() {
			ok(d.URI == "" && d.Bootstrap == "" && !d.Confirm, "a wait starts nothing")
		}
	})
	for _, v := range []Verdict{Found, Join, Start, SetAside, WaitLostVolume, WaitOldVolume, WaitEmptied, WaitPeers, WaitFirst, WaitUnreadable, WaitKubernetes} {
		assert.NotZero(t, seen[v], v)
	}
}

func TestEveryRowIsReached(t *testing.T) {
	t.Parallel()
	reached := map[string]bool{}
	everySituation(func(s Situation) {
		for _, r := range table {
			if r.fits(s) {
				reached[r.name] = true
				return
			}
		}
	})
	for _, r := range table {
		assert.True(t, reached[r.name], r.name)
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	volume := Volume{State: State{Exists: true, Peer: own, URI: "http://stored:6335"}, Starts: 5}
	claim := kube.Claim{Name: "c-0", Peer: own, Starts: 5}
	cluster := func(s Situation) Situation {
		s.Answers, s.Live, s.Quorum = 2, "http://q-1:6335", true
		return s
	}
	for _, c := range []struct {
		name string
		in   Situation
		want Verdict
		why  string
	}{
		{name: "first install, ordinal 0", in: Situation{}, want: Found},
		{name: "first install, ordinal 1", in: Situation{Ordinal: 1}, want: WaitFirst},
		{name: "F1: pod 0 lost its volume, the others live", in: cluster(Situation{Claim: claim, Holder: own, HolderShards: 4}), want: WaitLostVolume, why: "4 shard replicas of peer 11"},
		{name: "F1: and the claim is new", in: cluster(Situation{Holder: own, HolderShards: 4, OthersMarked: true}), want: WaitLostVolume},
		{name: "F1: and nobody answers", in: Situation{OthersMarked: true}, want: WaitPeers, why: "never founded"},
		{name: "F2: the lost peer was replaced", in: cluster(Situation{Ordinal: 2, Claim: claim}), want: Join},
		{name: "the lost peer had no shards", in: cluster(Situation{Ordinal: 2, Claim: claim, Holder: own}), want: Join},
		{name: "F4: scaled down and up on the kept volume", in: cluster(Situation{Ordinal: 2, Volume: volume, Claim: claim, Removed: true}), want: SetAside},
		{name: "F4: and the others are not up yet", in: Situation{Ordinal: 2, Volume: volume, Claim: kube.Claim{Peer: own, Starts: 5, Drained: own}}, want: WaitPeers, why: "drained"},
		{name: "full-cluster restart", in: Situation{Volume: volume, Claim: claim, OthersMarked: true}, want: Start},
		{name: "adopted release, no marks", in: Situation{Volume: volume}, want: Start},
		{name: "old volume, unmarked", in: cluster(Situation{Volume: volume, OthersMarked: true, Listed: true}), want: WaitOldVolume, why: "qdrant-shepherd.io/peer-id=11"},
		{name: "old copy put back", in: cluster(Situation{Volume: volume, Claim: kube.Claim{Peer: own, Starts: 6}, Listed: true}), want: WaitOldVolume, why: "5 times"},
		{name: "another peer's volume", in: cluster(Situation{Volume: volume, Claim: kube.Claim{Peer: other, Starts: 5}}), want: WaitOldVolume, why: "peer 22"},
		{name: "one replica, emptied", in: Situation{Claim: claim}, want: WaitEmptied},
		{name: "one replica, restart", in: Situation{Volume: volume, Claim: claim}, want: Start},
		{name: "founding cut short", in: Situation{Claim: kube.Claim{Peer: kube.Founding, Starts: 1}, Volume: Volume{Starts: 1, Founding: true}}, want: Found},
		{name: "founding cut short, and then the volume was emptied", in: Situation{Claim: kube.Claim{Peer: kube.Founding, Starts: 1}}, want: WaitEmptied},
		{name: "founding cut short, and others have joined somebody", in: Situation{Claim: kube.Claim{Peer: kube.Founding}, Volume: Volume{Founding: true}, OthersMarked: true}, want: WaitPeers},
		{name: "a peer answers with the wrong key", in: Situation{Answers: 1, WhyNot: "q-1: 401"}, want: WaitPeers, why: "401"},
		{name: "two clusters answer", in: Situation{Ordinal: 1, Answers: 2}, want: WaitPeers},
		{name: "join waits for a majority", in: Situation{Ordinal: 2, Answers: 1, Live: "x", WhyNot: "1 of 3"}, want: WaitPeers, why: "1 of 3"},
		{name: "but not for ever", in: Situation{Ordinal: 2, Answers: 1, Live: "x", JoinOver: true}, want: Join},
		{name: "API away, own state", in: Situation{API: Away, Volume: volume}, want: WaitKubernetes},
		{name: "API away for long, own state", in: Situation{API: AwayForLong, Volume: volume}, want: Start, why: "unchecked"},
		{name: "API away for long, no state", in: Situation{API: AwayForLong}, want: WaitKubernetes},
		{name: "API refuses, own state", in: Situation{API: Denied, APIWhy: "403", Volume: volume}, want: WaitKubernetes, why: "may not ask (403)"},
		{name: "own claim unreadable, own state", in: Situation{API: Garbled, APIWhy: "no peer id", Volume: volume}, want: WaitUnreadable, why: "no peer id: put the annotation right"},
		{name: "unreadable volume", in: Situation{Corrupt: "no JSON", API: AwayForLong, Volume: volume}, want: WaitUnreadable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := Decide(c.in)
			assert.Equal(t, c.want, d.Verdict, d.Why)
			assert.Contains(t, d.Why, c.why)
		})
	}
}

func TestStartURI(t *testing.T) {
	t.Parallel()
	s := Situation{URI: "http://new:6335", Fallback: "http://q-1:6335", Claim: kube.Claim{Peer: own}, Volume: Volume{State: State{Exists: true, Peer: own, URI: "http://stored:6335"}}}
	d := Decide(s)
	assert.Equal(t, []string{"http://stored:6335", "http://q-1:6335"}, []string{d.URI, d.Bootstrap}, "nobody answers: the stored address")
	s.Answers, s.Live, s.Listed = 2, "http://q-2:6335", true
	d = Decide(s)
	assert.Equal(t, []string{"http://stored:6335", "http://q-2:6335"}, []string{d.URI, d.Bootstrap}, "no majority: the stored address")
	s.Quorum = true
	assert.Equal(t, "http://new:6335", Decide(s).URI, "a majority lives: the configured address")
	s.Quorum, s.Volume.State.URI = false, ""
	assert.Equal(t, "http://new:6335", Decide(s).URI, "none stored: the configured address")
}

func TestAnnotation(t *testing.T) {
	t.Parallel()
	for _, d := range []Decision{
		{Verdict: WaitLostVolume, Peer: 12, Why: "the volume is empty: it has to come back"},
		{Verdict: WaitFirst, Why: "waiting for ordinal 0"},
	} {
		assert.Equal(t, d, ParseAnnotation(d.Annotation()))
	}
	for _, text := range []string{"", "nonsense", "wait-peers peer=x: why", strings.Repeat("a", 100)} {
		require.Empty(t, ParseAnnotation(text).Verdict, text)
	}
}
