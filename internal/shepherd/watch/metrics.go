package watch

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are this pod's. The cluster's are tend's.
type metrics struct {
	registry  *prometheus.Registry
	ready     prometheus.Gauge
	readyWait prometheus.Gauge
	stopWait  prometheus.Gauge
	waiting   *prometheus.GaugeVec
	released  *prometheus.CounterVec
	errors    *prometheus.CounterVec
	observed  prometheus.Gauge
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		ready: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "shepherd_pod_ready", Help: "1 if the pod is ready.",
		}),
		readyWait: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "shepherd_ready_wait_seconds", Help: "For how long the pod has not been ready; 0 if it is.",
		}),
		stopWait: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "shepherd_stop_wait_seconds", Help: "For how long the stop of the pod has been held; 0 if none is.",
		}),
		waiting: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shepherd_stop_waiting", Help: "1 for the reason why the stop of the pod is held.",
		}, []string{"reason"}),
		released: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shepherd_stops_released_total", Help: "Stops of the server that were let go, by the reason.",
		}, []string{"reason"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shepherd_observation_errors_total", Help: "Looks that failed.",
		}, []string{"target"}),
		observed: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "shepherd_last_observation_timestamp_seconds", Help: "When the server last answered.",
		}),
	}
	m.registry.MustRegister(m.ready, m.readyWait, m.stopWait, m.waiting, m.released, m.errors, m.observed)
	// A series that is there from the beginning can be alerted on when it first moves.
	for _, target := range []string{"qdrant", "kubernetes"} {
		m.errors.WithLabelValues(target)
	}
	for _, reason := range releases {
		m.released.WithLabelValues(string(reason))
	}
	return m
}

func (m *metrics) setReady(ready bool, wait time.Duration) {
	if ready {
		m.ready.Set(1)
		m.readyWait.Set(0)
		return
	}
	m.ready.Set(0)
	m.readyWait.Set(wait.Seconds())
}

func (m *metrics) setHeld(held time.Duration, reason Reason) {
	m.waiting.Reset()
	m.waiting.WithLabelValues(string(reason)).Set(1)
	m.stopWait.Set(held.Seconds())
}

func (m *metrics) endHold() {
	m.waiting.Reset()
	m.stopWait.Set(0)
}
