package statusscreen_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/statusscreen"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/tend"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

const mib = 1 << 20

func pod(ordinal int) string { return fmt.Sprintf("q-%d", ordinal) }

// settled is a cluster of n members, 1001 to 1000+n, all Ready, 1001 the leader.
func settled(n int) (tend.Facts, topology.Picture) {
	f := tend.Facts{StatefulSet: kube.StatefulSet{UID: "u", Replicas: n}}
	p := topology.Picture{At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	var listed []clusterapi.Peer
	for i := range n {
		listed = append(listed, clusterapi.Peer{ID: clusterapi.PeerID(1001 + i)})
	}
	for i := range n {
		f.Pods = append(f.Pods, kube.Pod{Name: pod(i), Ordinal: i, Ready: true})
		f.Claims = append(f.Claims, kube.Claim{Name: "qdrant-storage-" + pod(i), Ordinal: i, Peer: clusterapi.PeerID(1001 + i)})
		p.Members = append(p.Members, topology.Member{
			ID: clusterapi.PeerID(1001 + i), Pod: pod(i), Ordinal: i, KnownBy: n, Answers: true, Version: "1.18.3",
			Raft: clusterapi.Raft{Term: 4, Leader: 1001, IsVoter: true}, Working: true, Peers: listed,
		})
	}
	return f, p
}

// collection has shards of 1000 points and a MiB each; holders[i] are the ordinals that have shard i.
func collection(name string, factor int, holders ...[]int) topology.Collection {
	c := topology.Collection{Name: name, ReplicationFactor: factor}
	for i, ordinals := range holders {
		s := topology.Shard{ID: clusterapi.ShardID(i), Agreed: true}
		for _, ordinal := range ordinals {
			s.Replicas = append(s.Replicas, topology.Replica{Peer: clusterapi.PeerID(1001 + ordinal), State: clusterapi.Active, Points: 1000, Bytes: mib})
		}
		c.Shards = append(c.Shards, s)
	}
	return c
}

var settings = tend.Settings{Strategy: plan.Count, Limit: 1}

func status(f tend.Facts, p topology.Picture) statusscreen.Status {
	return statusscreen.MakeStatus("q", "", f, p, tend.Next(f, p, settings))
}

func TestStatusOfASettledCluster(t *testing.T) {
	t.Parallel()
	f, p := settled(3)
	f.Pods[0].Zone, f.Pods[1].Zone = "a", "b"
	p.Collections = []topology.Collection{collection("images", 1, []int{2}), collection("words", 2, []int{0, 1}, []int{1, 2}, []int{0, 2})}

	assert.Equal(t, `q: 3 of 3 pods ready, steady; leader q-0, term 4; Qdrant 1.18.3
all shards are whole

POD  PEER  STATE     ZONE  REPLICAS  POINTS  SIZE
q-0  1001  leader    a     2         2000    2.0 MiB
q-1  1002  follower  b     2         2000    2.0 MiB
q-2  1003  follower  -     3         3000    3.0 MiB

COLLECTION  COPIES  SHARDS  REPLICAS  MISSING  POINTS
images      1       1       1 Active  0        1000
words       2       3       6 Active  0        3000

NEXT
  nothing to do
`, status(f, p).Text())
}

func TestStatusOfAClusterThatShrinks(t *testing.T) {
	t.Parallel()
	f, p := settled(4)
	f.StatefulSet.Replicas, f.StatefulSet.Updating = 3, true
	f.Pods[3].Deleting = true
	p.Collections = []topology.Collection{collection("words", 2, []int{0, 1}, []int{1, 3}, []int{0, 3})}
	p.Collections[0].Shards[2].Replicas[0].State = clusterapi.Dead
	p.Collections[0].Shards[1].Transfers = []clusterapi.Transfer{{Shard: 1, From: 1004, To: 1003, Method: "snapshot", Comment: "Transferring snapshot (12/40 MiB)"}}

	assert.Equal(t, `q: 4 of 3 pods ready, changing; leader q-0, term 4; Qdrant 1.18.3
not whole:
  shard words/1 is being transferred from peer 1004 (q-3) to peer 1003 (q-2)
  shard words/2 is Dead on peer 1001 (q-0)

POD  PEER  STATE              ZONE  REPLICAS  POINTS  SIZE
q-0  1001  leader             -     2         2000    2.0 MiB
q-1  1002  follower           -     2         2000    2.0 MiB
q-2  1003  follower           -     0         0       0 B
q-3  1004  follower, leaving  -     2         2000    2.0 MiB

COLLECTION  COPIES  SHARDS  REPLICAS          MISSING  POINTS
words       2       3       5 Active, 1 Dead  0        3000

TRANSFERS
  words/1 from q-3 to q-2 snapshot Transferring snapshot (12/40 MiB)

NEXT
  move words/2 from q-3 to q-2, 1.0 MiB (drain)
`, status(f, p).Text())
}

func TestStatusOfALostVolume(t *testing.T) {
	t.Parallel()
	f, p := settled(3)
	f.Pods[2].Ready, f.Pods[2].Starting = false, true
	f.Claims[2].Verdict = "wait-lost-volume 1003: the volume is empty"
	silence(&p, 2)
	p.Silent = []topology.Silent{{Pod: "q-2", Ordinal: 2, Err: "reading the cluster: connection refused"}}
	p.Collections = []topology.Collection{collection("words", 1, []int{0}, []int{2})}

	text := status(f, p).Text()

	assert.Contains(t, text, "q: 2 of 3 pods ready, steady; leader q-0")
	assert.Contains(t, text, "q-2  1003  silent    -     1         ?       ?\n")
	assert.Contains(t, text, "! NoAnswer: q-2 does not answer: reading the cluster: connection refused")
}

// silence has the member of an ordinal not answer.
func silence(p *topology.Picture, ordinal int) {
	old := p.Members[ordinal]
	p.Members[ordinal] = topology.Member{ID: old.ID, Pod: old.Pod, Ordinal: old.Ordinal}
	for i := range p.Members {
		p.Members[i].KnownBy = len(p.Members) - 1
	}
}

func TestStatusWithoutAMajority(t *testing.T) {
	t.Parallel()
	f, p := settled(3)
	silence(&p, 1)
	silence(&p, 2)
	for i := range p.Members {
		p.Members[i].KnownBy = 1
	}

	got := status(f, p)

	assert.Empty(t, got.Leader)
	assert.Contains(t, got.Text(), "no leader that a majority follows")
	assert.Contains(t, got.Text(), "nothing is changed: 1 of 3 voters answer")
}

func TestStatusTellsPeersOfOnePodApart(t *testing.T) {
	t.Parallel()
	f, p := settled(3)
	p.Members = append(p.Members, topology.Member{ID: 2001, Pod: "q-2", Ordinal: 2, KnownBy: 3})
	p.Collections = []topology.Collection{collection("words", 1, []int{0})}
	p.Collections[0].Shards[0].Transfers = []clusterapi.Transfer{{From: 1001, To: 1003}}

	got := status(f, p)

	assert.Equal(t, "peer 1003", got.Transfers[0].To, "q-2 would be either of two")
	assert.Equal(t, []string{"q-0", "q-1", "q-2", "q-2"}, []string{got.Peers[0].Pod, got.Peers[1].Pod, got.Peers[2].Pod, got.Peers[3].Pod})
}

func TestStatusListsPodsInOrderAndThoseWithoutPeer(t *testing.T) {
	t.Parallel()
	f, p := settled(12)
	f.Pods = append(f.Pods, kube.Pod{Name: "q-12", Ordinal: 12, Starting: true})
	p.Members = append(p.Members, topology.Member{ID: 7, URI: "http://elsewhere:6335/", Ordinal: -1, KnownBy: 12})
	var pods []string
	for _, peer := range status(f, p).Peers {
		pods = append(pods, peer.Pod)
	}
	assert.Equal(t, "q-0 q-1 q-2 q-3 q-4 q-5 q-6 q-7 q-8 q-9 q-10 q-11 q-12 ", strings.Join(pods, " "))
	assert.Contains(t, status(f, p).Text(), "waiting to start")
}

func TestStatusSaysWhoMayStop(t *testing.T) {
	t.Parallel()
	f, p := settled(3)
	got := statusscreen.MakeStatus("q", "q-2", f, p, tend.Next(f, p, settings))
	assert.Contains(t, got.Text(), "all shards are whole\nq-2 holds the stop permit\n")
}

func TestOneScreen(t *testing.T) {
	t.Parallel()
	f, p := settled(3)
	f.StatefulSet.Replicas = 2
	for i := range 40 {
		p.Collections = append(p.Collections, collection(fmt.Sprintf("c%02d", i), 1, []int{2}, []int{2}))
	}
	p.Collections[33].Shards[0].Replicas[0].State = clusterapi.Dead

	text := status(f, p).Text()

	assert.LessOrEqual(t, strings.Count(text, "\n"), 50)
	assert.Contains(t, text, "and 25 more\n")
	assert.Contains(t, text, "c33 ", "what ails is shown first")
	assert.Contains(t, text, "  and 6")
}

func TestStatusAsJSON(t *testing.T) {
	t.Parallel()
	f, p := settled(1)
	text, err := json.Marshal(status(f, p))
	require.NoError(t, err)
	for _, list := range []string{"peers", "collections", "transfers", "next", "notes", "versions"} {
		assert.Contains(t, string(text), `"`+list+`":[`, "a list is never null")
	}
	assert.Contains(t, string(text), `"leader":"q-0"`)
}

func TestResizeUp(t *testing.T) {
	t.Parallel()
	f, p := settled(3)
	p.Collections = []topology.Collection{collection("words", 2, []int{0, 1}, []int{1, 2}, []int{0, 2}, []int{0, 1}, []int{1, 2}, []int{0, 2})}

	got := statusscreen.MakeResize(f, p, settings, pod, 4)

	require.True(t, got.Possible, got.Blocked)
	assert.Len(t, got.Moves, 3)
	assert.EqualValues(t, 3*mib, got.Bytes)
	text := got.Text()
	assert.True(t, strings.HasPrefix(text, "3 -> 4 replicas: 3 changes, 3.0 MiB to send\n"), text)
	assert.Contains(t, text, "q-3   0         3     0 B      3.0 MiB\n")
	assert.Len(t, p.Members, 3, "the picture is another's")
	assert.Equal(t, 3, p.Members[0].KnownBy)
}

func TestResizeDown(t *testing.T) {
	t.Parallel()
	f, p := settled(3)
	p.Collections = []topology.Collection{collection("words", 1, []int{0}, []int{1}, []int{2}), collection("images", 3, []int{0, 1, 2})}

	got := statusscreen.MakeResize(f, p, settings, pod, 2)

	require.True(t, got.Possible, got.Blocked)
	assert.Equal(t, `3 -> 2 replicas: 3 changes, 1.0 MiB to send
`, got.Text()[:strings.Index(got.Text(), "\n")+1])
	assert.Contains(t, got.Text(), "remove q-2 from the cluster (")
	assert.Contains(t, got.Text(), "q-2   2         leaves  2.0 MiB  -\n")
	assert.Contains(t, got.Notes, "collection images asks for 3 copies of each shard and would have 2")
}

func TestResizeThatCannotBe(t *testing.T) {
	t.Parallel()
	t.Run("the only copy is on a peer that does not answer", func(t *testing.T) {
		t.Parallel()
		f, p := settled(3)
		p.Collections = []topology.Collection{collection("words", 1, []int{2})}
		silence(&p, 2)
		got := statusscreen.MakeResize(f, p, settings, pod, 2)
		assert.False(t, got.Possible)
		assert.Contains(t, got.Text(), "not possible now")
		assert.Contains(t, got.Text(), "words/0")
	})
	t.Run("nobody is there to decide", func(t *testing.T) {
		t.Parallel()
		f, p := settled(3)
		p.Members = nil
		got := statusscreen.MakeResize(f, p, settings, pod, 5)
		assert.False(t, got.Possible)
		assert.NotEmpty(t, got.Blocked)
	})
}

func TestResizeToZeroIsASleep(t *testing.T) {
	t.Parallel()
	f, p := settled(3)
	got := statusscreen.MakeResize(f, p, settings, pod, 0)
	assert.True(t, got.Possible)
	assert.Contains(t, got.Text(), "the claims keep the data")
}

func TestResizeTurnedRound(t *testing.T) {
	t.Parallel()
	f, p := settled(5)
	f.StatefulSet.Replicas = 3
	f.StatefulSet.Paused = true
	p.Collections = []topology.Collection{collection("words", 1, []int{0}, []int{1}, []int{2}, []int{3}, []int{4})}
	got := statusscreen.MakeResize(f, p, settings, pod, 5)
	assert.True(t, got.Possible, got.Blocked)
	assert.Empty(t, got.Moves, "peers that were about to leave stay as they are")
	assert.Contains(t, strings.Join(got.Notes, ""), "paused")
}

func TestMovesInWords(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		move statusscreen.Move
		want string
	}{
		{statusscreen.Move{Kind: plan.ReplicateShard, Shard: "w/1", From: "q-0", To: "q-1", Bytes: 5 * 1024 * mib, Why: "repair"}, "copy w/1 from q-0 to q-1, 5.0 GiB (repair)"},
		{statusscreen.Move{Kind: plan.MoveShard, Shard: "w/1", From: "q-0", To: "q-1", Bytes: 1500, Why: "balance"}, "move w/1 from q-0 to q-1, 1.5 KiB (balance)"},
		{statusscreen.Move{Kind: plan.DropReplica, Shard: "w/1", From: "q-0", Why: "lost"}, "drop w/1 on q-0 (lost)"},
		{statusscreen.Move{Kind: plan.Abandon, Shard: "w/1", From: "q-0", To: "q-1", Why: "lost"}, "give up w/1 on q-0, and begin it empty on q-1 (lost)"},
		{statusscreen.Move{Kind: plan.RemovePeer, From: "q-0", Why: "forget"}, "remove q-0 from the cluster (forget)"},
	} {
		assert.Equal(t, test.want, test.move.String())
	}
}
