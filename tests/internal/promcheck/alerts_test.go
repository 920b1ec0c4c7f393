package promcheck

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// alertCases has, for each alert, series on which it has to fire and series on which it must not. A sample a minute, in the
// notation of promtool: `5x90` is 5 for 90 minutes, `0+2x90` rises by 2 each minute. x600 makes the evaluation last that long too.
var alertCases = map[string]struct {
	fires  []string
	silent []string
}{
	"QdrantInstanceDown": {
		fires:  []string{`up{job="qdrant", instance="a"} 0x90`},
		silent: []string{`up{job="qdrant", instance="a"} 1x90`, `up{job="qdrant", instance="a"} 0 1x90`, `up{job="other", instance="a"} 0x90`},
	},
	"QdrantAbsent": {
		fires:  []string{`up{job="other", instance="a"} 1x90`},
		silent: []string{`up{job="qdrant", instance="a"} 0x90`},
	},
	"QdrantRecoveryMode": {
		fires:  []string{`app_status_recovery_mode{job="qdrant"} 1x90`},
		silent: []string{`app_status_recovery_mode{job="qdrant"} 0x90`},
	},
	"QdrantQuorumLost": {
		fires: []string{
			up(1, 0, 0) + peersAt("a", 3),
			up(1, 0) + peersAt("a", 2),
			// Another release with all its peers does not make up for it.
			up(1, 0, 0) + peersAt("a", 3) + `
				up{job="qdrant", namespace="other", instance="x"} 1x90
				cluster_peers_total{job="qdrant", namespace="other", instance="x"} 1x90`,
		},
		silent: []string{
			up(1, 1, 1) + peersAt("a", 3),
			up(1, 1, 0) + peersAt("a", 3),
			up(1) + peersAt("a", 1),
			// A single server, not in cluster mode.
			`up{job="qdrant", instance="a"} 1x90`,
		},
	},
	"QdrantPeersMissing": {
		fires:  []string{up(1, 1, 0) + peersAt("a", 3), up(1, 1) + peersAt("a", 3)},
		silent: []string{up(1, 1, 1) + peersAt("a", 3), `up{job="qdrant", instance="a"} 0x90`},
	},
	"QdrantPeerOutsideCluster": {
		fires:  []string{up(1, 1, 1, 1) + peersAt("a", 3) + peersAt("d", 1)},
		silent: []string{up(1, 1, 1) + peersAt("a", 3), up(1, 1, 0) + peersAt("a", 3)},
	},
	"QdrantPeersDisagree": {
		fires:  []string{peersAt("a", 3) + peersAt("b", 1)},
		silent: []string{peersAt("a", 3) + peersAt("b", 3), `cluster_peers_total{job="qdrant", instance="a"} 1 1 3x90` + peersAt("b", 3)},
	},
	"QdrantConsensusStopped": {
		fires: []string{`
			cluster_working_state{job="qdrant", instance="a", state="working"} 0x90
			cluster_working_state{job="qdrant", instance="a", state="stopped"} 1x90`},
		silent: []string{`
			cluster_working_state{job="qdrant", instance="a", state="working"} 1x90
			cluster_working_state{job="qdrant", instance="a", state="stopped"} 0x90`},
	},
	"QdrantConsensusPending": {
		fires:  []string{`cluster_pending_operations_total{job="qdrant", instance="a"} 2x90`},
		silent: []string{`cluster_pending_operations_total{job="qdrant", instance="a"} 0x90`, `cluster_pending_operations_total{job="qdrant", instance="a"} 2 0 1 0 2 1 0x90`},
	},
	"QdrantShardUnavailable": {
		fires: []string{replicas(0, 1)},
		// No collection at all: 0 active replicas, and none that is not active.
		silent: []string{replicas(0, 0), replicas(1, 1), replicas(2, 0)},
	},
	"QdrantReplicasNotActive": {
		fires:  []string{replicas(1, 1)},
		silent: []string{replicas(2, 0), `collection_dead_replicas{job="qdrant", instance="a"} 4 3 2 1 0x90`},
	},
	"QdrantReplicasMissing": {
		fires:  []string{replicas(1, 0) + peersAt("a", 3)},
		silent: []string{replicas(2, 0) + peersAt("a", 3), replicas(0, 0) + peersAt("a", 3), replicas(1, 0) + peersAt("a", 1), replicas(1, 0)},
	},
	"QdrantRestErrors": {
		fires: []string{
			requests("rest", "200", 950) + requests("rest", "500", 50),
			requests("rest", "200", 950) + requests("rest", "408", 50),
			// Nothing but errors.
			requests("rest", "503", 10),
		},
		silent: []string{
			requests("rest", "200", 1000),
			requests("rest", "200", 1000) + requests("rest", "500", 1),
			requests("rest", "200", 500) + requests("rest", "404", 500),
			requests("rest", "200", 0) + requests("rest", "500", 0),
		},
	},
	"QdrantGrpcErrors": {
		fires:  []string{requests("grpc", "0", 950) + requests("grpc", "14", 50), requests("grpc", "13", 10)},
		silent: []string{requests("grpc", "0", 1000), requests("grpc", "0", 500) + requests("grpc", "3", 500) + requests("grpc", "16", 100)},
	},
	"QdrantSearchLatencyHigh": {
		fires: []string{
			latency("rest", "/collections/{collection_name}/points/query", 900, 900, 1000),
			latency("rest", "/collections/{collection_name}/points/search/batch", 900, 900, 1000),
			latency("grpc", "/qdrant.Points/QueryBatch", 900, 900, 1000),
			// Slow over gRPC, fast and rare over REST.
			latency("grpc", "/qdrant.Points/Search", 900, 900, 1000) + latency("rest", "/collections/{collection_name}/points/query", 10, 10, 10),
		},
		silent: []string{
			latency("rest", "/collections/{collection_name}/points/query", 990, 1000, 1000),
			latency("rest", "/collections/{collection_name}/points/query", 0, 0, 0),
			// Writes and scrolls may take their time.
			latency("rest", "/collections/{collection_name}/points", 0, 0, 1000),
			latency("grpc", "/qdrant.Points/Upsert", 0, 0, 1000),
			latency("grpc", "/qdrant.Points/Scroll", 0, 0, 1000),
		},
	},
	"QdrantOpenFilesHigh": {
		fires:  []string{"process_open_fds{job=\"qdrant\"} 60000x90\nprocess_max_fds{job=\"qdrant\"} 65536x90"},
		silent: []string{"process_open_fds{job=\"qdrant\"} 200x90\nprocess_max_fds{job=\"qdrant\"} 65536x90", "process_open_fds{job=\"qdrant\"} 200x90\nprocess_max_fds{job=\"qdrant\"} 0x90"},
	},
	"QdrantMemoryMapsHigh": {
		fires:  []string{"process_open_mmaps{job=\"qdrant\"} 60000x90\nsystem_max_mmaps{job=\"qdrant\"} 65530x90"},
		silent: []string{"process_open_mmaps{job=\"qdrant\"} 200x90\nsystem_max_mmaps{job=\"qdrant\"} 65530x90"},
	},

	"QdrantVolumeNearlyFull": {
		fires:  []string{volume("qdrant-claims", "10x90")},
		silent: []string{volume("qdrant-claims", "20x90"), volume("other", "1x90")},
	},
	"QdrantVolumeFillingUp": {
		// 100 when empty; 49 left, and 0.05 less each minute: gone after 980 minutes.
		fires: []string{volume("qdrant-claims", "49-0.05x600")},
		silent: []string{
			volume("qdrant-claims", "49x600"),
			// Slow: 0.005 a minute leaves enough for days.
			volume("qdrant-claims", "49-0.005x600"),
			// Fast, and much left.
			volume("qdrant-claims", "100-0.08x600"),
			volume("other", "49-0.05x600"),
		},
	},
	"QdrantVolumeInodesLow": {
		fires:  []string{inodes(5, 100)},
		silent: []string{inodes(50, 100), inodes(0, 0)},
	},
	"QdrantMemoryNearLimit": {
		fires:  []string{memory("container_memory_rss", 90, 100)},
		silent: []string{memory("container_memory_rss", 50, 100), memory("container_memory_working_set_bytes", 99, 100)},
	},
	"QdrantWorkingSetNearLimit": {
		fires:  []string{memory("container_memory_working_set_bytes", 97, 100)},
		silent: []string{memory("container_memory_working_set_bytes", 90, 100), memory("container_memory_rss", 99, 100)},
	},
	"QdrantOutOfMemoryKilled": {
		fires: []string{`
			kube_pod_container_status_last_terminated_reason{namespace="qdrant", pod="qdrant-pods", container="qdrant", reason="OOMKilled"} 1x90
			kube_pod_container_status_restarts_total{namespace="qdrant", pod="qdrant-pods", container="qdrant"} 0x9 1x80`},
		silent: []string{
			// Long ago.
			`kube_pod_container_status_last_terminated_reason{namespace="qdrant", pod="qdrant-pods", container="qdrant", reason="OOMKilled"} 1x90
			kube_pod_container_status_restarts_total{namespace="qdrant", pod="qdrant-pods", container="qdrant"} 1x90`,
			// For another reason.
			`kube_pod_container_status_last_terminated_reason{namespace="qdrant", pod="qdrant-pods", container="qdrant", reason="Error"} 1x90
			kube_pod_container_status_restarts_total{namespace="qdrant", pod="qdrant-pods", container="qdrant"} 0x9 1x80`,
		},
	},
	"QdrantPodRestarts": {
		fires:  []string{`kube_pod_container_status_restarts_total{namespace="qdrant", pod="qdrant-pods", container="qdrant"} 0x9 1x9 2x9 3x9 4x80`},
		silent: []string{`kube_pod_container_status_restarts_total{namespace="qdrant", pod="qdrant-pods", container="qdrant"} 0x9 1x80`},
	},
	"QdrantPodNotReady": {
		fires:  []string{`kube_pod_status_ready{namespace="qdrant", pod="qdrant-pods", condition="true"} 0x90`},
		silent: []string{`kube_pod_status_ready{namespace="qdrant", pod="qdrant-pods", condition="true"} 1x90`, `kube_pod_status_ready{namespace="qdrant", pod="qdrant-pods", condition="true"} 0x10 1x80`},
	},

	"ShepherdTendDown": {
		fires: []string{
			tend("up", "", "0x90"),
			// There is none, and the pods' own answer.
			watch("up", "", "1x90"),
		},
		silent: []string{
			tend("up", "", "1x90"),
			tend("up", "", "1x20 0x5 1x60"),
			// Two during an update of it, of which one is not there yet.
			tend("up", `, pod="old"`, "1x90") + tend("up", `, pod="new"`, "0x90"),
		},
	},
	"ShepherdNotObserving": {
		fires: []string{
			// Never.
			tend("shepherd_last_observation_timestamp_seconds", "", "0x90"),
			// Not since minute 30. That each sidecar sees its own server does not help.
			tend("shepherd_last_observation_timestamp_seconds", "", "0+60x30 1800x60") + watch("shepherd_last_observation_timestamp_seconds", "", "0+60x90"),
		},
		silent: []string{
			tend("shepherd_last_observation_timestamp_seconds", "", "0+60x90"),
			// A second one, which does not lead.
			tend("shepherd_last_observation_timestamp_seconds", `, pod="old"`, "0+60x90") + tend("shepherd_last_observation_timestamp_seconds", `, pod="new"`, "0x90"),
			// A sidecar whose server loads for long.
			tend("shepherd_last_observation_timestamp_seconds", "", "0+60x90") + watch("shepherd_last_observation_timestamp_seconds", "", "0x90"),
		},
	},
	"ShepherdKubernetesErrors": {
		fires:  []string{watch("shepherd_observation_errors_total", `, target="kubernetes"`, "0+2x90"), tend("shepherd_observation_errors_total", `, target="kubernetes"`, "0+2x90")},
		silent: []string{watch("shepherd_observation_errors_total", `, target="kubernetes"`, "0x40 20x50"), watch("shepherd_observation_errors_total", `, target="qdrant"`, "0+60x90")},
	},
	"ShepherdUnsupportedServer": {
		fires:  []string{tend("shepherd_unsupported_server", "", "1x90")},
		silent: []string{tend("shepherd_unsupported_server", "", "0x90"), tend("shepherd_unsupported_server", "", "0 1 1 0x90")},
	},
	"ShepherdPaused": {
		fires:  []string{tend("shepherd_paused", "", "1x600")},
		silent: []string{tend("shepherd_paused", "", "0x600"), tend("shepherd_paused", "", "1x200 0x400")},
	},
	"ShepherdMovesFail": {
		fires: []string{tend("shepherd_moves_total", `, kind="move", why="drain", result="failed"`, "0+1x90")},
		silent: []string{
			tend("shepherd_moves_total", `, kind="move", why="drain", result="finished"`, "0+1x90"),
			tend("shepherd_moves_total", `, kind="move", why="drain", result="failed"`, "0x20 1x70"),
		},
	},
	"ShepherdLeadersDisagree": {
		fires: []string{peerInfo("1", "1", "1x90") + peerInfo("2", "1", "1x90") + peerInfo("3", "3", "1x90")},
		silent: []string{
			peerInfo("1", "1", "1x90") + peerInfo("2", "1", "1x90") + peerInfo("3", "1", "1x90"),
			// One that has none is another matter.
			peerInfo("1", "1", "1x90") + peerInfo("2", "0", "1x90"),
			// An election.
			peerInfo("1", "1", "1x20 stale") + peerInfo("1", "2", "_x21 1x60") + peerInfo("2", "2", "_x20 1x61"),
			// Another release has a leader of its own.
			peerInfo("1", "1", "1x90") + "\n" + `shepherd_peer_info{job="shepherd", container="tend", namespace="other", peer="9", leader="9"} 1x90`,
		},
	},
	"ShepherdNoLeader": {
		fires:  []string{peerInfo("1", "0", "1x90") + peerInfo("2", "0", "1x90"), peerInfo("1", "1", "1x90") + peerInfo("2", "0", "1x90")},
		silent: []string{peerInfo("1", "1", "1x90"), peerInfo("1", "0", "1 1 1 stale") + peerInfo("1", "1", "_x3 1x87")},
	},
	"ShepherdReplicasMissing": {
		fires: []string{tend("shepherd_replicas_missing", `, collection="docs"`, "2x90")},
		silent: []string{
			tend("shepherd_replicas_missing", `, collection="docs"`, "0x90"),
			tend("shepherd_replicas_missing", `, collection="docs"`, "12-1x12 0x78"),
		},
	},
	"ShepherdDrainBlocked": {
		fires:  []string{tend("shepherd_blocked", `, reason="DrainBlocked"`, "3x90")},
		silent: []string{tend("shepherd_blocked", `, reason="LostVolume"`, "1x90"), tend("shepherd_blocked", `, reason="DrainBlocked"`, "1x5 0x85")},
	},
	"ShepherdNeedsAttention": {
		fires:  []string{tend("shepherd_blocked", `, reason="LostVolume"`, "1x90"), tend("shepherd_blocked", `, reason="PodWaits"`, "1x90")},
		silent: []string{tend("shepherd_blocked", `, reason="DrainBlocked"`, "1x90"), tend("shepherd_blocked", `, reason="LostVolume"`, "1x10 0x80")},
	},
	"ShepherdPeersWithoutPod": {
		fires:  []string{tend("shepherd_peers_without_pod", "", "1x90")},
		silent: []string{tend("shepherd_peers_without_pod", "", "0x90"), tend("shepherd_peers_without_pod", "", "1x10 0x80")},
	},
	"ShepherdTransferStuck": {
		fires: []string{tend("shepherd_transfer_age_seconds", `, collection="docs", shard="4", from="1", to="2"`, "0+60x90")},
		silent: []string{
			tend("shepherd_transfer_age_seconds", `, collection="docs", shard="4", from="1", to="2"`, "0+60x50 _x40"),
			// One after the other.
			tend("shepherd_transfer_age_seconds", `, collection="docs", shard="4", from="1", to="2"`, "0+60x45 _x45") +
				tend("shepherd_transfer_age_seconds", `, collection="docs", shard="5", from="1", to="2"`, "_x45 0+60x45"),
		},
	},
	"ShepherdStopHeld": {
		fires:  []string{watch("shepherd_stop_wait_seconds", "", "0x10 0+60x80")},
		silent: []string{watch("shepherd_stop_wait_seconds", "", "0x90"), watch("shepherd_stop_wait_seconds", "", "0x10 0+60x10 0x70")},
	},
}

// tend gives a series of the Deployment's, and watch one of a pod's sidecar.
func tend(metric, labels, samples string) string {
	return "\n" + metric + `{job="shepherd", container="tend"` + labels + `} ` + samples
}

func watch(metric, labels, samples string) string {
	return "\n" + metric + `{job="shepherd", container="shepherd-watch", pod="q-qdrant-0"` + labels + `} ` + samples
}

// peerInfo gives which leader a peer names.
func peerInfo(peer, leader, samples string) string {
	return tend("shepherd_peer_info", `, peer="`+peer+`", leader="`+leader+`"`, samples)
}

// up gives the series of that name for instances a, b, c…: 1 answers, 0 does not.
func up(states ...int) string {
	var series strings.Builder
	for i, state := range states {
		series.WriteString("\n" + `up{job="qdrant", instance="` + string(rune('a'+i)) + `"} ` + constant(state))
	}
	return series.String()
}

// peersAt gives how many peers an instance counts.
func peersAt(instance string, count int) string {
	return "\n" + `cluster_peers_total{job="qdrant", instance="` + instance + `"} ` + constant(count)
}

func replicas(fewestActive, notWhole int) string {
	return "\n" + `collection_active_replicas_min{job="qdrant", instance="a"} ` + constant(fewestActive) +
		"\n" + `collection_dead_replicas{job="qdrant", instance="a"} ` + constant(notWhole)
}

func requests(protocol, status string, perMinute int) string {
	return "\n" + protocol + `_responses_total{job="qdrant", instance="a", endpoint="e", status="` + status + `"} ` + rising(perMinute)
}

// latency gives the buckets of a histogram: how many requests a minute take up to 0.1 s, up to 0.5 s, and at all.
func latency(protocol, endpoint string, within100ms, within500ms, all int) string {
	bucket := func(le string, perMinute int) string {
		return "\n" + protocol + `_responses_duration_seconds_bucket{job="qdrant", endpoint="` + endpoint + `", le="` + le + `"} ` + rising(perMinute)
	}
	return bucket("0.1", within100ms) + bucket("0.5", within500ms) + bucket("1", all) + bucket("+Inf", all)
}

func volume(claim, available string) string {
	return "\n" + `kubelet_volume_stats_available_bytes{namespace="qdrant", persistentvolumeclaim="` + claim + `"} ` + available +
		"\n" + `kubelet_volume_stats_capacity_bytes{namespace="qdrant", persistentvolumeclaim="` + claim + `"} 100x600`
}

func inodes(free, all int) string {
	return "\n" + `kubelet_volume_stats_inodes_free{namespace="qdrant", persistentvolumeclaim="qdrant-claims"} ` + constant(free) +
		"\n" + `kubelet_volume_stats_inodes{namespace="qdrant", persistentvolumeclaim="qdrant-claims"} ` + constant(all)
}

func constant(value int) string { return fmt.Sprintf("%dx90", value) }

func rising(perMinute int) string { return fmt.Sprintf("0+%dx90", perMinute) }

// memory gives the metric as cAdvisor does while a container restarts: the old container's series beside the new one's.
func memory(metric string, used, limit int) string {
	container := `namespace="qdrant", pod="qdrant-pods", container="qdrant"`
	return "\n" + metric + `{` + container + `, id="/old"} 1x90` +
		"\n" + metric + `{` + container + `, id="/new"} ` + constant(used) +
		"\n" + `kube_pod_container_resource_limits{` + container + `, resource="memory"} ` + constant(limit) +
		"\n" + `kube_pod_container_resource_limits{` + container + `, resource="cpu"} 4x90`
}

func TestAlertsFire(t *testing.T) {
	known := map[string]bool{}
	for _, file := range ruleFiles(t) {
		alerts, err := Alerts(file)
		require.NoError(t, err)
		for _, alert := range alerts {
			known[alert.Alert] = true
			t.Run(alert.Alert, func(t *testing.T) {
				t.Parallel()
				cases, ok := alertCases[alert.Alert]
				require.True(t, ok && len(cases.fires) > 0 && len(cases.silent) > 0, "no cases: alertCases needs series on which it fires and on which it does not")
				for _, series := range cases.fires {
					assert.True(t, fires(t, alert, series), "it does not fire on\n%s", series)
				}
				for _, series := range cases.silent {
					assert.False(t, fires(t, alert, series), "it fires on\n%s", series)
				}
			})
		}
	}
	for name := range alertCases {
		assert.True(t, known[name], "no alert is called %s", name)
	}
}

// fires says whether the alert fires at any time on the series, evaluated once a minute as Prometheus does.
func fires(t *testing.T, alert rulefmt.Rule, series string) bool {
	t.Helper()
	storage, err := promqltest.NewLazyLoader("load 1m\n"+indented(series), promqltest.LazyLoaderOpts{EnableAtModifier: true, EnableNegativeOffset: true})
	require.NoError(t, err, series)
	defer func() { require.NoError(t, storage.Close()) }()

	// Since when each labelled result of the expression has been there without a gap.
	since := map[string]time.Time{}
	start, end := time.Unix(0, 0).UTC(), 90*time.Minute
	if strings.Contains(series, "x600") {
		end = 600 * time.Minute
	}
	for now := start; now.Before(start.Add(end)); now = now.Add(time.Minute) {
		storage.WithSamplesTill(now, func(err error) { require.NoError(t, err) })
		query, err := storage.QueryEngine().NewInstantQuery(t.Context(), storage.Queryable(), nil, alert.Expr, now)
		require.NoError(t, err)
		result, err := query.Exec(t.Context()).Vector()
		require.NoError(t, err)
		present := map[string]time.Time{}
		for _, sample := range result {
			labels := sample.Metric.String()
			if first, ok := since[labels]; ok {
				present[labels] = first
			} else {
				present[labels] = now
			}
			if now.Sub(present[labels]) >= time.Duration(alert.For) {
				query.Close()
				return true
			}
		}
		query.Close()
		since = present
	}
	return false
}

// indented is the form that the loader wants its series in.
func indented(series string) string {
	var lines []string
	for line := range strings.Lines(series) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, "  "+line)
		}
	}
	return strings.Join(lines, "\n")
}
