package clusterapi_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

// serve answers one path with a fixed status and body, and keeps the request.
func serve(t *testing.T, path string, status int, body string) (*clusterapi.Client, *http.Request, *[]byte) {
	t.Helper()
	var seen http.Request
	var sent []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = *r
		sent, _ = io.ReadAll(r.Body)
		if r.URL.RequestURI() != path {
			http.NotFound(w, r)
			return
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return clusterapi.New(server.URL+"/", "sesame"), &seen, &sent
}

func TestCluster(t *testing.T) {
	t.Parallel()
	client, request, _ := serve(t, "/cluster", http.StatusOK, `{"result":{"status":"enabled","peer_id":11,
		"peers":{"22":{"uri":"http://q-1:6335/"},"11":{"uri":"http://q-0:6335/"}},
		"raft_info":{"term":3,"commit":42,"pending_operations":1,"leader":22,"role":"Follower","is_voter":true},
		"consensus_thread_status":{"consensus_thread_status":"working","last_update":"2026-11-22T10:00:00.5Z"},
		"message_send_failures":{"http://q-1:6335/":{"count":7,"latest_error":"refused","latest_error_timestamp":null}}},
		"status":"ok","time":0.001}`)

	cluster, err := client.Cluster(t.Context())

	require.NoError(t, err)
	assert.Equal(t, "sesame", request.Header.Get("Api-Key"))
	assert.True(t, cluster.Enabled)
	assert.Equal(t, clusterapi.PeerID(11), cluster.PeerID)
	assert.Equal(t, []clusterapi.Peer{{ID: 11, URI: "http://q-0:6335/"}, {ID: 22, URI: "http://q-1:6335/"}}, cluster.Peers)
	assert.Equal(t, clusterapi.Raft{Term: 3, Commit: 42, PendingOperations: 1, Leader: 22, Role: "Follower", IsVoter: true}, cluster.Raft)
	assert.True(t, cluster.Consensus.Working())
	assert.Equal(t, 7, cluster.MessageSendFailures["http://q-1:6335/"].Count)
}

func TestClusterOfASingleNode(t *testing.T) {
	t.Parallel()
	client, _, _ := serve(t, "/cluster", http.StatusOK, `{"result":{"status":"disabled"},"status":"ok","time":0}`)

	cluster, err := client.Cluster(t.Context())

	require.NoError(t, err)
	assert.False(t, cluster.Enabled)
	assert.Empty(t, cluster.Peers)
}

func TestConsensusThatStopped(t *testing.T) {
	t.Parallel()
	client, _, _ := serve(t, "/cluster", http.StatusOK, `{"result":{"status":"enabled","peer_id":1,"peers":{},
		"raft_info":{"term":0,"commit":0,"pending_operations":0,"leader":null,"role":null,"is_voter":false},
		"consensus_thread_status":{"consensus_thread_status":"stopped_with_err","err":"removed"},"message_send_failures":{}}}`)

	cluster, err := client.Cluster(t.Context())

	require.NoError(t, err)
	assert.False(t, cluster.Consensus.Working())
	assert.Equal(t, "removed", cluster.Consensus.Err)
	assert.Zero(t, cluster.Raft.Leader)
}

func TestCollectionCluster(t *testing.T) {
	t.Parallel()
	client, _, _ := serve(t, "/collections/my%20words/cluster", http.StatusOK, `{"result":{"peer_id":2,"shard_count":2,
		"local_shards":[{"shard_id":1,"points_count":10,"state":"Active"},{"shard_id":0,"shard_key":"eu","points_count":9,"state":"Recovery"}],
		"remote_shards":[{"shard_id":0,"shard_key":"eu","peer_id":1,"state":"Active"}],
		"shard_transfers":[{"shard_id":0,"from":1,"to":2,"sync":true,"method":"wal_delta","comment":"transferring"}]}}`)

	cluster, err := client.CollectionCluster(t.Context(), "my words")

	require.NoError(t, err)
	assert.Equal(t, []clusterapi.Replica{
		{Shard: 0, ShardKey: "eu", Peer: 1, State: clusterapi.Active},
		{Shard: 0, ShardKey: "eu", Peer: 2, State: clusterapi.Recovery, Points: 9, Local: true},
		{Shard: 1, Peer: 2, State: clusterapi.Active, Points: 10, Local: true},
	}, cluster.Replicas)
	assert.Equal(t, []clusterapi.Transfer{{Shard: 0, From: 1, To: 2, Sync: true, Method: "wal_delta", Comment: "transferring"}}, cluster.Transfers)
	assert.Equal(t, map[clusterapi.ShardID]int{0: 1, 1: 1}, cluster.ActiveReplicas())
}

func TestActiveOn(t *testing.T) {
	t.Parallel()
	replica := func(shard clusterapi.ShardID, peer clusterapi.PeerID, state clusterapi.ReplicaState) clusterapi.Replica {
		return clusterapi.Replica{Shard: shard, Peer: peer, State: state}
	}
	whole := []clusterapi.Replica{replica(0, 1, clusterapi.Active), replica(0, 2, clusterapi.Active), replica(1, 1, clusterapi.Active), replica(1, 2, clusterapi.Active)}
	for _, test := range []struct {
		name    string
		view    clusterapi.CollectionCluster
		wantErr string
	}{
		{"two_shards_of_two_replicas", clusterapi.CollectionCluster{ShardCount: 2, Replicas: whole}, ""},
		{"a_shard_that_nobody_has", clusterapi.CollectionCluster{ShardCount: 3, Replicas: whole}, "2 of 3 shards have a replica"},
		{"a_replica_is_missing", clusterapi.CollectionCluster{ShardCount: 2, Replicas: whole[:3]}, "shard 1 is Active on 1 peers, not 2"},
		{"a_replica_is_dead", clusterapi.CollectionCluster{ShardCount: 1, Replicas: []clusterapi.Replica{whole[0], replica(0, 2, clusterapi.Dead)}}, "shard 0 is Active on 1 peers, not 2"},
		{"a_replica_too_many", clusterapi.CollectionCluster{ShardCount: 1, Replicas: append(whole[:2:2], replica(0, 3, clusterapi.Active))}, "shard 0 is Active on 3 peers, not 2"},
		{"a_transfer_is_under_way", clusterapi.CollectionCluster{ShardCount: 2, Replicas: whole, Transfers: []clusterapi.Transfer{{Shard: 1, From: 1, To: 3}}}, "transfers under way: "},
		{"no_shard_at_all", clusterapi.CollectionCluster{}, "0 of 0 shards have a replica"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := test.view.ActiveOn(2)
			if test.wantErr == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.wantErr)
		})
	}
}

func TestCollection(t *testing.T) {
	t.Parallel()
	client, _, _ := serve(t, "/collections/words", http.StatusOK, `{"result":{"status":"yellow","optimizer_status":{"error":"disk full"},
		"indexed_vectors_count":5,"points_count":6,"segments_count":3,"config":{
		"params":{"vectors":{"size":100,"distance":"Cosine"},"shard_number":2,"replication_factor":2,"write_consistency_factor":1,"on_disk_payload":true},
		"hnsw_config":{"m":64,"ef_construct":1024,"full_scan_threshold":60000,"max_indexing_threads":8,"on_disk":false},
		"optimizer_config":{"deleted_threshold":0.2,"vacuum_min_vector_number":1000,"default_segment_number":0,"max_segment_size":null,
		"memmap_threshold":null,"indexing_threshold":60000,"flush_interval_sec":5,"max_optimization_threads":4},
		"wal_config":{"wal_capacity_mb":32,"wal_segments_ahead":0},"quantization_config":null},"payload_schema":{}}}`)

	collection, err := client.Collection(t.Context(), "words")

	require.NoError(t, err)
	assert.Equal(t, "yellow", collection.Status)
	assert.Equal(t, clusterapi.OptimizerStatus("error: disk full"), collection.OptimizerStatus)
	assert.Equal(t, 64, collection.Config.HNSW.M)
	assert.Equal(t, 60000, *collection.Config.Optimizers.IndexingThreshold)
	assert.Nil(t, collection.Config.Optimizers.MaxSegmentSize)
	assert.Equal(t, 2, collection.Config.Params.ReplicationFactor)
}

func TestScrollReplica(t *testing.T) {
	t.Parallel()
	client, request, sent := serve(t, "/collections/words/shards/3/points/scroll", http.StatusOK, `{"result":{"points":[
		{"id":7,"payload":{"seq":12},"vector":[0.5,0.25]},{"id":"5c56c793-69f3-4fbf-87e6-c4bf54c28c26","payload":null}],
		"next_page_offset":8}}`)
	offset := clusterapi.NumID(7)

	page, err := client.ScrollReplica(t.Context(), "words", 3, clusterapi.ScrollRequest{Offset: &offset, Limit: 2, WithPayload: true})

	require.NoError(t, err)
	assert.Equal(t, http.MethodPost, request.Method)
	assert.JSONEq(t, `{"offset":7,"limit":2,"with_payload":true,"with_vector":false}`, string(*sent))
	require.Len(t, page.Points, 2)
	assert.Equal(t, clusterapi.NumID(7), page.Points[0].ID)
	assert.JSONEq(t, "12", string(page.Points[0].Payload["seq"]))
	assert.Equal(t, "5c56c793-69f3-4fbf-87e6-c4bf54c28c26", page.Points[1].ID.String())
	require.NotNil(t, page.Next)
	assert.Equal(t, uint64(8), page.Next.Num)
}

func TestErrorsCarryTheServersText(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"of a handler", `{"status":{"error":"Not found: Collection words doesn't exist!"},"time":0.1}`, http.StatusNotFound, "Collection words doesn't exist!"},
		{"in plain text", "Must provide an API key", http.StatusUnauthorized, "401 Unauthorized: Must provide an API key"},
		{"of an empty answer", "", http.StatusBadGateway, "no message"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client, _, _ := serve(t, "/collections/words", test.status, test.body)

			_, err := client.Collection(t.Context(), "words")

			var answer *clusterapi.Error
			require.ErrorAs(t, err, &answer)
			assert.Equal(t, test.status, answer.Status)
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, "reading collection words at http://")
		})
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	ready, _, _ := serve(t, "/readyz", http.StatusOK, "all shards are ready")
	waiting, _, _ := serve(t, "/readyz", http.StatusServiceUnavailable, "some shards are not ready")

	require.NoError(t, ready.Ready(t.Context()))
	require.ErrorContains(t, waiting.Ready(t.Context()), "some shards are not ready")
}

func TestTheContextEndsARequest(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()

	_, err := clusterapi.New(server.URL, "").Metrics(ctx)

	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestAnAnswerThatIsNoJSON(t *testing.T) {
	t.Parallel()
	client, _, _ := serve(t, "/cluster", http.StatusOK, "<html>")

	_, err := client.Cluster(t.Context())

	require.ErrorContains(t, err, "reading the cluster")
}

func TestReplicaStates(t *testing.T) {
	t.Parallel()
	for state, want := range map[clusterapi.ReplicaState]struct{ healthy, readable bool }{
		clusterapi.Active:              {true, true},
		clusterapi.Dead:                {false, false},
		clusterapi.Partial:             {false, false},
		clusterapi.Recovery:            {false, false},
		clusterapi.Listener:            {true, false},
		clusterapi.ActiveRead:          {false, true},
		clusterapi.ReshardingScaleDown: {true, true},
	} {
		assert.Equal(t, want.healthy, state.Healthy(), "%s healthy", state)
		assert.Equal(t, want.readable, state.Readable(), "%s readable", state)
	}
}
