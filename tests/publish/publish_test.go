// Package publish proves that the chart and shepherd's image reach an OCI registry, and that the chart comes back from it as it was, but for
// the image that it names. It needs the helm command, and a registry of its own. It compiles no shepherd: a file stands in for it on each
// platform. That the image holds a static binary is proven in tools/image.
package publish

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
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
		"HELM_PUSH_FLAGS=--plain-http",
		fmt.Sprintf("IMAGE_PUSH_FLAGS=-binary linux/amd64=%s -binary linux/arm64=%s", standIn(t, elf.EM_X86_64), standIn(t, elf.EM_AARCH64)))
	// What bounds a command is the deadline of the whole test run: a slow machine compiles tools/image for minutes.
	run := func(name string, args ...string) (string, error) {
		command := exec.CommandContext(t.Context(), name, args...)
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
	assert.Equal(t, []string{"linux/amd64", "linux/arm64"}, platforms(t, address+"/charts/qdrant-shepherd@"+image[1]), "what the chart names is in the registry")

	// Helm says on standard error where it pulled from; the rest is the same to the byte.
	assert.Contains(t, template("-f", dev, reference+"/qdrant", "--plain-http"), template("-f", dev, "charts/qdrant"), "without shepherd it renders as the tree does")
	repository, _, _ := strings.Cut(image[0], "@")
	assert.Contains(t, published,
		template("-f", production, "--set", "shepherd.image.repository="+repository, "--set", "shepherd.image.digest="+image[1], "charts/qdrant"),
		"with it, as the tree does with that image")

	// With nothing but the package: helm pull --untar, then a profile that is in it.
	pulled := t.TempDir()
	out, err = run("helm", "pull", "--untar", "--untardir", pulled, reference+"/qdrant", "--plain-http")
	require.NoError(t, err, out)
	for _, profile := range []string{dev, production} {
		inside := filepath.Join(pulled, "qdrant", filepath.Base(profile))
		want, err := os.ReadFile(filepath.Join(root, profile))
		require.NoError(t, err)
		has, err := os.ReadFile(inside)
		require.NoError(t, err)
		assert.Equal(t, string(want), string(has))
		assert.Contains(t, template("-f", profile, reference+"/qdrant", "--plain-http"), template("-f", inside, filepath.Join(pulled, "qdrant")))
	}

	out, err = run("helm", "template", "q", "--kube-version", "1.37", "-f", production, "charts/qdrant")
	require.Error(t, err, "from a clone there is no image")
	assert.Contains(t, out, "shepherd.image.repository: ")
}

// standIn writes a file that is shepherd to tools/image: the header of a program for the processor.
func standIn(t *testing.T, machine elf.Machine) string {
	t.Helper()
	header := elf.Header64{
		Ident:   [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:    uint16(elf.ET_EXEC),
		Machine: uint16(machine),
		Version: uint32(elf.EV_CURRENT),
	}
	var content bytes.Buffer
	require.NoError(t, binary.Write(&content, binary.LittleEndian, header))
	path := filepath.Join(t.TempDir(), "shepherd")
	require.NoError(t, os.WriteFile(path, content.Bytes(), 0o600))
	return path
}

// platforms asks the registry for which platforms it has the image.
func platforms(t *testing.T, reference string) []string {
	t.Helper()
	ref, err := name.ParseReference(reference)
	require.NoError(t, err)
	index, err := remote.Index(ref, remote.WithContext(t.Context()))
	require.NoError(t, err)
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	var found []string
	for _, entry := range manifest.Manifests {
		image, err := index.Image(entry.Digest)
		require.NoError(t, err)
		config, err := image.ConfigFile()
		require.NoError(t, err)
		assert.Equal(t, entry.Platform.Architecture, config.Architecture)
		found = append(found, entry.Platform.String())
	}
	return found
}
