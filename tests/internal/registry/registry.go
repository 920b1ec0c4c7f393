// Package registry runs an OCI registry for a test: in this process, in memory, on loopback, without TLS.
package registry

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// Start runs a registry until the test ends and returns its address, host:port.
func Start(t testing.TB) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	// Clients speak to localhost without TLS.
	return fmt.Sprintf("localhost:%d", server.Listener.Addr().(*net.TCPAddr).Port)
}
