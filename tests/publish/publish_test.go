// Package publish proves that the chart reaches an OCI registry and comes back from it as it was. It needs the
// helm command, and a registry of its own.
package publish

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/tests/internal/registry"
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
	address := registry.Start(t)
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

	reference := "oci://" + address + "/charts"
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
