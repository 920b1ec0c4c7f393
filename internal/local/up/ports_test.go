package up

import (
	"fmt"
	"net"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestATakenPortIsNamed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := listener.Addr().(*net.TCPAddr).Port
	assert.ErrorContains(t, free(t.Context(), []int{port}), fmt.Sprintf("port %d is taken; end what listens there, or move all ports with PORT=", port))
	require.NoError(t, listener.Close())
	assert.NoError(t, free(t.Context(), []int{port}))
}

func TestNoTwoPodsShareAPort(t *testing.T) {
	at := ports{DefaultPort}
	all := []int{at.tendMetrics()}
	for ordinal := range 16 {
		all = append(all, at.all(ordinal)...)
	}
	slices.Sort(all)
	assert.Len(t, slices.Compact(slices.Clone(all)), len(all))
}

func TestNamesOfPodsLeadToTheirPorts(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { assert.NoError(t, listener.Close()) }()
	// The listener is the REST API of q-qdrant-1.
	at := ports{listener.Addr().(*net.TCPAddr).Port - apart}
	for address, own := range map[string]int{"q-qdrant-1.q-qdrant-headless.qdrant.svc.cluster.local:6333": 0, "localhost:6333": 1} {
		conn, err := at.dialer(own)(t.Context(), "tcp", address)
		require.NoError(t, err, address)
		assert.Equal(t, listener.Addr(), conn.RemoteAddr())
		require.NoError(t, conn.Close())
	}
	_, err = at.dialer(0)(t.Context(), "tcp", "elsewhere.example.org:6333")
	assert.ErrorContains(t, err, "there is no pod elsewhere here")
}
