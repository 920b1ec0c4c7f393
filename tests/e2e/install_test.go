//go:build e2e

package e2e

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/wordvectors"
	"github.com/qdrant-shepherd/shepherd/internal/workload"
	"github.com/qdrant-shepherd/shepherd/tests/internal/release"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// TestInstall: Given a namespace under Pod Security "restricted" and a Secret with keys; When production's values are installed; Then
// three peers form one cluster on three nodes, run with every tuned setting, and do what a vector database is for.
func TestInstall(t *testing.T) {
	c := requireCluster(t)
	d := install(t, c)

	t.Run("no_container_was_restarted", func(t *testing.T) {
		for _, pod := range d.Pods(t) {
			assert.Zerof(t, pod.Status.ContainerStatuses[0].RestartCount, "%s waits for the peer that it joins through", pod.Name)
		}
	})
	t.Run("each_peer_on_a_node_of_its_own", func(t *testing.T) {
		nodes := map[string]string{}
		for _, pod := range d.Pods(t) {
			assert.Emptyf(t, nodes[pod.Spec.NodeName], "%s shares its node", pod.Name)
			nodes[pod.Spec.NodeName] = pod.Name
		}
	})
	t.Run("the_server_is_process_1_and_sees_no_token", func(t *testing.T) {
		for _, pod := range d.Pods(t) {
			out, err := c.Bash(t.Context(), d.namespace, pod.Name, `cat /proc/1/comm; grep 'Max open files' /proc/1/limits | awk '{print ($4 == $5)}'; ls /var/run/secrets 2>&1 || true`)
			require.NoError(t, err)
			assert.Contains(t, out, "qdrant\n1\n", "the server is PID 1, with its soft limit of open files at the hard one")
			assert.Contains(t, out, "No such file", "no service account token")
		}
	})
	t.Run("settings_are_in_force", func(t *testing.T) { testSettings(t, d) })
	t.Run("keys", func(t *testing.T) { testKeys(t, d) })
	t.Run("network_policy", func(t *testing.T) { testNetworkPolicy(t, d) })
	t.Run("vectors", func(t *testing.T) { testVectors(t, d) })
	t.Run("helm_test", func(t *testing.T) {
		out := d.Test(t)
		assert.Contains(t, out, "is one of 3 peers")
		assert.Contains(t, out, "refused without the key")
	})
	t.Run("services_lead_where_they_should", func(t *testing.T) {
		for name, ports := range map[string]int{"": 2, "-clients": 2, "-headless": 4} {
			service, err := c.CoreV1().Services(d.namespace).Get(t.Context(), d.Fullname()+name, metav1.GetOptions{})
			require.NoError(t, err)
			assert.Lenf(t, service.Spec.Ports, ports, "ports of %s", service.Name)
		}
		service, err := c.CoreV1().Services(d.namespace).Get(t.Context(), d.Fullname(), metav1.GetOptions{})
		require.NoError(t, err)
		assert.Equal(t, "ClientIP", string(service.Spec.SessionAffinity))
	})
	t.Run("logs_are_json_and_the_audit_log_is_written", func(t *testing.T) {
		pod := d.Pods(t)[0].Name
		text, err := c.Logs(t.Context(), d.namespace, pod, "qdrant", false)
		require.NoError(t, err)
		var entry struct{ Level string }
		require.NoErrorf(t, json.Unmarshal([]byte(lastLine(text)), &entry), "the last line: %s", lastLine(text))
		assert.NotEmpty(t, entry.Level)
		out, err := c.Bash(t.Context(), d.namespace, pod, "ls /qdrant/storage/audit")
		require.NoError(t, err)
		assert.NotEmpty(t, out)
	})
}

// testSettings reads back what values-prod and values-kind set; the server ignores a key that it does not know without a word.
func testSettings(t *testing.T, d *deployment) {
	db := d.connect(t, d.keys["api-key"])
	const name = "settings"
	require.NoError(t, workload.Create(t.Context(), db, workload.Collection{Name: name, Dim: 8}))
	defer func() { require.NoError(t, workload.Drop(t.Context(), db, name)) }()

	err := d.eachPeer(t.Context(), func(pod string, peer *clusterapi.Client) error {
		collection, err := peer.Collection(t.Context(), name)
		if err != nil {
			return err
		}
		config := collection.Config
		assert.Equal(t, 64, config.HNSW.M, "hnsw.m")
		assert.Equal(t, 1024, config.HNSW.EFConstruct, "hnsw.efConstruct")
		assert.Equal(t, 60000, config.HNSW.FullScanThreshold, "hnsw.fullScanThresholdKb")
		assert.Equal(t, 8, config.HNSW.MaxIndexingThreads, "hnsw.maxIndexingThreads")
		assert.Equal(t, new(60000), config.Optimizers.IndexingThreshold, "optimizers.indexingThresholdKb")
		assert.Equal(t, new(4), config.Optimizers.MaxOptimizationThreads, "optimizers.maxOptimizationThreads")
		assert.Equal(t, 2, config.Params.ReplicationFactor, "collection.replicationFactor")
		assert.Equal(t, 6, config.Params.ShardNumber, "collection.shardNumber")
		assert.JSONEq(t, `{"size":8,"distance":"Cosine","on_disk":true}`, string(config.Params.Vectors), "collection.vectorsOnDisk")
		assert.JSONEq(t, `{"enabled":true,"max_disk_usage_percent":100}`, string(config.StrictMode), "strictMode")

		raw, err := peer.Telemetry(t.Context(), 10)
		if err != nil {
			return err
		}
		var telemetry struct {
			SearchPool struct {
				HighCPUThreads int `json:"high_cpu_threads"`
			} `json:"search_pool"`
			App struct {
				Audit struct {
					Dir      string
					Rotation string
				}
			}
			Cluster struct {
				Config struct {
					Consensus struct {
						TickPeriodMs int `json:"tick_period_ms"`
					}
				}
			}
		}
		require.NoError(t, json.Unmarshal(raw, &telemetry))
		assert.Equal(t, 8, telemetry.SearchPool.HighCPUThreads, "performance.maxSearchThreads")
		assert.Equal(t, "/qdrant/storage/audit", telemetry.App.Audit.Dir, "audit.enabled")
		assert.Equal(t, 100, telemetry.Cluster.Config.Consensus.TickPeriodMs, "cluster.tickPeriodMs")

		// What no API tells: where scratch space is, and that nothing is sent home.
		out, err := d.cluster.Bash(t.Context(), d.namespace, pod, "ls -d /qdrant/scratch/tmp 2>&1")
		if err != nil {
			return err
		}
		assert.Equal(t, "/qdrant/scratch/tmp\n", out, "persistence.scratch")
		log, err := d.cluster.Logs(t.Context(), d.namespace, pod, "qdrant", false)
		if err != nil {
			return err
		}
		assert.Contains(t, log, "Telemetry reporting disabled", "telemetry.enabled")
		return nil
	})
	require.NoError(t, err)
}

// testVectors does what users do, over real vectors: the graph is built and searched, with filters, updates and deletes.
func testVectors(t *testing.T, d *deployment) {
	const name = "words"
	count := 20_000
	if full() {
		count = 100_000
	}
	db := d.connect(t, d.keys["api-key"])
	words, err := wordvectors.Load(t.Context(), count)
	require.NoError(t, err)

	require.NoError(t, workload.Create(t.Context(), db, workload.Words(name, 3, 2)))
	require.NoError(t, workload.CreatePayloadIndexes(t.Context(), db, name))
	loaded, err := workload.Load(t.Context(), db, name, words.Base)
	require.NoError(t, err)
	t.Logf("FIGURE loaded %d points at %.0f/s", loaded.Points, loaded.PerSecond())
	indexed, err := workload.Index(t.Context(), db, name)
	require.NoError(t, err)
	t.Logf("FIGURE indexed: %+v", indexed)

	recall, err := workload.MeasureRecall(t.Context(), db, name, words.Base, words.Queries.Vectors[:200], workload.Search{EF: 128})
	require.NoError(t, err)
	t.Logf("FIGURE graph, ef 128: %s", recall)
	assert.GreaterOrEqual(t, recall.Value, 0.95)
	exact, err := workload.MeasureRecall(t.Context(), db, name, words.Base, words.Queries.Vectors[:50], workload.Search{Exact: true})
	require.NoError(t, err)
	assert.GreaterOrEqual(t, exact.Value, 0.999, "an exact search finds the true neighbours")

	filtered, err := workload.CheckFilters(t.Context(), db, name, words.Base, words.Queries.Vectors[:20])
	require.NoError(t, err)
	t.Logf("FIGURE filtered: %+v", filtered)
	changed, err := workload.CheckChanges(t.Context(), db, name, words.Base)
	require.NoError(t, err)
	t.Logf("FIGURE changed: %+v", changed)
	scores, err := workload.CheckDistances(t.Context(), db, "distance")
	require.NoError(t, err)
	t.Logf("FIGURE %d scores of four distances agree with our own", scores)
	require.NoError(t, workload.Drop(t.Context(), db, name))
}

// TestUninstall: Given a release with data; When it is uninstalled, and installed again under its name; Then its volumes have stayed,
// and the new release is the old cluster with all of its data.
func TestUninstall(t *testing.T) {
	t.Parallel()
	c := requireCluster(t)
	d := install(t, c)
	const name = "kept"
	words, err := wordvectors.Frequent(1000)
	require.NoError(t, err)
	db := d.connect(t, d.keys["api-key"])
	require.NoError(t, workload.Create(t.Context(), db, workload.Words(name, 3, 2)))
	_, err = workload.Load(t.Context(), db, name, words.Base)
	require.NoError(t, err)
	before, peers := d.claims(t), d.peerIDs(t)

	step(t, "uninstall", func() {
		d.Uninstall(t)
		require.NoError(t, c.WaitPodsGone(t.Context(), d.namespace, d.Selector(), timeouts.PodGone))
	})
	step(t, "install again", func() {
		d.Install(t, release.Chart, d.values(t))
		d.WaitReady(t, 3)
		d.awaitOneCluster(t, 3)
	})
	after := d.claims(t)
	maps.DeleteFunc(before, func(claim string, _ types.UID) bool { return strings.HasSuffix(claim, "-scratch") }) // it goes with its pod
	require.Len(t, before, 6, "data and snapshots of three pods")
	for claim, uid := range before {
		assert.Equalf(t, uid, after[claim], "the volume %s is the same", claim)
	}
	assert.Equal(t, peers, d.peerIDs(t), "the peers are the same")
	require.NoError(t, workload.RequireWords(t.Context(), d.connect(t, d.keys["api-key"]), name, words.Base))
}

// peerIDs are the ids of the peers, by pod.
func (d *deployment) peerIDs(t *testing.T) map[string]clusterapi.PeerID {
	t.Helper()
	ids := map[string]clusterapi.PeerID{}
	require.NoError(t, d.eachPeer(t.Context(), func(pod string, peer *clusterapi.Client) error {
		view, err := peer.Cluster(t.Context())
		ids[pod] = view.PeerID
		return err
	}))
	return ids
}
