package render

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/internal/gen/schema"
	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
)

// number is how Qdrant has to see a number: digits, never 1e+09, which it would refuse for an integer.
type number = json.Number

// setting is a path of production.yaml, the values that set it, and what is to stand there.
type setting struct {
	path   string
	values string
	want   any
}

// settings has one line for each path that the chart writes.
var settings = []setting{
	{"log_level", `logging: {level: "INFO,storage=DEBUG"}`, "INFO,storage=DEBUG"},
	{"logger.format", `logging: {format: text}`, "text"},
	{"telemetry_disabled", `telemetry: {enabled: true}`, false},
	{"service.host", `service: {ipFamilyPolicy: PreferDualStack}`, "::"},
	{"service.http_port", ``, number("6333")},
	{"service.grpc_port", ``, number("6334")},
	{"service.metrics_port", ``, number("6336")},
	{"service.metrics_prefix", `metrics: {prefix: qdrant_}`, "qdrant_"},
	{"service.max_request_size_mb", `server: {maxRequestSizeMb: 64}`, number("64")},
	{"service.max_workers", `server: {maxWorkers: 7}`, number("7")},
	{"service.enable_cors", `server: {cors: true}`, true},
	{"service.enable_static_content", `server: {dashboard: false}`, false},
	{"service.slow_query_secs", `server: {slowQuerySecs: 0.5}`, number("0.5")},
	{"service.enable_tls", `tls: {enabled: true, existingSecret: s}`, true},
	{"service.enforce_internal_auth", `auth: {existingSecret: s, enforceInternal: true}`, true},
	{"tls.cert", `tls: {enabled: true, existingSecret: s, certKey: c.pem}`, "/qdrant/tls/c.pem"},
	{"tls.key", `tls: {enabled: true, existingSecret: s, keyKey: k.pem}`, "/qdrant/tls/k.pem"},
	{"tls.ca_cert", `tls: {enabled: true, existingSecret: s, caKey: a.pem}`, "/qdrant/tls/a.pem"},
	{"tls.cert_ttl", `tls: {enabled: true, existingSecret: s, reloadSec: 60}`, number("60")},
	{"cluster.enabled", `{replicas: 1, cluster: {enabled: false}}`, false},
	{"cluster.p2p.port", ``, number("6335")},
	{"cluster.p2p.enable_tls", `tls: {enabled: true, existingSecret: s}`, true},
	{"cluster.consensus.tick_period_ms", `cluster: {tickPeriodMs: 50}`, number("50")},
	{"cluster.consensus.bootstrap_timeout_sec", `cluster: {bootstrapTimeoutSec: 30}`, number("30")},
	{"cluster.grpc_timeout_ms", `cluster: {grpcTimeoutMs: 1000}`, number("1000")},
	{"cluster.connection_timeout_ms", `cluster: {connectionTimeoutMs: 500}`, number("500")},
	{"storage.storage_path", ``, "/qdrant/storage"},
	{"storage.snapshots_path", ``, "/qdrant/snapshots"},
	{"storage.temp_path", ``, "/qdrant/scratch"},
	{"storage.on_disk_payload", `collection: {payloadOnDisk: false}`, false},
	{"storage.update_concurrency", `performance: {updateConcurrency: 2}`, number("2")},
	{"storage.wal.wal_capacity_mb", `wal: {capacityMb: 16}`, number("16")},
	{"storage.wal.wal_segments_ahead", `wal: {segmentsAhead: 2}`, number("2")},
	{"storage.performance.max_search_threads", `performance: {maxSearchThreads: 8}`, number("8")},
	{"storage.performance.optimizer_cpu_budget", `performance: {optimizerCpuBudget: -1}`, number("-1")},
	{"storage.performance.update_rate_limit", `performance: {updateRateLimit: 9}`, number("9")},
	{"storage.performance.search_timeout_sec", `performance: {searchTimeoutSec: 5}`, number("5")},
	{"storage.performance.incoming_shard_transfers_limit", `performance: {incomingShardTransfersLimit: 3}`, number("3")},
	{"storage.performance.outgoing_shard_transfers_limit", `performance: {outgoingShardTransfersLimit: 4}`, number("4")},
	{"storage.performance.async_scorer", `performance: {asyncScorer: true}`, true},
	{"storage.optimizers.indexing_threshold_kb", `optimizers: {indexingThresholdKb: 0}`, number("0")},
	{"storage.optimizers.max_optimization_threads", `optimizers: {maxOptimizationThreads: 0}`, number("0")},
	{"storage.optimizers.default_segment_number", `optimizers: {defaultSegmentNumber: 4}`, number("4")},
	{"storage.optimizers.max_segment_size_kb", `optimizers: {maxSegmentSizeKb: 1000000000}`, number("1000000000")},
	{"storage.optimizers.deleted_threshold", `optimizers: {deletedThreshold: 0.25}`, number("0.25")},
	{"storage.optimizers.vacuum_min_vector_number", `optimizers: {vacuumMinVectorNumber: 2000}`, number("2000")},
	{"storage.optimizers.flush_interval_sec", `optimizers: {flushIntervalSec: 10}`, number("10")},
	{"storage.optimizers.prevent_unoptimized", `optimizers: {preventUnoptimized: false}`, false},
	{"storage.hnsw_index.m", `hnsw: {m: 0}`, number("0")},
	{"storage.hnsw_index.ef_construct", `hnsw: {efConstruct: 1024}`, number("1024")},
	{"storage.hnsw_index.full_scan_threshold_kb", `hnsw: {fullScanThresholdKb: 60000}`, number("60000")},
	{"storage.hnsw_index.max_indexing_threads", `hnsw: {maxIndexingThreads: 8}`, number("8")},
	{"storage.hnsw_index.on_disk", `hnsw: {onDisk: true}`, true},
	{"storage.collection.replication_factor", `collection: {replicationFactor: 3}`, number("3")},
	{"storage.collection.write_consistency_factor", `collection: {writeConsistencyFactor: 2}`, number("2")},
	{"storage.collection.shard_number", `collection: {shardNumber: 12}`, number("12")},
	{"storage.collection.shard_number_per_node", `collection: {shardNumberPerNode: 2}`, number("2")},
	{"storage.collection.vectors.on_disk", `collection: {vectorsOnDisk: false}`, false},
	{"storage.collection.quantization", `collection: {quantization: {scalar: {type: int8, quantile: 0.99, always_ram: false}}}`,
		map[string]any{"scalar": map[string]any{"type": "int8", "quantile": number("0.99"), "always_ram": false}}},
	{"storage.collection.strict_mode.enabled", `strictMode: {enabled: false}`, false},
	{"storage.collection.strict_mode.max_query_limit", `strictMode: {enabled: true, maxQueryLimit: 1000}`, number("1000")},
	{"storage.collection.strict_mode.max_timeout", `strictMode: {enabled: true, maxTimeout: 10}`, number("10")},
	{"storage.collection.strict_mode.unindexed_filtering_retrieve", `strictMode: {enabled: true, unindexedFilteringRetrieve: false}`, false},
	{"storage.collection.strict_mode.unindexed_filtering_update", `strictMode: {enabled: true, unindexedFilteringUpdate: false}`, false},
	{"storage.collection.strict_mode.search_max_hnsw_ef", `strictMode: {enabled: true, searchMaxHnswEf: 512}`, number("512")},
	{"storage.collection.strict_mode.search_allow_exact", `strictMode: {enabled: true, searchAllowExact: false}`, false},
	{"storage.collection.strict_mode.search_max_oversampling", `strictMode: {enabled: true, searchMaxOversampling: 2.5}`, number("2.5")},
	{"storage.collection.strict_mode.upsert_max_batchsize", `strictMode: {enabled: true, upsertMaxBatchsize: 100}`, number("100")},
	{"storage.collection.strict_mode.read_rate_limit", `strictMode: {enabled: true, readRateLimit: 600}`, number("600")},
	{"storage.collection.strict_mode.write_rate_limit", `strictMode: {enabled: true, writeRateLimit: 60}`, number("60")},
	{"storage.collection.strict_mode.max_collection_vector_size_bytes", `strictMode: {enabled: true, maxCollectionVectorSizeBytes: 1000000000000}`, number("1000000000000")},
	{"storage.collection.strict_mode.max_collection_payload_size_bytes", `strictMode: {enabled: true, maxCollectionPayloadSizeBytes: 1000000000}`, number("1000000000")},
	{"storage.collection.strict_mode.max_points_count", `strictMode: {enabled: true, maxPointsCount: 2147483648}`, number("2147483648")},
	{"storage.collection.strict_mode.filter_max_conditions", `strictMode: {enabled: true, filterMaxConditions: 20}`, number("20")},
	{"storage.collection.strict_mode.condition_max_size", `strictMode: {enabled: true, conditionMaxSize: 30}`, number("30")},
	{"storage.collection.strict_mode.max_payload_index_count", `strictMode: {enabled: true, maxPayloadIndexCount: 0}`, number("0")},
	{"storage.collection.strict_mode.max_resident_memory_percent", `strictMode: {enabled: true, maxResidentMemoryPercent: 85}`, number("85")},
	{"storage.collection.strict_mode.max_disk_usage_percent", `strictMode: {enabled: true, maxDiskUsagePercent: 90}`, number("90")},
	{"audit.enabled", `audit: {enabled: true}`, true},
	{"audit.dir", `audit: {enabled: true}`, "/qdrant/storage/audit"},
	{"audit.rotation", `audit: {enabled: true, rotation: hourly}`, "hourly"},
	{"audit.max_log_files", `audit: {enabled: true, maxLogFiles: 30}`, number("30")},
	{"audit.trust_forwarded_headers", `audit: {enabled: true, trustForwardedHeaders: true}`, true},
}

func TestEveryTypedValueLandsAtItsPath(t *testing.T) {
	t.Parallel()
	require.NotEmpty(t, settings)
	for _, s := range settings {
		t.Run(s.path, func(t *testing.T) {
			t.Parallel()
			got, found := chart.At(chart.Render(t, s.values).Config(t), s.path)
			require.True(t, found, "%s is not set by %s", s.path, s.values)
			assert.Equal(t, s.want, got)
		})
	}
}

// A new row of _config.tpl, or a new limit of strictMode, needs a line in the table above.
func TestEveryPathOfTheConfigIsTested(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{}
	for _, s := range settings {
		assert.False(t, tested[s.path], "%s stands twice", s.path)
		tested[s.path] = true
	}
	template, err := os.ReadFile(filepath.Join(chart.Dir(), "templates", "_config.tpl"))
	require.NoError(t, err)
	rows := regexp.MustCompile(`\(list "([a-z0-9_.]+)" `).FindAllSubmatch(template, -1)
	require.NotEmpty(t, rows)
	for _, row := range rows {
		assert.True(t, tested[string(row[1])], "no line in the table for %s", row[1])
	}
	for path := range tested {
		if !strings.HasPrefix(path, "storage.collection.strict_mode.") {
			assert.True(t, slices.ContainsFunc(rows, func(row [][]byte) bool { return string(row[1]) == path }), "the chart never writes %s", path)
		}
	}

	limits := 0
	for _, key := range declared(t) {
		if strings.HasPrefix(key.Path, "strictMode.") {
			limits++
		}
	}
	for path := range tested {
		if strings.HasPrefix(path, "storage.collection.strict_mode.") {
			limits--
		}
	}
	assert.Zero(t, limits, "limits of strictMode without a line in the table")
}

// Paths that are written only where a value asks for them: null leaves the server's own default.
func TestNullLeavesTheServersDefault(t *testing.T) {
	t.Parallel()
	config := chart.Render(t, `persistence: {scratch: {enabled: false}}`).Config(t)
	for _, path := range []string{
		"service.slow_query_secs", "service.enforce_internal_auth", "service.metrics_prefix", "tls", "audit",
		"cluster.grpc_timeout_ms", "cluster.connection_timeout_ms", "storage.temp_path", "storage.update_concurrency",
		"storage.performance.update_rate_limit", "storage.performance.search_timeout_sec",
		"storage.performance.incoming_shard_transfers_limit", "storage.performance.outgoing_shard_transfers_limit",
		"storage.optimizers.max_optimization_threads", "storage.optimizers.max_segment_size_kb", "storage.optimizers.prevent_unoptimized",
		"storage.collection.write_consistency_factor", "storage.collection.shard_number", "storage.collection.shard_number_per_node",
		"storage.collection.vectors", "storage.collection.quantization", "storage.collection.strict_mode",
	} {
		got, found := chart.At(config, path)
		assert.False(t, found, "%s is %v", path, got)
		written := slices.ContainsFunc(settings, func(s setting) bool { return s.path == path || strings.HasPrefix(s.path, path+".") })
		assert.True(t, written, "no value writes %s, so it says nothing that it is not there", path)
	}
}

func TestReplicationFactor(t *testing.T) {
	t.Parallel()
	each(t, map[string]struct{ values, want string }{
		"nobody, for a while":   {`replicas: 0`, "2"},
		"one peer":              {`replicas: 1`, "1"},
		"two peers":             {`replicas: 2`, "1"},
		"three peers":           {`replicas: 3`, "2"},
		"seven peers":           {`replicas: 7`, "2"},
		"as the value says":     {`{replicas: 3, collection: {replicationFactor: 1}}`, "1"},
		"as many as peers":      {`{replicas: 2, collection: {replicationFactor: 2}}`, "2"},
		"null is the default's": {`{replicas: 3, collection: {replicationFactor: null}}`, "2"},
	}, func(t *testing.T, c struct{ values, want string }) {
		got, _ := chart.At(chart.Render(t, c.values).Config(t), "storage.collection.replication_factor")
		assert.Equal(t, number(c.want), got)
	})
}

// config is merged over what the typed values make; what is not in it stays.
func TestConfigIsMergedOver(t *testing.T) {
	t.Parallel()
	each(t, map[string]setting{
		"a new key":                  {"storage.low_memory_mode", `config: {storage: {low_memory_mode: no_populate}}`, "no_populate"},
		"over a typed number":        {"storage.hnsw_index.m", `{hnsw: {m: 16}, config: {storage: {hnsw_index: {m: 32}}}}`, number("32")},
		"0 over a number":            {"storage.hnsw_index.m", `{hnsw: {m: 16}, config: {storage: {hnsw_index: {m: 0}}}}`, number("0")},
		"false over true":            {"storage.on_disk_payload", `{collection: {payloadOnDisk: true}, config: {storage: {on_disk_payload: false}}}`, false},
		"true over false":            {"service.enable_cors", `{server: {cors: false}, config: {service: {enable_cors: true}}}`, true},
		"an empty text over a text":  {"log_level", `config: {log_level: ""}`, ""},
		"neighbours stay":            {"storage.hnsw_index.ef_construct", `{hnsw: {efConstruct: 77}, config: {storage: {hnsw_index: {payload_m: 8}}}}`, number("77")},
		"a large number stays whole": {"storage.optimizers.max_segment_size_kb", `config: {storage: {optimizers: {max_segment_size_kb: 1000000000}}}`, number("1000000000")},
		"a larger one too":           {"storage.collection.strict_mode.max_points_count", `config: {storage: {collection: {strict_mode: {max_points_count: 9007199254740991}}}}`, number("9007199254740991")},
		"a list":                     {"gpu.devices", `config: {gpu: {devices: ["0", "1"]}}`, []any{"0", "1"}},
	}, func(t *testing.T, s setting) {
		o := chart.Render(t, s.values)
		got, found := chart.At(o.Config(t), s.path)
		require.True(t, found, s.path)
		assert.Equal(t, s.want, got)
		assert.NotRegexp(t, `\d[eE]\+`, o.ConfigMap(t, chart.Fullname).Data["production.yaml"], "a number in scientific notation is no integer")
	})
}

func TestListenAddress(t *testing.T) {
	t.Parallel()
	each(t, map[string]struct{ values, want string }{
		"IPv4 alone":         {``, "0.0.0.0"},
		"both":               {`service: {ipFamilyPolicy: RequireDualStack}`, "::"},
		"IPv6 alone":         {`service: {ipFamilyPolicy: SingleStack, ipFamilies: [IPv6]}`, "::"},
		"IPv4, so named":     {`service: {ipFamilyPolicy: SingleStack, ipFamilies: [IPv4]}`, "0.0.0.0"},
		"IPv6 in the second": {`service: {ipFamilies: [IPv4, IPv6]}`, "::"},
	}, func(t *testing.T, c struct{ values, want string }) {
		host, _ := chart.At(chart.Render(t, c.values).Config(t), "service.host")
		assert.Equal(t, c.want, host)
	})
}

// The tuning that the project was asked for, in the words that the server takes.
func TestProductionSettings(t *testing.T) {
	t.Parallel()
	config := chart.Render(t, ``, chart.Scenario("values-prod.yaml")).Config(t)
	want := map[string]any{
		"storage.hnsw_index.m":                        number("64"),
		"storage.hnsw_index.ef_construct":             number("1024"),
		"storage.hnsw_index.max_indexing_threads":     number("8"),
		"storage.hnsw_index.full_scan_threshold_kb":   number("60000"),
		"storage.performance.max_search_threads":      number("8"),
		"storage.optimizers.max_optimization_threads": number("4"),
		"storage.collection.vectors.on_disk":          true,
		"storage.collection.replication_factor":       number("2"),
		"storage.collection.strict_mode.enabled":      true,
		"telemetry_disabled":                          true,
		"logger.format":                               "json",
		"audit.enabled":                               true,
	}
	for _, path := range slices.Sorted(maps.Keys(want)) {
		got, _ := chart.At(config, path)
		assert.Equal(t, want[path], got, path)
	}
	server := chart.Render(t, ``, chart.Scenario("values-prod.yaml")).Server(t)
	assert.Equal(t, []string{"1", "4Gi", "4", "16Gi"}, []string{
		server.Resources.Requests.Cpu().String(), server.Resources.Requests.Memory().String(),
		server.Resources.Limits.Cpu().String(), server.Resources.Limits.Memory().String()})
}

// declared are the keys of the chart's values.
func declared(t *testing.T) []schema.Key {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chart.Dir(), "values.yaml"))
	require.NoError(t, err)
	keys, err := schema.Keys(text)
	require.NoError(t, err)
	require.NotEmpty(t, keys)
	return keys
}
