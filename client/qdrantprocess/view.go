package qdrantprocess

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// requestTimeout bounds a request to a server that accepts connections and does not answer.
const requestTimeout = time.Minute

// get reads the result of a REST call; result may be nil.
func (s *Server) get(ctx context.Context, path string, result any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+path, nil)
	if err != nil {
		return err
	}
	if s.options.APIKey != "" {
		request.Header.Set("api-key", s.options.APIKey)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return err
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("GET %s: %s: %s", path, response.Status, body)
	case result == nil:
		return nil
	}
	return json.Unmarshal(body, &struct {
		Result any `json:"result"`
	}{result})
}

// clusterView is a server's view of the cluster (GET /cluster).
type clusterView struct {
	Peers map[string]any `json:"peers"`
	Raft  struct {
		Leader  uint64 `json:"leader"`
		IsVoter bool   `json:"is_voter"`
	} `json:"raft_info"`
}

// agreed returns nil if a server is ready and sees n voters under one leader, and returns that leader. another is the leader of the servers
// asked before, 0 if there is none.
func (s *Server) agreed(ctx context.Context, n int, another uint64) (leader uint64, err error) {
	if err := s.get(ctx, "/readyz", nil); err != nil {
		return 0, err
	}
	if s.options.Single {
		return 0, nil
	}
	var view clusterView
	if err := s.get(ctx, "/cluster", &view); err != nil {
		return 0, err
	}
	switch leader = view.Raft.Leader; {
	case len(view.Peers) != n:
		return 0, fmt.Errorf("it sees %d peers instead of %d", len(view.Peers), n)
	case !view.Raft.IsVoter:
		return 0, fmt.Errorf("it is not a voter yet")
	case leader == 0:
		return 0, fmt.Errorf("it knows no leader")
	case another != 0 && leader != another:
		return 0, fmt.Errorf("it follows %d, others follow %d", leader, another)
	}
	return leader, nil
}

type replica struct {
	Shard uint32 `json:"shard_id"`
	State string `json:"state"`
}

// active returns nil if a server sees every shard of a collection Active on exactly n peers and no transfer under way.
func (s *Server) active(ctx context.Context, collection string, n int) error {
	var view struct {
		ShardCount   int       `json:"shard_count"`
		LocalShards  []replica `json:"local_shards"`
		RemoteShards []replica `json:"remote_shards"`
		Transfers    []any     `json:"shard_transfers"`
	}
	if err := s.get(ctx, "/collections/"+url.PathEscape(collection)+"/cluster", &view); err != nil {
		return err
	}
	if len(view.Transfers) > 0 {
		return fmt.Errorf("it sees transfers under way: %v", view.Transfers)
	}
	counts := map[uint32]int{}
	for _, r := range append(view.LocalShards, view.RemoteShards...) {
		if r.State == "Active" {
			counts[r.Shard]++
		}
	}
	if view.ShardCount == 0 || len(counts) != view.ShardCount {
		return fmt.Errorf("it sees %d of %d shards Active", len(counts), view.ShardCount)
	}
	for shard, count := range counts {
		if count != n {
			return fmt.Errorf("it sees shard %d Active on %d peers, not %d", shard, count, n)
		}
	}
	return nil
}
