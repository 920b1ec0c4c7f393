package vector

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestMetrics(t *testing.T) {
	bubble(t, three, func(t *testing.T, n *network) {
		registry := prometheus.NewPedanticRegistry()
		db := n.connect(t, Config{Registerer: registry, Retry: Retry{Attempts: 3, Reserve: 1}})
		other := n.connect(t, Config{Registerer: registry}) // shares them
		synctest.Wait()

		var mu sync.Mutex
		failures := 2
		for _, p := range n.all() {
			p.answers(func(context.Context, string, any) error {
				mu.Lock()
				defer mu.Unlock()
				failures--
				if failures >= 0 {
					return status.Error(codes.Unavailable, "later")
				}
				return nil
			})
		}
		require.NoError(t, search(t.Context(), db), "two repeats")
		require.NoError(t, search(t.Context(), other))
		failures = 1e9
		exhausted := 0
		for range 10 {
			err := search(t.Context(), db)
			require.ErrorIs(t, err, ErrUnavailable)
			if !strings.Contains(err.Error(), "3 attempts") {
				exhausted++
			}
		}
		require.Positive(t, exhausted, "the budget of one a second")

		problems, err := testutil.GatherAndLint(registry)
		require.NoError(t, err)
		assert.Empty(t, problems)
		err = testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP vector_grpc_client_handled_total Total number of RPCs completed by the client, regardless of success or failure.
# TYPE vector_grpc_client_handled_total counter
vector_grpc_client_handled_total{grpc_code="OK",grpc_method="HealthCheck",grpc_service="qdrant.Qdrant",grpc_type="unary"} 2
vector_grpc_client_handled_total{grpc_code="OK",grpc_method="Query",grpc_service="qdrant.Points",grpc_type="unary"} 2
vector_grpc_client_handled_total{grpc_code="Unavailable",grpc_method="Query",grpc_service="qdrant.Points",grpc_type="unary"} 10
# HELP vector_retries_total Calls to the database that were made again, by the code of the attempt before.
# TYPE vector_retries_total counter
vector_retries_total{code="Unavailable",method="Query"} 12
`), "vector_grpc_client_handled_total", "vector_retries_total")
		require.NoError(t, err, "12 repeats: a reserve of 10, and a fifth of 13 calls")
		count, err := testutil.GatherAndCount(registry, "vector_grpc_client_handling_seconds", "vector_retry_budget_exhausted_total")
		require.NoError(t, err)
		assert.Equal(t, 3, count, "durations of two methods, and a counter")
	})
}

func TestMetricsThatSomebodyElseHas(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "vector_retries_total"}))
	_, err := Connect(t.Context(), Config{Target: "q", Registerer: registry})
	assert.ErrorContains(t, err, "connecting to q: registering metrics:")
}
