package qdranttest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"time"
)

// snapshot is a replica's data as it was.
type snapshot struct {
	Name     string `json:"name"`
	Created  string `json:"creation_time"`
	Size     int64  `json:"size"`
	Checksum string `json:"checksum"`
	data     copied
}

// local finds the shard that the path names, if this server has a replica of it.
func (s *Server) local(r *http.Request) (shardName, *collection, error) {
	name := r.PathValue("collection")
	col, err := s.view().collection(name)
	if err != nil {
		return shardName{}, nil, err
	}
	number, err := strconv.ParseUint(r.PathValue("shard"), 10, 32)
	shard := uint32(number)
	switch {
	case err != nil:
		return shardName{}, nil, &plain{refusal{http.StatusNotFound, fmt.Sprintf("can not parse %q to a u32", r.PathValue("shard"))}}
	case col.shards[shard] == nil:
		return shardName{}, nil, notFound("shard %d not found", shard)
	case col.shards[shard][s.id] == "":
		return shardName{}, nil, wrongInput("Shard %d is not a local or queue proxy shard", shard)
	}
	return shardName{name, shard}, col, nil
}

func (s *Server) getSnapshots(r *http.Request, _ []byte) (any, error) {
	key, _, err := s.local(r)
	if err != nil {
		return nil, err
	}
	return append([]snapshot{}, s.snapshots[key]...), nil
}

func (s *Server) postSnapshot(r *http.Request, _ []byte) (any, error) {
	key, _, err := s.local(r)
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	taken := snapshot{
		Name:    fmt.Sprintf("%s-shard-%d-%s.snapshot", key.collection, key.shard, now.Format("2006-01-02-15-04-05")),
		Created: now.Format("2006-01-02T15:04:05"), Size: s.data[key].Bytes, data: s.data[key],
	}
	taken.Checksum = fmt.Sprintf("%x", sha256.Sum256([]byte(taken.Name)))
	s.snapshots[key] = append(s.without(key, taken.Name), taken)
	return taken, nil
}

func (s *Server) deleteSnapshot(r *http.Request, _ []byte) (any, error) {
	key, _, err := s.local(r)
	if err != nil {
		return nil, err
	}
	if _, err := s.snapshot(key, r.PathValue("snapshot")); err != nil {
		return nil, err
	}
	s.snapshots[key] = s.without(key, r.PathValue("snapshot"))
	return true, nil
}

func (s *Server) without(key shardName, name string) []snapshot {
	return slices.DeleteFunc(s.snapshots[key], func(other snapshot) bool { return other.Name == name })
}

func (s *Server) snapshot(key shardName, name string) (snapshot, error) {
	for _, taken := range s.snapshots[key] {
		if taken.Name == name {
			return taken, nil
		}
	}
	file := path.Join("/qdrant/snapshots", key.collection, "shards", strconv.Itoa(int(key.shard)), name)
	return snapshot{}, notFound("Snapshot %q not found", file)
}

// recoverSnapshot makes the local replica what the snapshot holds. With priority "snapshot", and in the server's order: this replica
// becomes Active; then each other source of truth becomes Dead, which aborts a transfer between the two, and that makes this one Dead.
func (s *Server) recoverSnapshot(r *http.Request, body []byte) (any, error) {
	var asked struct {
		Location string `json:"location"`
		Priority string `json:"priority"`
	}
	if err := json.Unmarshal(body, &asked); err != nil {
		return nil, &refusal{http.StatusBadRequest, "Format error in JSON body: " + err.Error()}
	}
	key, _, err := s.local(r)
	if err != nil {
		return nil, err
	}
	taken, err := s.snapshot(key, asked.Location)
	if err != nil {
		return nil, err
	}
	s.data[key] = taken.data
	col := s.group.collections[key.collection]
	if !s.proposes() || col == nil || col.shards[key.shard][s.id] == "" {
		return true, nil // the data is there; that nobody agrees on its state is not this request's to say
	}
	var others []uint64
	for _, peer := range sortedPeers(col.shards[key.shard]) {
		if peer != s.id && isSource(col.shards[key.shard][peer]) {
			others = append(others, peer)
		}
	}
	if asked.Priority == "replica" && len(others) > 0 {
		_ = s.group.setState(col, key.shard, s.id, dead)
		return s.agreed()
	}
	_ = s.group.setState(col, key.shard, s.id, active)
	if asked.Priority != "no_sync" {
		for _, peer := range others {
			// A proposal that is refused when it is applied is no error to the one who asked.
			_ = s.group.setState(col, key.shard, peer, dead)
		}
	}
	return s.agreed()
}
