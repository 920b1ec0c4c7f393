// Package publish proves that the chart and shepherd's image reach an OCI registry, and that the chart comes back from it as it was, but for
// the image that it names. It needs the helm command, and a registry of its own.
package publish

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/tests/internal/registry"
)

// root is the repository.
const root = "../.."

// TestPublish: Given an empty registry; When `make publish` has run; Then the image is there, the chart that is installed from it names that
// image by its digest, renders as this tree does otherwise, and nothing in the tree has changed.
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
	environment := append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home, "DOCKER_CONFIG="+home,
		"HELM_PUSH_FLAGS=--plain-http", "IMAGE_PUSH_FLAGS=-platform linux/"+runtime.GOARCH)
	run := func(name string, args ...string) (string, error) {
		// Long enough to compile shepherd for the first time.
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		command := exec.CommandContext(ctx, name, args...)
		command.Dir, command.Env = root, environment
		out, err := command.CombinedOutput()
		return string(out), err
	}
	values := func() string {
		content, err := os.ReadFile(filepath.Join(root, "charts", "qdrant", "values.yaml"))
		require.NoError(t, err)
		return string(content)
	}
	before := values()

	out, err := run("make", "publish")
	require.Error(t, err, "without a registry there is nothing to publish to")
	assert.Contains(t, out, "make publish OCI_REGISTRY=")

	reference := "oci://" + address + "/charts"
	out, err = run("make", "publish", "OCI_REGISTRY="+reference)
	require.NoError(t, err, out)
	assert.Contains(t, out, reference+"/qdrant")
	assert.Equal(t, before, values(), "the tree names no registry")

	template := func(args ...string) string {
		out, err := run("helm", append([]string{"template", "q", "--kube-version", "1.37"}, args...)...)
		require.NoError(t, err, out)
		return out
	}
	const dev, production = "values/values-dev.yaml", "values/values-prod.yaml"
	published := template("-f", production, reference+"/qdrant", "--plain-http")
	image := regexp.MustCompile(regexp.QuoteMeta(address+"/charts/qdrant-shepherd") + `@(sha256:[0-9a-f]{64})`).FindStringSubmatch(published)
	require.NotNil(t, image, "production names no image of this registry")
	assert.True(t, served(t, address, image[1]), "the image that the chart names is not in the registry")

	// Helm says on standard error where it pulled from; the rest is the same to the byte.
	assert.Contains(t, template("-f", dev, reference+"/qdrant", "--plain-http"), template("-f", dev, "charts/qdrant"), "without shepherd it renders as the tree does")
	repository, _, _ := strings.Cut(image[0], "@")
	assert.Contains(t, published,
		template("-f", production, "--set", "shepherd.image.repository="+repository, "--set", "shepherd.image.digest="+image[1], "charts/qdrant"),
		"with it, as the tree does with that image")

	out, err = run("helm", "template", "q", "--kube-version", "1.37", "-f", production, "charts/qdrant")
	require.Error(t, err, "from a clone there is no image")
	assert.Contains(t, out, "shepherd.image.repository: ")
}

// served asks the registry for the manifest of a digest.
func served(t *testing.T, address, digest string) bool {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodHead, "http://"+address+"/v2/charts/qdrant-shepherd/manifests/"+digest, nil)
	require.NoError(t, err)
	for _, kind := range []string{"manifest.v1", "index.v1"} {
		request.Header.Add("Accept", "application/vnd.oci.image."+kind+"+json")
	}
	request.Header.Add("Accept", "application/vnd.docker.distribution.manifest.v2+json")
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer.StatusCode == http.StatusOK
}
