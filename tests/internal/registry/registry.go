// Package registry runs an OCI registry for a test: in this process, in memory, on loopback, without TLS.
package registry

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory" // where it keeps what is pushed
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
)

// Start runs a registry until the test ends and returns its address, host:port.
func Start(t testing.TB) string {
	t.Helper()
	logrus.SetOutput(io.Discard)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	config := &configuration.Configuration{Storage: configuration.Storage{"inmemory": configuration.Parameters{}}}
	config.Log.AccessLog.Disabled = true
	config.HTTP.Secret = "of this test alone"
	app := handlers.NewApp(ctx, config)
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it ends with the test
	require.NoError(t, err)
	server := &http.Server{Handler: app, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
		cancel()
	})
	return fmt.Sprintf("localhost:%d", listener.Addr().(*net.TCPAddr).Port)
}
