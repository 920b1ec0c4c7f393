package vector

import (
	"errors"
	"fmt"

	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/qdrant-shepherd/shepherd/client/vector/internal/retry"
)

// namespace keeps the metrics apart from those of other gRPC clients of the same program.
const namespace = "vector"

// buckets, in seconds, have those of the server up to 10 s (lib/segment/src/common/operation_time_statistics.rs), and some between.
var buckets = []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30}

// metrics are what a connection counts:
//
//	vector_grpc_client_started_total, _handled_total{grpc_method, grpc_code}, _handling_seconds   calls, with all their repeats
//	vector_retries_total{method, code}           repeats, by the code of what went before
//	vector_retry_budget_exhausted_total          repeats that the budget forbade
type metrics struct {
	calls   []grpc.UnaryClientInterceptor // none or one
	repeats retry.Observer
}

// newMetrics registers the metrics, or shares those of another connection with the same registerer; nil counts nothing.
func newMetrics(r prometheus.Registerer) (*metrics, error) {
	if r == nil {
		return &metrics{}, nil
	}
	calls, err := register(r, grpcprom.NewClientMetrics(
		grpcprom.WithClientCounterOptions(grpcprom.WithNamespace(namespace)),
		grpcprom.WithClientHandlingTimeHistogram(grpcprom.WithHistogramNamespace(namespace), grpcprom.WithHistogramBuckets(buckets)),
	))
	if err != nil {
		return nil, err
	}
	repeats, err := register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "retries_total", Help: "Calls to the database that were made again, by the code of the attempt before.",
	}, []string{"method", "code"}))
	if err != nil {
		return nil, err
	}
	exhausted, err := register(r, prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: namespace, Name: "retry_budget_exhausted_total",
		Help: "Calls to the database that were not made again because too many had been.",
	}))
	if err != nil {
		return nil, err
	}
	return &metrics{
		calls: []grpc.UnaryClientInterceptor{calls.UnaryClientInterceptor()},
		repeats: retry.Observer{
			Repeat:    func(method string, code codes.Code) { repeats.WithLabelValues(method, code.String()).Inc() },
			Exhausted: exhausted.Inc,
		},
	}, nil
}

// register returns the collector, or the one of its kind that is there already.
func register[C prometheus.Collector](r prometheus.Registerer, collector C) (C, error) {
	err := r.Register(collector)
	var there prometheus.AlreadyRegisteredError
	if errors.As(err, &there) {
		if same, ok := there.ExistingCollector.(C); ok {
			return same, nil
		}
	}
	if err != nil {
		return collector, fmt.Errorf("registering metrics: %w", err)
	}
	return collector, nil
}
