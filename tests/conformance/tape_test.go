package conformance

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

// tape writes down what a cluster answers, in words that do not depend on which cluster it is: peers are named p0, p1 and p2 after
// their servers, and a server's next peer is named p0', then p0”.
type tape struct {
	t     *testing.T
	of    subject
	lines []string
	ids   []clusterapi.PeerID // of each server now
	lives []int
	names map[string]string // what stands for each id and URI
}

func newTape(t *testing.T, of subject) *tape {
	t.Helper()
	tape := &tape{t: t, of: of, ids: make([]clusterapi.PeerID, 3), lives: make([]int, 3), names: map[string]string{}}
	for ordinal := range 3 {
		tape.meet(ordinal)
	}
	return tape
}

// meet learns the id that a server has now.
func (r *tape) meet(ordinal int) {
	r.t.Helper()
	view, err := r.of.client(ordinal).Cluster(r.t.Context())
	require.NoError(r.t, err)
	if view.PeerID == r.ids[ordinal] {
		return
	}
	r.ids[ordinal] = view.PeerID
	r.names[view.PeerID.String()] = fmt.Sprintf("p%d%s", ordinal, strings.Repeat("'", r.lives[ordinal]))
	r.lives[ordinal]++
	for _, peer := range view.Peers {
		if peer.ID == view.PeerID {
			r.names[peer.URI] = fmt.Sprintf("uri%d", ordinal)
		}
	}
}

// explain shows where the course was when it broke off, and how the cluster looked.
func (r *tape) explain() {
	if !r.t.Failed() {
		return
	}
	r.t.Logf("the last lines:\n%s", strings.Join(r.lines[max(0, len(r.lines)-8):], "\n"))
	for ordinal := range 3 {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.t.Context()), time.Second)
		view, err := r.of.client(ordinal).Cluster(ctx)
		cancel()
		r.t.Log(r.plain(fmt.Sprintf("server %d: %+v %v", ordinal, view, err)))
	}
}

// replace gives a server another peer, which goes by the name of its last one.
func (r *tape) replace(ordinal int) {
	r.t.Helper()
	require.NoError(r.t, r.of.stop(ordinal))
	require.NoError(r.t, r.of.loseVolume(ordinal))
	require.NoError(r.t, r.of.start(ordinal))
	r.lives[ordinal]--
	r.meet(ordinal)
	for other := range 3 {
		r.members(other, 3)
	}
}

// chapter starts a new part of the course.
func (r *tape) chapter(title string) { r.lines = append(r.lines, "", "# "+title) }

// note writes a line.
func (r *tape) note(format string, args ...any) {
	r.lines = append(r.lines, r.plain(fmt.Sprintf(format, args...)))
}

var (
	snapshotName = regexp.MustCompile(`-\d{4}(-\d\d){5}\.snapshot`)
	directory    = regexp.MustCompile(`"/\S*/snapshots/`)
)

// plain puts names in place of what differs from cluster to cluster.
func (r *tape) plain(text string) string {
	for _, known := range slices.SortedFunc(maps.Keys(r.names), func(a, b string) int { return cmp.Compare(len(b), len(a)) }) {
		text = strings.ReplaceAll(text, known, r.names[known])
	}
	text = snapshotName.ReplaceAllString(text, "-TIME.snapshot")
	return directory.ReplaceAllString(text, `"DIRECTORY/snapshots/`)
}

// did writes down how a call of a Client went.
func (r *tape) did(what string, err error) {
	r.t.Helper()
	var answer *clusterapi.Error
	switch {
	case err == nil:
		r.note("%s: done", what)
	case errors.As(err, &answer):
		r.note("%s: %d %s", what, answer.Status, answer.Message)
	default:
		require.NoError(r.t, err, what)
	}
}

// insists is did for a change that is asked for while the leader may be changing, when the server answers 500 after its ten seconds.
func (r *tape) insists(what string, change func() error) {
	r.t.Helper()
	var err error
	r.of.until(r.t, what, func() bool {
		err = change()
		var answer *clusterapi.Error
		return !errors.As(err, &answer) || answer.Status < http.StatusInternalServerError
	})
	r.did(what, err)
}

// ready waits until a server says so: it looks at its shards in the background, which takes longer on a busy machine.
func (r *tape) ready(ordinal int) {
	r.t.Helper()
	r.of.until(r.t, fmt.Sprintf("server %d is ready", ordinal), func() bool {
		return r.of.client(ordinal).Ready(r.t.Context()) == nil
	})
}

// raw writes down the status and the words of an answer, and what it consists of if shape is set.
func (r *tape) raw(ordinal int, c call, shape bool) {
	r.t.Helper()
	status, body := c.send(r.t, r.of.client(ordinal).URL())
	line := fmt.Sprintf("%s %s: %d", c.method, c.path, status)
	var answer struct {
		Result json.RawMessage `json:"result"`
		Status any             `json:"status"`
	}
	switch {
	case json.Unmarshal(body, &answer) != nil || answer.Status == nil:
		r.note("%s %s", line, strings.TrimSpace(string(body)))
	case shape && status == http.StatusOK:
		r.note("%s", line)
		r.shape(body)
	default:
		words, err := json.Marshal(answer.Status)
		require.NoError(r.t, err)
		r.note("%s %s %s", line, words, answer.Result)
	}
}

// shape writes down the fields of an answer and their types, in order.
func (r *tape) shape(body []byte) {
	r.t.Helper()
	var answer any
	require.NoError(r.t, json.Unmarshal(body, &answer))
	fields := map[string]bool{}
	collect(fields, "", answer)
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		r.note("  %s", field)
	}
}

// collect finds the fields of a value. The keys of maps by peer or by address are all the same field.
func collect(fields map[string]bool, path string, value any) {
	switch value := value.(type) {
	case map[string]any:
		for name, inner := range value {
			if _, err := strconv.ParseUint(name, 10, 64); err == nil || strings.Contains(name, "://") {
				name = "*"
			}
			collect(fields, path+"."+name, inner)
		}
	case []any:
		fields[path+" list"] = true
		for _, inner := range value {
			collect(fields, path+"[]", inner)
		}
	case nil:
		fields[path+" null"] = true
	default:
		fields[fmt.Sprintf("%s %T", path, value)] = true
	}
}

// cluster writes down a server's view of the cluster.
func (r *tape) cluster(ordinal int) {
	r.t.Helper()
	view, err := r.of.client(ordinal).Cluster(r.t.Context())
	require.NoError(r.t, err)
	var peers []string
	for _, peer := range view.Peers {
		peers = append(peers, r.plain(fmt.Sprintf("%d at %s", peer.ID, peer.URI)))
	}
	slices.Sort(peers)
	r.note("server %d is %d, sees %s; %s, voter %t, consensus %s", ordinal, view.PeerID, strings.Join(peers, ", "), standing(view),
		view.Raft.IsVoter, view.Consensus.Status)
}

// standing is a server's part in the consensus, whoever the leader is: that is up to chance as soon as a server stops.
func standing(view clusterapi.Cluster) string {
	leader := view.Raft.Leader
	listed := slices.ContainsFunc(view.Peers, func(peer clusterapi.Peer) bool { return peer.ID == leader })
	switch {
	case leader == 0:
		return fmt.Sprintf("no leader, role %q", view.Raft.Role)
	case listed && (leader == view.PeerID) == (view.Raft.Role == "Leader"):
		return "one of them leads"
	default:
		return fmt.Sprintf("role %s, leader listed %t", view.Raft.Role, listed)
	}
}

// shards describes where the replicas of a collection are, as State and as the collection's own view tell it, which must be the same.
func (r *tape) shards(ordinal int, collection string) string {
	r.t.Helper()
	view, err := r.of.client(ordinal).CollectionCluster(r.t.Context(), collection)
	require.NoError(r.t, err)
	return r.replicas(view.Replicas, view.Transfers)
}

func (r *tape) replicas(replicas []clusterapi.Replica, transfers []clusterapi.Transfer) string {
	var parts []string
	for _, replica := range replicas {
		part := r.plain(fmt.Sprintf("%d:%d %s", replica.Shard, replica.Peer, replica.State))
		if replica.Local {
			part += " here"
		}
		parts = append(parts, part)
	}
	slices.Sort(parts)
	for _, t := range transfers {
		parts = append(parts, r.plain(fmt.Sprintf("transfer %d:%d->%d sync %t by %s", t.Shard, t.From, t.To, t.Sync, t.Method)))
	}
	return strings.Join(parts, ", ")
}

// settle waits until a server sees a replica of shard 0 Active on each of these servers, no other replica, and nothing under way.
func (r *tape) settle(collection string, from int, on ...int) {
	r.t.Helper()
	client := r.of.client(from)
	var last string
	r.of.until(r.t, fmt.Sprintf("%s Active on %v", collection, on), func() bool {
		view, err := client.CollectionCluster(r.t.Context(), collection)
		if err != nil || view.ShardCount != 1 || view.ActiveOn(len(on)) != nil || len(view.Replicas) != len(on) {
			return false
		}
		last = r.replicas(view.Replicas, nil)
		for _, ordinal := range on {
			if !slices.ContainsFunc(view.Replicas, func(replica clusterapi.Replica) bool { return replica.Peer == r.ids[ordinal] }) {
				return false
			}
		}
		return true
	})
	r.note("settled, server %d sees %s: %s", from, collection, last)
}

// knows waits until a server's view of a collection is the one described.
func (r *tape) knows(ordinal int, collection, want string) {
	r.t.Helper()
	r.of.until(r.t, fmt.Sprintf("server %d sees %s: %s", ordinal, collection, want), func() bool { return r.shards(ordinal, collection) == want })
	r.note("server %d sees %s: %s", ordinal, collection, want)
}

// members waits until a server lists so many peers and all of the voters agree on a leader.
func (r *tape) members(ordinal, want int) {
	r.t.Helper()
	r.of.until(r.t, fmt.Sprintf("server %d lists %d peers", ordinal, want), func() bool {
		view, err := r.of.client(ordinal).Cluster(r.t.Context())
		return err == nil && len(view.Peers) == want && (view.Raft.Leader != 0 && view.Raft.IsVoter)
	})
}
