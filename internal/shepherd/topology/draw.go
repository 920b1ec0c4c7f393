package topology

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

// Draw merges the views into a picture. It asks nobody.
//
// What is said of shards counts only from peers that have joined, as the others' lists say: one that was removed, or has founded a
// cluster of its own, answers with what it once knew for as long as it runs. That it does so is a doubt.
func Draw(at time.Time, views []View) Picture {
	picture := Picture{At: at}
	var answers []View
	for _, v := range slices.SortedStableFunc(slices.Values(views), func(a, b View) int { return cmp.Compare(a.Ordinal, b.Ordinal) }) {
		if why := v.silent(); why != "" {
			picture.Silent = append(picture.Silent, Silent{Pod: v.Pod, Ordinal: v.Ordinal, Err: why})
			continue
		}
		answers = append(answers, v)
	}
	picture.Members, picture.Doubts = members(answers, statefulSet(views))
	picture.Doubts = append(picture.Doubts, picture.disputes()...)

	joined := slices.DeleteFunc(slices.Clone(answers), func(v View) bool { return !picture.Joined(v.Cluster.PeerID) })
	if len(joined) > 0 {
		answers = joined
	}
	var doubts []string
	picture.Collections, doubts = collections(answers)
	picture.Doubts = append(picture.Doubts, doubts...)
	if len(joined) == 0 {
		for _, c := range picture.Collections {
			for i := range c.Shards {
				c.Shards[i].Agreed = false
			}
		}
	}
	return picture
}

// silent says why the view is no answer of a peer, and is empty if it is one.
func (v View) silent() string {
	switch {
	case v.Err != nil:
		return v.Err.Error()
	case !v.Cluster.Enabled || v.Cluster.PeerID == 0:
		return "the server runs without cluster mode"
	case v.State.PeerID != 0 && v.State.PeerID != v.Cluster.PeerID:
		return fmt.Sprintf("the server answered as peer %s and then as peer %s", v.Cluster.PeerID, v.State.PeerID)
	default:
		return ""
	}
}

// members lists the peers that the answers name, and what is odd about single ones.
func members(answers []View, statefulSet string) (list []Member, doubts []string) {
	byID := map[clusterapi.PeerID]*Member{}
	member := func(id clusterapi.PeerID) *Member {
		if byID[id] == nil {
			byID[id] = &Member{ID: id, Ordinal: -1}
		}
		return byID[id]
	}
	for _, v := range answers {
		again := member(v.Cluster.PeerID).Answers
		for _, peer := range v.Cluster.Peers {
			m := member(peer.ID)
			if !again && v.Cluster.Consensus.Working() {
				m.KnownBy++
			}
			if m.URI != "" && peer.URI != m.URI {
				doubts = append(doubts, fmt.Sprintf("peer %s has the URI %s in one list and %s in that of %s", m.ID, m.URI, peer.URI, v.Pod))
			}
			if m.URI == "" || peer.ID == v.Cluster.PeerID {
				m.URI = peer.URI
			}
		}
		if again {
			doubts = append(doubts, fmt.Sprintf("peer %s answers at more than one pod, %s among them", v.Cluster.PeerID, v.Pod))
			continue
		}
		m := member(v.Cluster.PeerID)
		m.Answers = true
		m.Version, m.Started = v.State.Version, v.State.Started
		m.Raft, m.Working, m.Peers = v.Cluster.Raft, v.Cluster.Consensus.Working(), slices.Clone(v.Cluster.Peers)
	}
	for _, m := range byID {
		m.Pod, m.Ordinal = podOf(m.URI, statefulSet)
	}
	for _, v := range answers {
		m := member(v.Cluster.PeerID)
		if m.Pod == "" {
			m.Pod, m.Ordinal = v.Pod, v.Ordinal
		}
		if m.Pod != v.Pod {
			doubts = append(doubts, fmt.Sprintf("peer %s answers at pod %s, but its URI is %s", m.ID, v.Pod, m.URI))
		}
	}
	for _, m := range byID {
		list = append(list, *m)
	}
	slices.SortFunc(list, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	return list, doubts
}

// statefulSet is the name that the pods of the views have in common.
func statefulSet(views []View) string {
	for _, v := range views {
		if name, found := strings.CutSuffix(v.Pod, "-"+strconv.Itoa(v.Ordinal)); found {
			return name
		}
	}
	return ""
}

// podOf reads the pod from the host of a peer's URI.
func podOf(uri, statefulSet string) (pod string, ordinal int) {
	parsed, err := url.Parse(uri)
	if err != nil || statefulSet == "" {
		return "", -1
	}
	label, _, _ := strings.Cut(parsed.Hostname(), ".")
	text, found := strings.CutPrefix(label, statefulSet+"-")
	if !found {
		return "", -1
	}
	ordinal, err = strconv.Atoi(text)
	if err != nil || ordinal < 0 || strconv.Itoa(ordinal) != text {
		return "", -1
	}
	return label, ordinal
}

// disputes are the matters of membership and leadership that the members disagree on.
func (p Picture) disputes() []string {
	var doubts []string
	type reign struct {
		leader clusterapi.PeerID
		term   uint64
	}
	reigns := map[reign]bool{}
	for _, m := range p.Members {
		switch {
		case !p.Joined(m.ID) && m.Answers:
			doubts = append(doubts, fmt.Sprintf("%s answers, but most of the answering peers do not have it in their lists", m))
			continue
		case !p.Joined(m.ID):
			doubts = append(doubts, fmt.Sprintf("%s is in the lists of only %d of %d answering peers", m, m.KnownBy, p.answering()))
			continue
		}
		for _, other := range p.Members {
			if other.Answers && p.Joined(other.ID) && !other.Lists(m.ID) {
				doubts = append(doubts, fmt.Sprintf("%s is not in the list of %s", m, other))
			}
		}
		if m.Answers {
			reigns[reign{m.Raft.Leader, m.Raft.Term}] = true
		}
		if m.Answers && !m.Working {
			doubts = append(doubts, fmt.Sprintf("%s takes no part in the consensus", m))
		}
	}
	if len(reigns) > 1 {
		doubts = append(doubts, "answering peers name different leaders or terms")
	}
	return doubts
}
