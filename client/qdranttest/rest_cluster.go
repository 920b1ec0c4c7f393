package qdranttest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// raft is what the server says of its part in the consensus.
type raft struct {
	Term    uint64  `json:"term"`
	Commit  uint64  `json:"commit"`
	Pending int     `json:"pending_operations"`
	Leader  *uint64 `json:"leader"`
	Role    *string `json:"role"`
	IsVoter bool    `json:"is_voter"`
}

// raft of a peer that takes part in a majority names that one's leader; an old leader that is cut off goes on naming itself, others
// have none then.
func (s *Server) raft() raft {
	view := s.view()
	info := raft{Term: view.term, Commit: view.commit, IsVoter: true}
	role := "Follower"
	switch {
	case s.removed && s.process != s.removedIn:
		info.IsVoter = false
		return info
	case s.removed:
		info.IsVoter, info.Leader = false, &view.leader
	case view.leader == s.id:
		role, info.Leader = "Leader", &view.leader
	case s.cluster.connected(s.group, s.id) && s.cluster.quorum(s.group):
		if view.leader != 0 {
			info.Leader = &view.leader
		}
	default:
		role = "Candidate"
		info.Term++
	}
	if old := s.oldLife(); old != nil {
		// The cluster that this address was a member of goes on sending it messages, and it follows the leader of both.
		role, info.Leader, info.Term = "Follower", &old.leader, old.term
	}
	info.Role = &role
	return info
}

// oldLife is the cluster that lists this server's URI for another peer, if there is one that works.
func (s *Server) oldLife() *consensus {
	for _, g := range s.cluster.groups() {
		if g == s.group || !s.cluster.quorum(g) {
			continue
		}
		for _, uri := range g.members {
			if uri == s.uri {
				return g
			}
		}
	}
	return nil
}

func (s *Server) consensusThread() map[string]any {
	if s.removed {
		return map[string]any{"consensus_thread_status": "stopped"}
	}
	return map[string]any{"consensus_thread_status": "working", "last_update": time.Now().UTC().Format(time.RFC3339Nano)}
}

func (s *Server) getCluster(*http.Request, []byte) (any, error) {
	view := s.view()
	peers := map[string]any{}
	for id, uri := range view.members {
		peers[strconv.FormatUint(id, 10)] = map[string]string{"uri": uri}
	}
	failures := map[string]any{}
	if info := s.raft(); info.Leader != nil && *info.Leader == s.id {
		for id, uri := range view.members {
			if id != s.id && (s.isolated || !s.cluster.connected(s.group, id)) {
				failures[uri] = map[string]any{"count": s.cluster.steps + 1, "latest_error": "Error in closure supplied to transport channel pool: status: Unavailable", "latest_error_timestamp": nil}
			}
		}
	}
	return map[string]any{
		"status": "enabled", "peer_id": s.id, "peers": peers, "raft_info": s.raft(),
		"consensus_thread_status": s.consensusThread(), "message_send_failures": failures,
	}, nil
}

// propose says whether the server can have anything agreed on. It is asked after what the server checks by itself, before what all
// servers check when they apply it.
func (s *Server) propose() error {
	switch {
	case s.removed:
		return serviceError("Channel closed: sending on a closed channel")
	case s.raft().Leader == nil:
		return errNoLeader
	case !s.cluster.connected(s.group, s.id) || !s.cluster.quorum(s.group):
		return errNoCommit
	}
	return nil
}

func (s *Server) proposes() bool { return s.propose() == nil }

// agreed is the answer to a proposal that was accepted. A server that does not keep up never gets to know.
func (s *Server) agreed() (any, error) {
	s.cluster.tidy()
	if s.frozen {
		return nil, errNoCommit
	}
	return true, nil
}

func (s *Server) deletePeer(r *http.Request, _ []byte) (any, error) {
	peer, err := strconv.ParseUint(r.PathValue("peer"), 10, 64)
	if err != nil {
		return nil, &plain{refusal{http.StatusNotFound, fmt.Sprintf("can not parse %q to a u64", r.PathValue("peer"))}}
	}
	if s.view().holdsShards(peer) {
		// The real server can be forced to. Nothing that is tested with this one should.
		return nil, badRequest("Cannot remove peer %d as there are shards on it", peer)
	}
	if err := s.propose(); err != nil {
		return nil, err
	}
	if s.group.members[peer] != "" {
		s.cluster.remove(s.group, peer)
	}
	return s.agreed()
}

func (s *Server) getCollections(*http.Request, []byte) (any, error) {
	names := []any{}
	for _, name := range s.view().names() {
		names = append(names, map[string]string{"name": name})
	}
	return map[string]any{"collections": names}, nil
}

func (s *Server) getCollection(r *http.Request, _ []byte) (any, error) {
	name := r.PathValue("collection")
	col, err := s.view().collection(name)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"status": "green", "optimizer_status": "ok", "indexed_vectors_count": 0, "points_count": s.count(name, col), "segments_count": 2 * len(col.shards),
		"config": col.settings(), "payload_schema": map[string]any{}, "update_queue": map[string]int{"length": 0},
	}, nil
}

func (s *Server) putCollection(r *http.Request, body []byte) (any, error) {
	request := struct {
		Vectors                json.RawMessage `json:"vectors"`
		ShardNumber            *int            `json:"shard_number"`
		ReplicationFactor      *int            `json:"replication_factor"`
		WriteConsistencyFactor *int            `json:"write_consistency_factor"`
	}{Vectors: json.RawMessage(`{}`)}
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, &refusal{http.StatusBadRequest, "Format error in JSON body: " + err.Error()}
	}
	vectors, err := vectorsFromJSON(request.Vectors)
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, "Format error in JSON body: " + err.Error()}
	}
	col := &collection{config: defaultConfig(vectors), store: newStore()}
	for _, setting := range []struct {
		name     string
		asked    *int
		to       *int
		ordinary int
	}{
		{"shard_number", request.ShardNumber, &col.shardNumber, len(s.view().members)},
		{"replication_factor", request.ReplicationFactor, &col.replicationFactor, 1},
		{"write_consistency_factor", request.WriteConsistencyFactor, &col.writeConsistencyFactor, 1},
	} {
		*setting.to = setting.ordinary
		if setting.asked == nil {
			continue
		}
		if *setting.asked < 1 {
			text := fmt.Sprintf("Validation error in JSON body: [%s: value %d invalid, must be 1 or larger]", setting.name, *setting.asked)
			return nil, &refusal{http.StatusUnprocessableEntity, text}
		}
		*setting.to = *setting.asked
	}
	if err := s.propose(); err != nil {
		return nil, err
	}
	if err := s.group.create(r.PathValue("collection"), col); err != nil {
		return nil, err
	}
	s.initializing(col)
	return s.agreed()
}

func (s *Server) deleteCollection(r *http.Request, _ []byte) (any, error) {
	if err := s.propose(); err != nil {
		return nil, err
	}
	if _, exists := s.group.collections[r.PathValue("collection")]; !exists {
		return false, nil
	}
	s.group.delete(r.PathValue("collection"))
	return s.agreed()
}

func (s *Server) getCollectionCluster(r *http.Request, _ []byte) (any, error) {
	name := r.PathValue("collection")
	col, err := s.view().collection(name)
	if err != nil {
		return nil, err
	}
	local, remote := []any{}, []any{}
	for _, shard := range col.shardIDs() {
		for _, peer := range sortedPeers(col.shards[shard]) {
			state := col.shards[shard][peer]
			if peer == s.id {
				points := s.data[shardName{name, shard}].Points
				local = append(local, map[string]any{"shard_id": shard, "points_count": points, "state": state})
			} else {
				remote = append(remote, map[string]any{"shard_id": shard, "peer_id": peer, "state": state})
			}
		}
	}
	return map[string]any{
		"peer_id": s.id, "shard_count": len(col.shards), "local_shards": local, "remote_shards": remote,
		"shard_transfers": s.transfers(col),
	}, nil
}

// transfers are those of a collection in the server's words; only their source says how far they are.
func (s *Server) transfers(col *collection) []any {
	all := []any{}
	for _, t := range col.transfers {
		comment := ""
		if t.from == s.id && t.task == s.process {
			comment = fmt.Sprintf("transferring | step %d of %d", t.done, t.steps)
		}
		all = append(all, map[string]any{
			"shard_id": t.shard, "from": t.from, "to": t.to, "sync": t.sync, "method": t.method, "comment": comment,
		})
	}
	return all
}

// clusterOperation is what POST /collections/{c}/cluster may ask for, as far as this cluster does it.
type clusterOperation struct {
	Replicate *transferRequest `json:"replicate_shard"`
	Move      *transferRequest `json:"move_shard"`
	Abort     *transferRequest `json:"abort_transfer"`
	Drop      *struct {
		Shard *uint32 `json:"shard_id"`
		Peer  *uint64 `json:"peer_id"`
	} `json:"drop_replica"`
}

type transferRequest struct {
	Shard  *uint32 `json:"shard_id"`
	From   *uint64 `json:"from_peer_id"`
	To     *uint64 `json:"to_peer_id"`
	Method string  `json:"method"`
}

func (t *transferRequest) whole() bool {
	if t == nil || t.Shard == nil || t.From == nil || t.To == nil {
		return false
	}
	_, known := methods[t.Method]
	return known || t.Method == ""
}

func (s *Server) postCollectionCluster(r *http.Request, body []byte) (any, error) {
	name := r.PathValue("collection")
	var asked clusterOperation
	err := json.Unmarshal(body, &asked)
	switch {
	case err == nil && asked.Replicate.whole():
		err = s.transfer(name, "replicate_shard", asked.Replicate, true)
	case err == nil && asked.Move.whole():
		err = s.transfer(name, "move_shard", asked.Move, false)
	case err == nil && asked.Abort.whole():
		err = s.abort(name, asked.Abort)
	case err == nil && asked.Drop != nil && asked.Drop.Shard != nil && asked.Drop.Peer != nil:
		err = s.drop(name, *asked.Drop.Shard, *asked.Drop.Peer)
	default:
		err = &refusal{http.StatusBadRequest, "Format error in JSON body: data did not match any variant of untagged enum ClusterOperations"}
	}
	if err != nil {
		return nil, err
	}
	return s.agreed()
}

// knows checks what the server checks by its own view, before it proposes anything.
func (s *Server) knows(name string, shard uint32, peers ...uint64) error {
	col, err := s.view().collection(name)
	if err != nil {
		return err
	}
	if col.shards[shard] == nil {
		return badRequest("Shard %d of %s does not exist", shard, name)
	}
	for _, peer := range peers {
		if s.view().members[peer] == "" {
			return badRequest("Peer %d does not exist", peer)
		}
	}
	return nil
}

// proposed is the collection that a proposal is about, in what all have agreed on.
func (s *Server) proposed(name string) (*collection, error) {
	if err := s.propose(); err != nil {
		return nil, err
	}
	return s.group.collection(name)
}

func (s *Server) transfer(name, operation string, asked *transferRequest, sync bool) error {
	shard, from, to, method := *asked.Shard, *asked.From, *asked.To, asked.Method
	if from == to {
		text := fmt.Sprintf(`Validation error in JSON body: [%s.to_peer_id: cannot transfer shard to itself, "to_peer_id" must be different than %d in "from_peer_id"]`, operation, from)
		return &refusal{http.StatusUnprocessableEntity, text}
	}
	if err := s.knows(name, shard, to, from); err != nil {
		return err
	}
	col, err := s.proposed(name)
	if err != nil {
		return err
	}
	if method == "" {
		method = defaultMethod
	}
	return s.group.begin(col, s.cluster.newTransfer(shard, from, to, sync, method))
}

func (s *Server) abort(name string, asked *transferRequest) error {
	shard, from, to := *asked.Shard, *asked.From, *asked.To
	view, err := s.view().collection(name)
	if err != nil {
		return err
	}
	if view.transfer(shard, from, to) == nil {
		return notFound("Shard transfer %d -> %d for collection %s:%d does not exist", from, to, name, shard)
	}
	col, err := s.proposed(name)
	if err != nil {
		return err
	}
	if t := col.transfer(shard, from, to); t != nil {
		s.group.abort(col, t)
	}
	return nil
}

func (s *Server) drop(name string, shard uint32, peer uint64) error {
	if err := s.knows(name, shard, peer); err != nil {
		return err
	}
	col, err := s.proposed(name)
	if err != nil {
		return err
	}
	return s.group.drop(col, name, shard, peer)
}
