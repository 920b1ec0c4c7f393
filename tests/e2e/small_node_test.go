//go:build e2e

package e2e

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/repository"
	"github.com/qdrant-shepherd/shepherd/internal/workload"
	"github.com/qdrant-shepherd/shepherd/tests/internal/registry"
	"github.com/qdrant-shepherd/shepherd/tests/internal/release"
)

// TestSmallNode: Given a small cluster without keys or Prometheus; When the chart is installed from a registry with the development
// values; Then one peer is up, with the guide's development tuning, and passes the chart's own test.
func TestSmallNode(t *testing.T) {
	t.Parallel()
	c := requireCluster(t)
	d := prepare(t, c)
	d.keys["api-key"] = "" // the development values have none
	charts := "oci://" + registry.Start(t) + "/charts"
	step(t, "the chart into a registry", func() {
		root, err := repository.Root()
		require.NoError(t, err)
		packed := t.TempDir()
		out, err := d.Helm(t, "package", "--destination", packed, filepath.Join(root, release.Chart))
		require.NoError(t, err, out)
		archives, err := filepath.Glob(filepath.Join(packed, "qdrant-*.tgz"))
		require.NoError(t, err)
		require.Len(t, archives, 1)
		out, err = d.Helm(t, "push", archives[0], charts, "--plain-http")
		require.NoError(t, err, out)
	})
	d.Install(t, charts+"/qdrant", release.Values{Files: []string{"values/values-dev.yaml"}, YAML: []string{d.clients(t)}, Args: []string{"--plain-http"}})
	d.WaitReady(t, 1)
	d.awaitOneCluster(t, 1)
	assert.Contains(t, d.Notes(t), "API key: everyone who can reach the server can read, write and delete")
	assert.Contains(t, d.Test(t), "two points written, the nearest one found")

	const name = "settings"
	require.NoError(t, workload.Create(t.Context(), d.connect(t, ""), workload.Collection{Name: name, Dim: 8}))
	require.NoError(t, d.eachPeer(t.Context(), func(_ string, peer *clusterapi.Client) error {
		collection, err := peer.Collection(t.Context(), name)
		if err != nil {
			return err
		}
		assert.Equal(t, 48, collection.Config.HNSW.M)
		assert.Equal(t, 512, collection.Config.HNSW.EFConstruct)
		assert.Equal(t, new(60000), collection.Config.Optimizers.IndexingThreshold)
		assert.Equal(t, 1, collection.Config.Params.ReplicationFactor)
		return nil
	}))
}
