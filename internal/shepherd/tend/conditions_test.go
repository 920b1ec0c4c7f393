package tend

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/act"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
)

// TestConditions goes through sequences of looks, and names at which of them the first change may be made.
func TestConditions(t *testing.T) {
	t.Parallel()
	// look changes a scene of four peers whose last one leaves; its shard c/0 is on the first and on the last peer.
	type look = func(s *scene)
	well := func(*scene) {}
	leaderless := func(s *scene) {
		for i := range s.views {
			s.views[i].Cluster.Raft.Leader = 0
		}
	}
	silent := func(ordinal int) look { return func(s *scene) { s.silence(ordinal) } }
	both := func(looks ...look) look {
		return func(s *scene) {
			for _, change := range looks {
				change(s)
			}
		}
	}
	stays := func(s *scene) { s.f.StatefulSet.Replicas = 4 }
	// single has the leaving peer hold the only copy.
	single := func(s *scene) { s.factor = 1; s.hold("c", 104) }
	unready := func(ordinal int) look { return func(s *scene) { s.f.Pods[ordinal].Ready = false } }
	dead := func(ordinal int) look {
		return func(s *scene) {
			for i, r := range s.replicas["c"] {
				if r.Peer == clusterapi.PeerID(101+ordinal) {
					s.replicas["c"][i].State = clusterapi.Dead
				}
			}
		}
	}
	untold := func(s *scene) { s.f.StatefulSet.Replicas = 4; s.hold("c", 101, 102); s.forgetUntold(104) }
	enough := func(s *scene) { s.hold("c", 101, 102, 104) }
	removable := func(s *scene) { s.hold("c", 101, 102) }
	balance := func(s *scene) { s.f.StatefulSet.Replicas = 4; s.factor = 1; s.hold("c", 101); s.hold("d", 101) }
	other := func(s *scene) { s.f.StatefulSet.Replicas = 4; s.factor = 1; s.hold("e", 101); s.hold("f", 101) }
	var away look // Kubernetes does not answer
	const never = -1
	for _, c := range []struct {
		name  string
		looks []look
		want  int // the look at which something is done first, counted from 1
	}{
		{"three looks that agree", []look{well, well, well}, 3},
		{"looks without a leader confirm nothing", []look{leaderless, leaderless, leaderless, well, well}, never},
		{"nor do they undo what others confirm", []look{well, leaderless, well, leaderless, well}, 5},
		{"nor two of them in a row", []look{well, leaderless, leaderless, well, leaderless, leaderless, well}, 7},
		{"three of them in a row do", []look{well, well, leaderless, leaderless, leaderless, well, well}, never},
		{"nothing is done on one of them", []look{well, well, well, leaderless}, 3},
		{"looks without Kubernetes are the same", []look{well, away, well, away, well}, 5},
		{"and both together", []look{well, well, away, leaderless, away, well, well}, never},
		{"one of them that shows another number of replicas", []look{well, well, both(leaderless, stays), well, well}, never},
		{"one of them in which the source does not answer", []look{well, well, both(leaderless, silent(3)), well, well}, never},
		{"one of them in which the only target is not Ready", []look{
			both(well, unready(1)), unready(1), both(leaderless, unready(1), unready(2)), unready(1), unready(1),
		}, never},
		{"one of them in which a peer does not answer that the move is not about", []look{well, both(leaderless, silent(2)), well, well}, 4},
		{"a scale that is taken back in between", []look{well, well, stays, well, well}, never},
		{"a peer that flaps and that the move is not about", []look{unready(1), well, unready(1), well, unready(1)}, 3},
		{"a source that flaps", []look{single, both(single, silent(3)), single, both(single, silent(3)), single}, never},
		{"a source that flaps where another does not", []look{well, silent(3), well, silent(3)}, 4},
		{"a copy that flaps", []look{single, both(single, dead(3)), single, both(single, dead(3)), single}, never},
		{"a removed peer that was not told has its pod deleted", []look{untold, both(untold, leaderless), untold, both(untold, leaderless), untold}, 5},
		{"a drop with another copy that is there each time", []look{enough, enough, enough}, 3},
		{"a removal of a peer that was empty each time", []look{removable, removable, removable}, 3},
		{"a removal of a peer that is empty for the first time", []look{well, well, removable}, never},
		{"balancing", []look{balance, balance, balance}, 3},
		{"balancing of another shard at each look", []look{balance, other, balance}, 3},
		{"balancing depends on all peers", []look{balance, both(balance, unready(3)), balance, both(balance, unready(3)), balance}, never},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := conditions{confirm: act.Confirm[condition]{Needed: 3}}
			first := never
			for i, change := range c.looks {
				if change == nil {
					g.blind()
					continue
				}
				s := wellScene(4)
				s.f.StatefulSet.Replicas = 3
				s.hold("c", 101, 104)
				change(s)
				p := s.picture()
				o := Next(s.f, p, Settings{Strategy: plan.Count})
				if o.Leaderless {
					g.leaderless(s.f, p, o.Goal)
					assert.Empty(t, o.Plan.Moves)
				} else {
					assert.Empty(t, o.Held)
					g.see(s.f, p, o, nil, false)
				}
				if done := len(g.moves(s.f, p, o)) + len(g.tasks(s.f, o.Tasks)); done > 0 && first == never {
					first = i + 1
				}
			}
			assert.Equal(t, c.want, first)
		})
	}
}

// TestADropNeedsOneCopyThatIsThereEachTime: two others that take turns in being Active are none to rely on.
func TestADropNeedsOneCopyThatIsThereEachTime(t *testing.T) {
	t.Parallel()
	drops := func(needed int, keeper func(look int) clusterapi.PeerID) (planned, begun int) {
		g := conditions{confirm: act.Confirm[condition]{Needed: needed}}
		for i := range 6 {
			s := wellScene(4)
			s.f.StatefulSet.Replicas, s.factor = 3, 1
			s.hold("c", 101, 102, 104)
			for at, r := range s.replicas["c"] {
				if r.Peer != keeper(i) && r.Peer != 104 {
					s.replicas["c"][at].State = clusterapi.Dead
				}
			}
			p := s.picture()
			o := Next(s.f, p, Settings{})
			g.see(s.f, p, o, nil, false)
			if len(o.Plan.Now()) == 1 && o.Plan.Now()[0].Kind == plan.DropReplica {
				planned++
			}
			begun += len(g.moves(s.f, p, o))
		}
		return planned, begun
	}
	planned, begun := drops(3, func(int) clusterapi.PeerID { return 101 })
	assert.Equal(t, []int{6, 4}, []int{planned, begun}, "one that stays")
	planned, begun = drops(3, func(look int) clusterapi.PeerID { return clusterapi.PeerID(101 + look%2) })
	assert.Equal(t, []int{6, 0}, []int{planned, begun}, "two that take turns")
}
