//go:build compose

package compose

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/qdrant-shepherd/shepherd/tests/internal/images"
)

const stackFile = root + "/compose/compose.yaml"

// Given nothing but the files, when `docker compose up -d --wait` returns, then the server is healthy, tuned and confined as
// compose.yaml says, and keeps its data over `down` and `up`.
func TestDefaults(t *testing.T) {
	t.Parallel()
	stack := newStack(t, []string{"qdrant"}, nil, stackFile)
	start := time.Now()
	stack.must(t, "up", "--detach", "--wait")
	t.Logf("healthy after %s", time.Since(start).Round(time.Second))
	server := stack.ready(t)
	container := stack.inspect(t, "qdrant")

	t.Run("healthy", func(t *testing.T) {
		assert.Equal(t, "healthy", container.State.Health.Status)
		assert.Equal(t, 30*time.Second, container.Config.Healthcheck.Interval)
		assert.Equal(t, 10*time.Second, container.Config.Healthcheck.Timeout)
	})
	t.Run("health check tells a server that hangs", func(t *testing.T) { healthCheckTellsHanging(t, stack) })
	t.Run("limits", func(t *testing.T) {
		host := container.HostConfig
		assert.Equal(t, int64(2e9), host.NanoCpus, "2 CPUs")
		assert.Equal(t, int64(4<<30), host.Memory, "4 GiB")
		require.Len(t, host.Ulimits, 1)
		assert.Equal(t, "nofile", host.Ulimits[0].Name)
		assert.Equal(t, stack.config(t).Services["qdrant"].Ulimits["nofile"].Hard, host.Ulimits[0].Soft)
	})
	t.Run("confined", func(t *testing.T) {
		host := container.HostConfig
		assert.True(t, host.ReadonlyRootfs)
		assert.Equal(t, []string{"ALL"}, host.CapDrop)
		assert.Contains(t, host.SecurityOpt, "no-new-privileges:true")
		user, err := stack.exec(t.Context(), "qdrant", "id", "-u")
		require.NoError(t, err)
		assert.Equal(t, "1000", user)
	})
	t.Run("ports on 127.0.0.1 only", func(t *testing.T) {
		published := map[string]bool{}
		for port, bindings := range container.NetworkSettings.Ports {
			for _, binding := range bindings {
				published[port] = true
				assert.Equal(t, "127.0.0.1", binding.HostIP, port)
			}
		}
		assert.Equal(t, map[string]bool{"6333/tcp": true, "6334/tcp": true}, published)
	})
	t.Run("no key", func(t *testing.T) {
		assert.Empty(t, keysIn(t, stack))
		assert.Equal(t, http.StatusOK, server.status(t, http.MethodGet, "/collections", nil))
		_, err := stack.grpc(t, "").ListCollections(t.Context())
		require.NoError(t, err)
	})
	t.Run("tuned", func(t *testing.T) {
		server.create(t, "tuned")
		assert.Equal(t, tuning{
			M: 48, EfConstruct: 512,
			// 20,000 vectors of 768 dimensions.
			FullScanThreshold: 20_000 * 768 * 4 / 1024, IndexingThreshold: 20_000 * 768 * 4 / 1024,
			CPUSearchThreads: 4, IOSearchThreads: 4,
		}, server.tuned(t, "tuned"))
	})
	t.Run("logs are JSON, telemetry is off", func(t *testing.T) {
		logs := stack.must(t, "logs", "--no-log-prefix", "qdrant")
		assert.Contains(t, logs, "Telemetry reporting disabled")
		entries := 0
		for line := range strings.Lines(logs) {
			if strings.HasPrefix(line, "{") {
				entries++
				assert.True(t, json.Valid([]byte(line)), line)
			}
		}
		assert.Positive(t, entries)
		assert.Contains(t, logs, `"level":"INFO"`, "what TestVariables looks for in vain")
	})
	t.Run("dashboard", func(t *testing.T) {
		if _, err := stack.exec(t.Context(), "qdrant", "test", "-d", "/qdrant/static"); err != nil {
			t.Skip("SKIP: this image was built without the web UI (/qdrant/static), so /dashboard was not asked for; the official one has it: docker pull " + images.QdrantDefault)
		}
		status, body, err := server.get(t.Context(), "/dashboard")
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, status)
		assert.Contains(t, string(body), "<html")
	})
	t.Run("stops in peace and keeps its data", func(t *testing.T) { keepsData(t, stack, server) })
}

// healthCheckTellsHanging runs the container's own health check, then again while Qdrant is frozen.
func healthCheckTellsHanging(t *testing.T, stack *stack) {
	test := stack.inspect(t, "qdrant").Config.Healthcheck.Test
	require.Equal(t, "CMD", test[0])
	_, err := stack.exec(t.Context(), "qdrant", test[1:]...)
	require.NoError(t, err, "of a server that answers")

	stack.must(t, "kill", "--signal", "STOP", "qdrant")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, err = stack.exec(ctx, "qdrant", test[1:]...)
	stack.must(t, "kill", "--signal", "CONT", "qdrant")
	require.Error(t, err, "of a server that hangs")
}

// keepsData takes the stack down, volumes apart, and up again.
func keepsData(t *testing.T, stack *stack, before server) {
	init, err := stack.exec(t.Context(), "qdrant", "cat", "/proc/1/comm")
	require.NoError(t, err)
	assert.Equal(t, "qdrant", init, "process 1, which gets the signal to stop")

	before.create(t, "kept")
	before.fill(t, "kept", 500)
	var snapshot struct {
		Name string `json:"name"`
	}
	before.result(t, http.MethodPost, "/collections/kept/snapshots", nil, &snapshot)

	start := time.Now()
	stack.must(t, "stop")
	t.Logf("stopped after %s", time.Since(start).Round(10*time.Millisecond))
	assert.Zero(t, stack.inspect(t, "qdrant").State.ExitCode)
	assert.Contains(t, stack.must(t, "logs", "--no-log-prefix", "qdrant"), "SIGTERM received; starting graceful shutdown")

	stack.must(t, "down")
	stack.must(t, "up", "--detach")
	after := stack.ready(t)
	assert.Equal(t, 500, after.count(t, "kept"))
	assert.Equal(t, 1, after.nearest(t, "kept"))
	var snapshots []struct {
		Name string `json:"name"`
	}
	after.result(t, http.MethodGet, "/collections/kept/snapshots", nil, &snapshots)
	require.Len(t, snapshots, 1)
	assert.Equal(t, snapshot.Name, snapshots[0].Name)
	assert.NotContains(t, stack.must(t, "logs", "--no-log-prefix", "qdrant"), "panic")
}

// Given every variable of the server changed, and keys, when the stack is up, then the server has the values, and each key allows
// what it is for. Keys set to nothing are no keys.
func TestVariables(t *testing.T) {
	t.Parallel()
	// What a password generator makes is not changed on its way through YAML and interpolation.
	const key, reader, spare = `main$key{"a"}=#1`, `read'er: $$ 2`, `${SPARE:-x} 3`
	stack := newStack(t, []string{"qdrant"}, map[string]string{
		"QDRANT_API_KEY":                key,
		"QDRANT_READ_ONLY_API_KEY":      reader,
		"QDRANT_ALT_API_KEY":            spare,
		"QDRANT_HNSW_M":                 "24",
		"QDRANT_HNSW_EF_CONSTRUCT":      "200",
		"QDRANT_FULL_SCAN_THRESHOLD_KB": "1234",
		"QDRANT_INDEXING_THRESHOLD_KB":  "2345",
		"QDRANT_MAX_SEARCH_THREADS":     "3",
		"QDRANT_CPUS":                   "1.5",
		"QDRANT_MEMORY":                 "2G",
		"QDRANT_NOFILE":                 "10000",
		"QDRANT_LOG_LEVEL":              "WARN",
	}, stackFile)
	stack.must(t, "up", "--detach")
	nobody := stack.ready(t)
	as := func(key string) server { return server{url: nobody.url, key: key} }

	t.Run("settings", func(t *testing.T) {
		as(key).create(t, "tuned")
		assert.Equal(t, tuning{
			M: 24, EfConstruct: 200, FullScanThreshold: 1234, IndexingThreshold: 2345, CPUSearchThreads: 3, IOSearchThreads: 3,
		}, as(key).tuned(t, "tuned"))
		host := stack.inspect(t, "qdrant").HostConfig
		assert.Equal(t, int64(15e8), host.NanoCpus)
		assert.Equal(t, int64(2<<30), host.Memory)
		require.Len(t, host.Ulimits, 1)
		assert.Equal(t, 10000, host.Ulimits[0].Soft)
		assert.NotContains(t, stack.must(t, "logs", "--no-log-prefix", "qdrant"), `"level":"INFO"`)
	})
	t.Run("keys", func(t *testing.T) {
		assert.Len(t, keysIn(t, stack), 3)
		for _, test := range []struct {
			who, key    string
			read, write int
		}{
			{"nobody", "", http.StatusUnauthorized, http.StatusUnauthorized},
			{"wrong", "wrong", http.StatusUnauthorized, http.StatusUnauthorized},
			{"reader", reader, http.StatusOK, http.StatusForbidden},
			{"key", key, http.StatusOK, http.StatusOK},
			{"alternative key", spare, http.StatusOK, http.StatusOK},
		} {
			assert.Equal(t, test.read, as(test.key).status(t, http.MethodGet, "/collections", nil), "%s reads", test.who)
			assert.Equal(t, test.write, as(test.key).status(t, http.MethodPatch, "/collections/tuned", map[string]any{}), "%s writes", test.who)
		}
		_, err := stack.grpc(t, "").ListCollections(t.Context())
		assert.Equal(t, codes.Unauthenticated, status.Code(err), "gRPC without a key: %v", err)
		_, err = stack.grpc(t, key).ListCollections(t.Context())
		require.NoError(t, err, "gRPC with the key")
	})
	t.Run("health and metrics need none", func(t *testing.T) {
		test := stack.inspect(t, "qdrant").Config.Healthcheck.Test
		_, err := stack.exec(t.Context(), "qdrant", test[1:]...)
		require.NoError(t, err)

		assert.Equal(t, http.StatusUnauthorized, nobody.status(t, http.MethodGet, "/metrics", nil), "on the published port")
		metrics, err := stack.exec(t.Context(), "qdrant", "bash", "-c",
			`exec 3<>/dev/tcp/127.0.0.1/6336; printf 'GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&3; cat <&3`)
		require.NoError(t, err)
		assert.Contains(t, metrics, "app_info", "on the port that only the stack's network has")
	})
	t.Run("empty is none", func(t *testing.T) {
		for _, name := range []string{"QDRANT_API_KEY", "QDRANT_READ_ONLY_API_KEY", "QDRANT_ALT_API_KEY"} {
			stack.env[name] = ""
		}
		stack.must(t, "up", "--detach")
		open := stack.ready(t)
		assert.Empty(t, keysIn(t, stack))
		assert.Equal(t, http.StatusOK, open.status(t, http.MethodGet, "/collections/tuned", nil))
		_, err := stack.grpc(t, "").Count(t.Context(), &qdrant.CountPoints{CollectionName: "tuned"})
		require.NoError(t, err)
	})
}

// keysIn returns the keys' variables that Qdrant was started with. One that is empty would turn authentication on.
func keysIn(t *testing.T, stack *stack) []string {
	t.Helper()
	environ, err := stack.exec(t.Context(), "qdrant", "cat", "/proc/1/environ")
	require.NoError(t, err)
	require.Contains(t, environ, "QDRANT__LOGGER__FORMAT=json", "the environment of process 1")
	var keys []string
	for entry := range strings.SplitSeq(environ, "\x00") {
		if name, value, _ := strings.Cut(entry, "="); strings.HasSuffix(name, "API_KEY") {
			keys = append(keys, fmt.Sprintf("%s (%d characters)", name, len(value)))
		}
	}
	return keys
}
