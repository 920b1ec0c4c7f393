package command_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/commandline"
	"github.com/qdrant-shepherd/shepherd/client/qdranttest"
)

// service answers what the probe of a check asks for, as a server does, behind the name of a Service.
type service struct {
	*httptest.Server
	key   string // empty: nobody is asked for one
	finds string
	fail  string // method and a part of the path that are refused

	mu   sync.Mutex
	made []string
	gone []string
}

func newService(t *testing.T, key string) *service {
	s := &service{key: key, finds: "London"}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key != "" && r.Header.Get("Api-Key") != s.key {
		http.Error(w, "Must provide an API key or an Authorization bearer token", http.StatusUnauthorized)
		return
	}
	if method, part, found := strings.Cut(s.fail, " "); found && r.Method == method && strings.Contains(r.URL.Path, part) {
		http.Error(w, `{"status":{"error":"no space left on device"}}`, http.StatusInternalServerError)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/collections/")
	var result any = true
	switch {
	case r.Method == http.MethodGet:
		result = map[string]any{"collections": []any{}}
	case r.Method == http.MethodPut && !strings.Contains(name, "/"):
		s.made = append(s.made, name)
	case r.Method == http.MethodDelete:
		s.gone = append(s.gone, name)
	case strings.HasSuffix(name, "/points/query"):
		result = map[string]any{"points": []any{map[string]any{"id": 2, "payload": map[string]any{"city": s.finds}}}}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"result": result, "status": "ok"})
}

func startCheck(t *testing.T, n int, key string) (*fixture, *service) {
	t.Helper()
	w := newFixture(t, n, qdranttest.Options{APIKey: key})
	w.api = nil // no permission is needed
	s := newService(t, key)
	w.env["SHEPHERD_REPLICAS"] = "3"
	w.env["SHEPHERD_SERVICE"] = "q.search.svc.cluster.local"
	w.env["SHEPHERD_TIMEOUT"] = "0"
	return w, s
}

// check runs the sub-command with the Service's name leading to s.
func check(ctx context.Context, w *fixture, s *service) (int, string) {
	code, out, said := w.runWith(ctx, func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == "q.search.svc.cluster.local:6333" {
			address = s.Listener.Addr().String()
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
		return w.dial(ctx, network, address)
	}, "check")
	return code, out + said
}

func TestCheck(t *testing.T) {
	t.Parallel()
	w, s := startCheck(t, 3, "sesame")
	w.cluster.CreateCollection("words", 2, 2)

	code, out := check(t.Context(), w, s)

	assert.Equal(t, 0, code, out)
	assert.NotContains(t, out, "FAIL")
	assert.Equal(t, 6, strings.Count(out, "ok: "), out)
	assert.Contains(t, out, "ok: peer 1003 (q-2) is one of 3 peers and follows peer 1001 (q-0)")
	assert.Contains(t, out, "ok: 2 shards of 1 collections are whole")
	assert.Contains(t, out, "the nearest one found")
	assert.Contains(t, out, "refuses whoever has no key")
	require.Len(t, s.made, 1)
	assert.Equal(t, s.made, s.gone, "nothing is left behind")
	assert.True(t, strings.HasPrefix(s.made[0], "shepherd-check-"))
}

func TestCheckOfMorePeersThanAskedFor(t *testing.T) {
	t.Parallel()
	w, s := startCheck(t, 5, "")
	code, out := check(t.Context(), w, s)
	assert.Equal(t, 0, code, out)
	assert.Contains(t, out, "(q-4) is one of 5 peers")
	assert.NotContains(t, out, "key")
}

func TestCheckThatFails(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		spoil func(*fixture, *service)
		want  string
	}{
		{"a peer is away", func(w *fixture, _ *service) { w.cluster.Server(1).Stop() }, "FAIL: q-1 does not answer: reading the cluster"},
		{"a peer is missing", func(w *fixture, _ *service) { w.env["SHEPHERD_REPLICAS"] = "4" }, "FAIL: q-3 does not answer"},
		{"a shard is not whole", func(w *fixture, _ *service) { w.cluster.SetState("words", 0, 0, "Dead") }, "FAIL: shard words/0 is Dead on peer 1001 (q-0)"},
		{"a peer is on its own", func(w *fixture, _ *service) { w.cluster.Server(2).Isolate() }, "FAIL: "},
		{"a server that is too old", func(w *fixture, _ *service) { w.cluster.Server(2).SetVersion("1.15.0") }, "FAIL: peer 1003 (q-2) runs Qdrant \"1.15.0\""},
		{"a wrong key", func(w *fixture, _ *service) { w.env["SHEPHERD_API_KEY"] = "wrong" }, "401"},
		{"a key that nobody asks for", func(_ *fixture, s *service) { s.key = "" }, "FAIL: q.search.svc.cluster.local answers without the key"},
		{"a collection cannot be made", func(_ *fixture, s *service) { s.fail = "PUT shepherd-check" }, "FAIL: making a collection at q.search.svc.cluster.local: 500"},
		{"nothing can be written", func(_ *fixture, s *service) { s.fail = "PUT points" }, "FAIL: writing at"},
		{"nothing can be searched", func(_ *fixture, s *service) { s.fail = "POST query" }, "FAIL: searching at"},
		{"something else is found", func(_ *fixture, s *service) { s.finds = "Berlin" }, "found something else"},
		{"the collection stays", func(_ *fixture, s *service) { s.fail = "DELETE shepherd-check" }, "FAIL: deleting the probe's collection"},
		{"the Service leads nowhere", func(_ *fixture, s *service) { s.Close() }, "FAIL: making a collection at q.search.svc.cluster.local: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w, s := startCheck(t, 3, "sesame")
			w.cluster.CreateCollection("words", 2, 2)
			w.cluster.Place("words", 0, 0, 1)
			test.spoil(w, s)
			code, out := check(t.Context(), w, s)
			assert.Equal(t, commandline.ExitFailed, code, out)
			assert.Contains(t, out, test.want)
			if test.name == "a wrong key" {
				assert.NotContains(t, out, "whole", "nobody was heard")
			}
			assert.GreaterOrEqual(t, len(s.gone), len(s.made)-strings.Count(s.fail, "DELETE"), "nothing is left behind")
		})
	}
}

func TestCheckOfASingleServer(t *testing.T) {
	t.Parallel()
	w, s := startCheck(t, 1, "")
	w.env["SHEPHERD_CLUSTER"] = "false"
	code, out := check(t.Context(), w, s)
	assert.Equal(t, 0, code)
	assert.Equal(t, "ok: two points written at q.search.svc.cluster.local, the nearest one found\n", out)
}

func TestCheckThatIsCutShort(t *testing.T) {
	t.Parallel()
	w, s := startCheck(t, 3, "")
	w.env["SHEPHERD_TIMEOUT"] = "1h"
	w.cluster.Server(1).Stop()
	ctx, cancel := context.WithCancel(t.Context())
	asked := func(ctx context.Context, network, address string) (net.Conn, error) {
		cancel()
		return w.dial(ctx, network, address)
	}
	code, out, _ := w.runWith(ctx, asked, "check")
	assert.Equal(t, commandline.ExitFailed, code)
	assert.Contains(t, out, "FAIL: ")
	assert.Empty(t, s.made)
}
