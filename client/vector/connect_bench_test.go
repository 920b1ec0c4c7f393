package vector

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/require"
)

// BenchmarkCall is a search that the server answers with nothing, so that what a call costs beside the network is seen:
// by the client underneath alone, by the same with a deadline (ours gives every call one), by ours, and by ours with metrics.
func BenchmarkCall(b *testing.B) {
	listener, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	require.NoError(b, err)
	p := &peer{version: "1.18.3", silent: true}
	p.serve(listener)
	defer p.server.Stop()
	address := listener.Addr().(*net.TCPAddr)
	request := &qdrant.QueryPoints{CollectionName: "words", Query: qdrant.NewQuery(make([]float32, 100)...)}
	run := func(b *testing.B, client *qdrant.Client, timeout time.Duration) {
		b.ReportAllocs()
		before := processorTime(b)
		for b.Loop() {
			ctx, cancel := b.Context(), func() {}
			if timeout > 0 {
				ctx, cancel = context.WithTimeout(ctx, timeout)
			}
			if _, err := client.Query(ctx, request); err != nil {
				b.Fatal(err)
			}
			cancel()
		}
		// Steadier than the clock where others use the machine too. The server's share is in it.
		b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
	}
	for name, timeout := range map[string]time.Duration{"go-client": 0, "go-client+deadline": 10 * time.Second} {
		b.Run("client="+name, func(b *testing.B) {
			client, err := qdrant.NewClient(&qdrant.Config{Host: "127.0.0.1", Port: address.Port, PoolSize: 1, SkipCompatibilityCheck: true})
			require.NoError(b, err)
			defer func() { require.NoError(b, client.Close()) }()
			run(b, client, timeout)
		})
	}
	for name, c := range map[string]Config{"ours": {}, "ours+metrics": {Registerer: prometheus.NewRegistry()}} {
		b.Run("client="+name, func(b *testing.B) {
			c.Target = address.String()
			db, err := Connect(b.Context(), c)
			require.NoError(b, err)
			defer func() { require.NoError(b, db.Close()) }()
			run(b, db.Raw(), 0)
		})
	}
}

// processorTime is what this process has used so far, of all processors.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
