package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// drawn makes a picture of peers, such as "1 2 3-" where a dash says that the peer does not answer, and collections such as
// "docs/2: 1,2 2,3d 3,1*500" with the replication factor and the replicas of each shard, Active if no letter says otherwise, of 100 bytes
// if no number does. ">4" after a shard is a move from its first replica to peer 4, "+4" a copy; "~" says that peers disagree on it.
func drawn(t *testing.T, peers string, collections ...string) topology.Picture {
	t.Helper()
	var p topology.Picture
	for _, word := range strings.Fields(peers) {
		m := topology.Member{ID: peerID(t, strings.TrimRight(word, "-!")), Answers: !strings.HasSuffix(word, "-")}
		m.Pod, m.Ordinal = fmt.Sprintf("qdrant-%d", m.ID-1), int(m.ID-1)
		p.Members = append(p.Members, m)
	}
	introduce(&p)
	for i, word := range strings.Fields(peers) {
		p.Members[i].Working = p.Members[i].Answers && !strings.HasSuffix(word, "!")
	}
	for _, text := range collections {
		head, shards, found := strings.Cut(text, ":")
		require.True(t, found, "collection %q has no colon", text)
		name, factor, _ := strings.Cut(head, "/")
		c := topology.Collection{Name: name}
		var err error
		c.ReplicationFactor, err = strconv.Atoi(factor)
		require.NoError(t, err)
		for id, word := range strings.Fields(shards) {
			c.Shards = append(c.Shards, drawnShard(t, p, clusterapi.ShardID(id), word))
		}
		p.Collections = append(p.Collections, c)
	}
	return p
}

var (
	shardForm   = regexp.MustCompile(`^([^~>+]*)([>+]\d+)?(~?)$`)
	replicaForm = regexp.MustCompile(`^(\d+)([a-z]?)(?:\*(\d+))?$`)
	letters     = map[string]clusterapi.ReplicaState{"": clusterapi.Active, "d": clusterapi.Dead, "p": clusterapi.Partial, "r": clusterapi.Recovery}
)

func drawnShard(t *testing.T, p topology.Picture, id clusterapi.ShardID, text string) topology.Shard {
	t.Helper()
	form := shardForm.FindStringSubmatch(text)
	require.NotNil(t, form, "shard %q", text)
	s := topology.Shard{ID: id, Agreed: form[3] == ""}
	for part := range strings.SplitSeq(form[1], ",") {
		r := replicaForm.FindStringSubmatch(part)
		require.NotNil(t, r, "replica %q", part)
		replica := topology.Replica{Peer: peerID(t, r[1]), State: letters[r[2]], Points: 10, Bytes: 100}
		if r[3] != "" {
			size, err := strconv.Atoi(r[3])
			require.NoError(t, err)
			replica.Bytes = int64(size)
		}
		if m, _ := p.Member(replica.Peer); !m.Answers {
			replica.Points, replica.Bytes = -1, -1
		}
		s.Replicas = append(s.Replicas, replica)
	}
	if form[2] != "" {
		s.Transfers = []clusterapi.Transfer{{Shard: id, From: s.Replicas[0].Peer, To: peerID(t, form[2][1:]), Sync: form[2][0] == '+'}}
	}
	slices.SortFunc(s.Replicas, func(a, b topology.Replica) int { return int(a.Peer) - int(b.Peer) })
	return s
}

// introduce makes the members known to one another and gives them a leader.
func introduce(p *topology.Picture) {
	var all []clusterapi.Peer
	answering := 0
	var leader clusterapi.PeerID
	for _, m := range p.Members {
		all = append(all, clusterapi.Peer{ID: m.ID})
		if m.Answers {
			answering++
			leader = m.ID
		}
	}
	for i := range p.Members {
		m := &p.Members[i]
		m.KnownBy = answering
		if m.Answers {
			m.Version, m.Working, m.Peers = "1.18.3", true, slices.Clone(all)
			m.Raft = clusterapi.Raft{Term: 3, Leader: leader, IsVoter: true}
		}
	}
}

func peerID(t *testing.T, text string) clusterapi.PeerID {
	t.Helper()
	id, err := strconv.Atoi(text)
	require.NoError(t, err)
	return clusterapi.PeerID(id)
}

// peers is the set of the given ids.
func peers(ids ...clusterapi.PeerID) map[clusterapi.PeerID]bool {
	set := map[clusterapi.PeerID]bool{}
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// goalOf is the usual goal for a picture: all that answer are targets but those that leave, and everything is done.
func goalOf(p topology.Picture, leaving ...clusterapi.PeerID) Goal {
	w := Goal{Leaving: peers(leaving...), Targets: peers(), Strategy: Count, Repair: true}
	for _, m := range p.Members {
		if m.Answers && !w.Leaving[m.ID] {
			w.Targets[m.ID] = true
		}
	}
	return w
}

// lines writes moves as tests do.
func lines(moves []Move) []string {
	list := []string{}
	for _, m := range moves {
		switch m.Kind {
		case RemovePeer:
			list = append(list, fmt.Sprintf("%s %s: remove", m.Why, m.From))
		case DropReplica:
			list = append(list, fmt.Sprintf("%s %s: drop %s", m.Why, m.Shard, m.From))
		default:
			word := map[Kind]string{MoveShard: "move", ReplicateShard: "copy", Abandon: "abandon"}[m.Kind]
			list = append(list, fmt.Sprintf("%s %s: %s %s>%s", m.Why, m.Shard, word, m.From, m.To))
		}
	}
	return list
}

// applied is the picture after all moves.
func applied(p topology.Picture, moves []Move) topology.Picture {
	p = clone(p)
	for _, m := range moves {
		apply(&p, m)
	}
	return p
}
