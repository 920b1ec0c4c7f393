package tend

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// metrics are what Qdrant does not tell of itself, and what tend does.
type metrics struct {
	peers, replicas, missing, transferAge, blocked                *prometheus.GaugeVec
	withoutPod, transfers, observed, paused, unsupported, minimum prometheus.Gauge
	moves, drains, rebalances, failures                           *prometheus.CounterVec
	points, bytes                                                 prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "shepherd_" + name, Help: help})
	}
	gauges := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "shepherd_" + name, Help: help}, labels)
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "shepherd_" + name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "shepherd_" + name, Help: help}, labels)
	}
	m := &metrics{
		peers:       gauges("peer_info", "1 for each peer that answers, with the leader that it names.", "peer", "pod", "leader"),
		replicas:    gauges("replicas", "Replicas by the state that all peers agree on, or the least healthy that one names.", "collection", "state"),
		missing:     gauges("replicas_missing", "Replicas that a collection lacks to its replication factor, or to the number of peers.", "collection"),
		withoutPod:  gauge("peers_without_pod", "Members of the cluster that no pod runs."),
		transfers:   gauge("transfers", "Shard transfers under way."),
		transferAge: gauges("transfer_age_seconds", "For how long a transfer has been seen.", "collection", "shard", "from", "to"),
		observed:    gauge("last_observation_timestamp_seconds", "When the cluster was last observed with at least one peer answering."),
		moves:       counters("moves_total", "Moves that were started, finished or failed.", "kind", "why", "result"),
		points:      counter("points_moved_total", "Points in replicas that finished moves have made."),
		bytes:       counter("bytes_moved_total", "Estimated bytes of vectors and payload in replicas that finished moves have made."),
		drains:      counters("drains_total", "Drains of peers that were started, finished, turned round, or failed because the pod was gone too soon.", "result"),
		rebalances:  counters("rebalances_total", "Rebalances that were started, finished or interrupted.", "result"),
		blocked:     gauges("blocked", "Matters that wait for something or somebody, by reason.", "reason"),
		paused:      gauge("paused", "1 while the StatefulSet is annotated as paused."),
		unsupported: gauge("unsupported_server", "1 while a peer runs a server that is too old for anything to be changed."),
		failures:    counters("observation_errors_total", "Observations in which a pod's server, or Kubernetes, did not answer.", "target"),
		minimum:     gauge("replicas_desired_minimum", "The replica count below which guard refuses a shrink."),
	}
	for _, c := range []prometheus.Collector{
		m.peers, m.replicas, m.missing, m.withoutPod, m.transfers, m.transferAge, m.observed, m.moves, m.points, m.bytes, m.drains,
		m.rebalances, m.blocked, m.paused, m.unsupported, m.failures, m.minimum,
	} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	// Series that begin with their first increase show no increase.
	for _, target := range []string{targetQdrant, targetKubernetes} {
		m.failures.WithLabelValues(target)
	}
	for _, result := range []string{started, finished, turnedRound, failed} {
		m.drains.WithLabelValues(result)
	}
	for _, result := range []string{started, finished, interrupted} {
		m.rebalances.WithLabelValues(result)
	}
	for _, kind := range plan.Kinds() {
		for _, why := range kind.Whys() {
			for _, result := range []string{started, finished, failed} {
				m.moves.WithLabelValues(string(kind), why, result)
			}
		}
	}
	return m, nil
}

// Labels' values.
const (
	targetQdrant     = "qdrant"
	targetKubernetes = "kubernetes"

	started     = "started"
	finished    = "finished"
	failed      = "failed"
	turnedRound = "turned_round"
	interrupted = "interrupted"
)

// show sets all gauges from one observation.
func (m *metrics) show(f Facts, p topology.Picture, o Outlook, seen map[transferKey]time.Time) {
	m.paused.Set(number(f.StatefulSet.Paused))
	m.unsupported.Set(number(p.Unsupported() != ""))
	m.minimum.Set(float64(Guarding(p).MinReplicas))
	m.peers.Reset()
	gone, joined := 0, 0
	answering := false
	for _, member := range p.Members {
		if withoutPod(f, p, member) {
			gone++
		}
		if p.Joined(member.ID) && !o.Goal.Leaving[member.ID] {
			joined++
		}
		if member.Answers {
			answering = true
			m.peers.WithLabelValues(member.ID.String(), member.Pod, member.Raft.Leader.String()).Set(1)
		}
	}
	m.withoutPod.Set(float64(gone))
	m.blocked.Reset()
	for _, note := range o.Notes {
		if note.Warning {
			m.blocked.WithLabelValues(note.Reason).Add(1)
		}
	}
	if !answering {
		return // what was seen last stays, and its age tells
	}
	m.observed.Set(float64(p.At.UnixMilli()) / 1000)
	m.showShards(p, joined, seen)
}

func (m *metrics) showShards(p topology.Picture, joined int, seen map[transferKey]time.Time) {
	m.replicas.Reset()
	m.missing.Reset()
	m.transferAge.Reset()
	transfers := 0
	for _, c := range p.Collections {
		missing := 0
		// A series of 0 lets an alert on Active replicas fire where there is none.
		m.replicas.WithLabelValues(c.Name, string(clusterapi.Active)).Set(0)
		for _, s := range c.Shards {
			missing += max(0, min(c.ReplicationFactor, joined)-len(s.Replicas))
			for _, r := range s.Replicas {
				m.replicas.WithLabelValues(c.Name, string(r.State)).Add(1)
			}
			transfers += len(s.Transfers)
			for _, t := range s.Transfers {
				age := p.At.Sub(seen[transferKey{c.Name, s.ID, t.From, t.To}]).Seconds()
				m.transferAge.WithLabelValues(c.Name, strconv.Itoa(int(s.ID)), t.From.String(), t.To.String()).Set(max(age, 0))
			}
		}
		m.missing.WithLabelValues(c.Name).Set(float64(missing))
	}
	m.transfers.Set(float64(transfers))
}

func (m *metrics) move(move plan.Move, result string) {
	m.moves.WithLabelValues(string(move.Kind), move.Why, result).Inc()
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
