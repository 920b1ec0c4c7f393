// Package publish proves that the chart reaches an OCI registry and comes back from it as it was. It starts a registry of its own
// on loopback, in memory, and needs the helm command.
package publish

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory" // where the registry keeps what is pushed
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// root is the repository.
const root = "../.."

// TestPublish: Given an empty registry; When `make publish` has run; Then the chart that is installed from it is the chart of this tree.
func TestPublish(t *testing.T) {
	tools, err := filepath.Abs(filepath.Join(root, "bin"))
	require.NoError(t, err)
	t.Setenv("PATH", tools+string(os.PathListSeparator)+os.Getenv("PATH"))
	if _, err := exec.LookPath("helm"); err != nil {
		t.Skip("SKIP: there is no helm; run: make tools")
	}
	registry := startRegistry(t)
	// Helm must neither read nor write what belongs to the person who runs this.
	home := t.TempDir()
	environment := append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home, "HELM_PUSH_FLAGS=--plain-http")
	run := func(name string, args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		command := exec.CommandContext(ctx, name, args...)
		command.Dir, command.Env = root, environment
		out, err := command.CombinedOutput()
		return string(out), err
	}

	out, err := run("make", "publish")
	require.Error(t, err, "without a registry there is nothing to publish to")
	assert.Contains(t, out, "make publish OCI_REGISTRY=")

	reference := "oci://" + registry + "/charts"
	out, err = run("make", "publish", "OCI_REGISTRY="+reference)
	require.NoError(t, err, out)
	assert.Contains(t, out, reference+"/qdrant")

	for _, values := range []string{"values/values-dev.yaml", "values/values-prod.yaml"} {
		render := func(chart ...string) string {
			out, err := run("helm", append([]string{"template", "q", "--kube-version", "1.36", "-f", values}, chart...)...)
			require.NoError(t, err, out)
			return out
		}
		published := render(reference+"/qdrant", "--plain-http")
		// Helm says on standard error where it pulled from; the rest is the same to the byte.
		assert.Containsf(t, published, render("charts/qdrant"), "%s renders alike from the registry and from the tree", values)
	}
}

// startRegistry runs a registry on loopback until the test ends and returns its address.
func startRegistry(t *testing.T) string {
	t.Helper()
	logrus.SetOutput(io.Discard)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	config := &configuration.Configuration{Storage: configuration.Storage{"inmemory": configuration.Parameters{}}}
	config.Log.AccessLog.Disabled = true
	config.HTTP.Secret = "of this test alone"
	app := handlers.NewApp(ctx, config)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
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
