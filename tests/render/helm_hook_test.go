package render

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
)

// release is a stand-in for a running one: two peers, which one server plays under two names.
type release struct {
	key string
	// clusters is what each host answers to GET /cluster.
	clusters map[string]string
	// open answers without a key too.
	open bool
	// fail is a method and path that is answered with 500.
	fail string
	// found is the answer to a search.
	found string
}

func cluster(leader int, status string, peers ...string) string {
	var members []string
	for i, host := range peers {
		members = append(members, fmt.Sprintf(`"%d":{"uri":"http://%s:6335/"}`, i+1, host))
	}
	return fmt.Sprintf(`{"result":{"status":"enabled","peer_id":1,"peers":{%s},"raft_info":{"term":1,"leader":%d},"consensus_thread_status":{"consensus_thread_status":"%s","last_update":"2026-01-01T00:00:00Z"}},"status":"ok"}`,
		strings.Join(members, ","), leader, status)
}

// healthy is a release that passes.
func healthy() release {
	whole := cluster(1, "working", "127.0.0.1", "localhost")
	return release{
		key:      "main-key",
		clusters: map[string]string{"127.0.0.1": whole, "localhost": whole},
		found:    `{"result":{"points":[{"id":2,"payload":{"city":"London"}}]},"status":"ok"}`,
	}
}

func (r release) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	_, _ = io.Copy(io.Discard, request.Body)
	path := request.URL.Path
	switch {
	case r.key != "" && !r.open && request.Header.Get("Api-Key") != r.key:
		http.Error(w, `{"status":{"error":"Must provide an API key"}}`, http.StatusUnauthorized)
	case r.fail != "" && strings.HasPrefix(request.Method+" "+path, r.fail):
		http.Error(w, `{"status":{"error":"no"}}`, http.StatusInternalServerError)
	case path == "/cluster":
		_, _ = io.WriteString(w, r.clusters[request.Host])
	case strings.HasSuffix(path, "/points/query"):
		_, _ = io.WriteString(w, r.found)
	default:
		_, _ = io.WriteString(w, `{"result":true,"status":"ok"}`)
	}
}

// The script that `helm test` runs, against servers that are well and servers that are not.
func TestHelmTestScript(t *testing.T) {
	t.Parallel()
	shell := bash(t)
	each(t, map[string]struct {
		change func(*release)
		env    []string
		want   []string
		fails  string
	}{
		"a whole cluster passes": {
			change: func(*release) {},
			want:   []string{"ok: 127.0.0.1 is one of 2 peers", "ok: localhost is one of 2 peers", "ok: two points written", "ok: refused without the key"},
		},
		"more peers than asked for pass": {change: func(*release) {}, env: []string{"PEERS=1"}, want: []string{"ok: localhost"}},
		"a server without a key passes":  {change: func(r *release) { r.key = "" }, env: []string{"API_KEY="}, want: []string{"ok: two points written"}},
		"a single node passes":           {change: func(r *release) { r.clusters = nil }, env: []string{"CLUSTER=false"}, want: []string{"ok: two points written"}},
		"too few peers":                  {change: func(*release) {}, env: []string{"PEERS=3"}, fails: "has 2 peers, but 3 are expected"},
		"no leader": {change: func(r *release) {
			r.clusters["127.0.0.1"] = strings.ReplaceAll(cluster(0, "working", "127.0.0.1", "localhost"), `"leader":0`, `"leader":null`)
		}, fails: "no leader"},
		"another leader":             {change: func(r *release) { r.clusters["localhost"] = cluster(2, "working", "127.0.0.1", "localhost") }, fails: "localhost follows a different leader"},
		"two clusters":               {change: func(r *release) { r.clusters["localhost"] = cluster(1, "working", "localhost") }, fails: "localhost lists different peers"},
		"a stopped consensus":        {change: func(r *release) { r.clusters["localhost"] = cluster(1, "stopped", "127.0.0.1", "localhost") }, fails: "the consensus thread of peer localhost has stopped"},
		"the wrong key":              {change: func(*release) {}, env: []string{"API_KEY=wrong"}, fails: "the client Service"},
		"a key that nobody asks for": {change: func(r *release) { r.open = true }, fails: "responds to a request without a key"},
		"no collections":             {change: func(r *release) { r.fail = "PUT /collections/" }, fails: "cannot create a collection"},
		"another answer":             {change: func(r *release) { r.found = `{"result":{"points":[{"id":1,"payload":{"city":"Berlin"}}]}}` }, fails: "the search returned a different point"},
	}, func(t *testing.T, c struct {
		change func(*release)
		env    []string
		want   []string
		fails  string
	}) {
		played := healthy()
		c.change(&played)
		server := httptest.NewServer(played)
		t.Cleanup(server.Close)
		address, err := url.Parse(server.URL)
		require.NoError(t, err)

		script := chart.Render(t, ``).Pod(t, "q-qdrant-test").Spec.Containers[0].Command[2]
		require.Contains(t, script, "/6333")
		script = strings.ReplaceAll(script, "/6333", "/"+address.Port())
		run := exec.CommandContext(t.Context(), shell, "-c", script)
		run.Env = append([]string{"PATH=" + os.Getenv("PATH"), "SERVICE=127.0.0.1", "CLUSTER=true", "PEERS=2", "API_KEY=main-key"}, c.env...)
		output, err := run.CombinedOutput()
		if c.fails != "" {
			require.Error(t, err, "%s", output)
			assert.Contains(t, string(output), c.fails)
			return
		}
		require.NoError(t, err, "%s", output)
		for _, want := range c.want {
			assert.Contains(t, string(output), want)
		}
	})
}

func TestHelmTestPod(t *testing.T) {
	t.Parallel()
	behaves(t, map[string]behaviour{
		"it is a test, and is replaced by the next one": {want: func(t *testing.T, o chart.Objects) {
			pod := o.Pod(t, "q-qdrant-test")
			assert.Equal(t, "test", pod.Annotations["helm.sh/hook"])
			assert.Equal(t, "before-hook-creation", pod.Annotations["helm.sh/hook-delete-policy"], "its log is to be read after a failure")
			assert.EqualValues(t, "Never", pod.Spec.RestartPolicy)
		}},
		"it has the server's image and nothing else": {values: `image: {repository: example.org/q, tag: t}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, o.Server(t).Image, o.Pod(t, "q-qdrant-test").Spec.Containers[0].Image)
			assert.NotContains(t, o.Pod(t, "q-qdrant-test").Spec.Containers[0].Command[2], "curl")
		}},
		"it runs where the server may": {values: `{nodeSelector: {a: b}, tolerations: [{operator: Exists}]}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, map[string]string{"a": "b"}, o.Pod(t, "q-qdrant-test").Spec.NodeSelector)
			assert.Len(t, o.Pod(t, "q-qdrant-test").Spec.Tolerations, 1)
		}},
		"with shepherd it is shepherd's check": {values: withShepherd + `auth: {existingSecret: keys}`, want: func(t *testing.T, o chart.Objects) {
			pod := o.Pod(t, "q-qdrant-test")
			check := pod.Spec.Containers[0]
			assert.Equal(t, "example.org/shepherd:t", check.Image)
			assert.Equal(t, []string{"check"}, check.Args)
			assert.Empty(t, check.Command)
			assert.Equal(t, "q-qdrant.qdrant-test.svc.cluster.local", value(t, check, "SHEPHERD_SERVICE"))
			assert.Equal(t, "3", value(t, check, "SHEPHERD_REPLICAS"))
			assert.Equal(t, "keys", env(check, "SHEPHERD_API_KEY").ValueFrom.SecretKeyRef.Name)
			assert.Empty(t, check.VolumeMounts, "it asks the servers and not Kubernetes, so it needs no token")
		}},
		"which speaks TLS": {values: withShepherd + `tls: {enabled: true, existingSecret: s}`, want: func(t *testing.T, o chart.Objects) {
			assert.Equal(t, "/qdrant/tls/ca.crt", value(t, o.Pod(t, "q-qdrant-test").Spec.Containers[0], "SHEPHERD_CA_FILE"))
		}},
		"it is not there with TLS, which bash does not speak": {values: `tls: {enabled: true, existingSecret: s}`, want: func(t *testing.T, o chart.Objects) {
			assert.False(t, o.Has("Pod", "q-qdrant-test"))
		}},
	})
}
