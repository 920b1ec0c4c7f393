package qdrantprocess

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// answering returns a server whose REST API answers a path with a text.
func answering(t *testing.T, path, text string) *Server {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "sesame", r.Header.Get("api-key"))
		switch r.URL.EscapedPath() {
		case "/readyz":
		case path:
			_, _ = w.Write([]byte(text))
		default:
			http.Error(w, "no such path", http.StatusNotFound)
		}
	}))
	t.Cleanup(web.Close)
	address, err := url.Parse(web.URL)
	require.NoError(t, err)
	port, err := strconv.Atoi(address.Port())
	require.NoError(t, err)
	return &Server{http: port, options: Options{APIKey: "sesame"}}
}

func TestActive(t *testing.T) {
	t.Parallel()
	const whole = `{"shard_count":2,"local_shards":[{"shard_id":0,"state":"Active"},{"shard_id":1,"state":"Active"}],
		"remote_shards":[{"shard_id":0,"state":"Active"},{"shard_id":1,"state":"Active"}],"shard_transfers":[]}`
	for name, test := range map[string]struct{ view, want string }{
		"all_replicas":              {whole, ""},
		"a_shard_that_nobody_has":   {`{"shard_count":2,"local_shards":[{"shard_id":0,"state":"Active"}],"remote_shards":[{"shard_id":0,"state":"Active"}]}`, "it sees 1 of 2 shards Active"},
		"a_replica_is_missing":      {`{"shard_count":1,"local_shards":[{"shard_id":0,"state":"Active"}]}`, "it sees shard 0 Active on 1 peers, not 2"},
		"a_replica_is_dead":         {`{"shard_count":1,"local_shards":[{"shard_id":0,"state":"Active"}],"remote_shards":[{"shard_id":0,"state":"Dead"}]}`, "it sees shard 0 Active on 1 peers, not 2"},
		"a_replica_too_many":        {`{"shard_count":1,"local_shards":[{"shard_id":0,"state":"Active"}],"remote_shards":[{"shard_id":0,"state":"Active"},{"shard_id":0,"state":"Active"}]}`, "it sees shard 0 Active on 3 peers, not 2"},
		"a_transfer_is_in_progress": {`{"shard_count":1,"local_shards":[{"shard_id":0,"state":"Active"}],"remote_shards":[{"shard_id":0,"state":"Active"}],"shard_transfers":[{"shard_id":0}]}`, "it sees transfers under way"},
		"no_shard_at_all":           {`{"shard_count":0}`, "it sees 0 of 0 shards Active"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := answering(t, "/collections/a%20b/cluster", `{"result":`+test.view+`}`).active(t.Context(), "a b", 2)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
		})
	}
	err := answering(t, "/", "").active(t.Context(), "words", 2)
	require.ErrorContains(t, err, "404 Not Found: no such path")
}

func TestAgreed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ view, want string }{
		"agreed":         {`{"peers":{"1":{},"2":{}},"raft_info":{"leader":7,"is_voter":true}}`, ""},
		"a_peer_less":    {`{"peers":{"1":{}},"raft_info":{"leader":7,"is_voter":true}}`, "it sees 1 peers instead of 2"},
		"not_a_voter":    {`{"peers":{"1":{},"2":{}},"raft_info":{"leader":7,"is_voter":false}}`, "it is not a voter yet"},
		"no_leader":      {`{"peers":{"1":{},"2":{}},"raft_info":{"leader":null,"is_voter":true}}`, "it knows no leader"},
		"another_leader": {`{"peers":{"1":{},"2":{}},"raft_info":{"leader":8,"is_voter":true}}`, "it follows 8, others follow 7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			leader, err := answering(t, "/cluster", `{"result":`+test.view+`}`).agreed(t.Context(), 2, 7)
			if test.want != "" {
				require.ErrorContains(t, err, test.want)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, uint64(7), leader)
		})
	}
}
