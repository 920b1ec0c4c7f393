package qdrantprocess_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/qdrantprocess"
)

// get reads the view of the cluster that a server has.
func get(t *testing.T, server *qdrantprocess.Server, key string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL()+"/cluster", nil)
	require.NoError(t, err)
	request.Header.Set("api-key", key)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, string(body))
	return string(body)
}

func TestThreeServersFormACluster(t *testing.T) {
	t.Parallel()
	cluster := qdrantprocess.Start(t, 3, qdrantprocess.Options{APIKey: "sesame"})
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()

	assert.Equal(t, 3, strings.Count(get(t, cluster.Servers[2], "sesame"), `"uri"`), "each peer has an address")

	second := cluster.Servers[1]
	require.NoError(t, second.Stop(), "a stop that is asked for is graceful")
	assert.False(t, second.Running())
	require.NoError(t, second.Start(ctx))
	require.NoError(t, cluster.AwaitReady(ctx))

	second.Kill()
	assert.False(t, second.Running())
	require.ErrorContains(t, cluster.Servers[0].LoseVolume(), "it is running")
	require.NoError(t, second.LoseVolume())
	assert.NoDirExists(t, second.Storage())
	require.NoError(t, second.Start(ctx), "a peer that held no shards may come back under its old address")
	require.NoError(t, cluster.AwaitReady(ctx))
}

func TestASingleServer(t *testing.T) {
	t.Parallel()
	cluster := qdrantprocess.Start(t, 1, qdrantprocess.Options{Single: true, Env: []string{"QDRANT__STORAGE__HNSW_INDEX__M=48"}})

	assert.Contains(t, get(t, cluster.Servers[0], ""), `"status":"disabled"`)
}

func TestAServerThatCannotStartSaysWhy(t *testing.T) {
	if os.Getenv("QDRANT_BIN") == "" {
		t.Skip("SKIP: QDRANT_BIN is not set; set it to the path of a Qdrant server binary")
	}
	cluster := qdrantprocess.Start(t, 1, qdrantprocess.Options{Single: true})
	server := cluster.Servers[0]
	require.NoError(t, server.Stop())
	require.NoError(t, server.LoseVolume())
	require.NoError(t, os.WriteFile(filepath.Join(server.Directory, "storage"), nil, 0o600))

	require.ErrorContains(t, server.Start(t.Context()), "waiting for q-0 to start: it ended at once")
}
