package project

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kind/pkg/apis/config/defaults"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
)

// TestSupportedVersions: what README calls supported is what is tested: by the nightly workflow, by the images that the suites use, and by
// the Helm that go.mod names.
func TestSupportedVersions(t *testing.T) {
	t.Parallel()
	supported := table(t, read(t, "README.md"))
	nodes, servers := nightly(t)

	t.Run("Kubernetes", func(t *testing.T) {
		t.Parallel()
		require.Len(t, nodes, 2, "the oldest and the newest")
		oldest, newest := minor(t, nodes[0]), minor(t, nodes[1])
		assert.Equal(t, oldest+" to "+newest, supported["Kubernetes"])
		assert.Equal(t, chart.Oldest, oldest, "the oldest that the chart is rendered for")
		assert.Equal(t, chart.Newest, newest, "the newest that the chart is rendered for")
		assert.Contains(t, read(t, "charts/qdrant/Chart.yaml"), `kubeVersion: ">= `+oldest+`.0-0"`)
		assert.Equal(t, defaults.Image, nodes[1], "the newest is what kind of go.mod starts by itself, for all suites")
	})
	t.Run("Helm", func(t *testing.T) {
		t.Parallel()
		var versions []string
		for _, match := range regexp.MustCompile(`(?m)^\s+helm\.sh/helm/v\d+ v(\S+)$`).FindAllStringSubmatch(read(t, "go.mod"), -1) {
			versions = append(versions, minor(t, match[1]))
		}
		require.NotEmpty(t, versions)
		assert.Equal(t, strings.Join(versions, ", "), supported["Helm"])
	})
	t.Run("Qdrant", func(t *testing.T) {
		t.Parallel()
		current := regexp.MustCompile(`(?m)^appVersion: "(.*)"$`).FindStringSubmatch(read(t, "charts/qdrant/Chart.yaml"))
		require.NotNil(t, current)
		assert.Equal(t, current[1], supported["Qdrant"])
		require.Len(t, servers, 2, "the minor version before, and the chart's")
		assert.Equal(t, "v"+current[1], servers[1])
		assert.NotEqual(t, minor(t, servers[0]), minor(t, servers[1]))
	})
}

// TestReadmeIsShort: what takes more than two screens has a page in docs.
func TestReadmeIsShort(t *testing.T) {
	t.Parallel()
	assert.Less(t, len(read(t, "README.md")), 8192)
}

// read returns a file of the repository.
func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, path))
	require.NoError(t, err)
	return string(content)
}

// table reads README's table of supported versions: the first column names the software, the second its versions.
func table(t *testing.T, readme string) map[string]string {
	t.Helper()
	_, section, found := strings.Cut(readme, "\n## Supported versions\n")
	require.True(t, found, "README has no section on supported versions")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := map[string]string{}
	for _, match := range regexp.MustCompile(`(?m)^\| (\w+) \| ([^|]+) \|`).FindAllStringSubmatch(section, -1) {
		rows[match[1]] = match[2]
	}
	require.Contains(t, rows, "Kubernetes")
	return rows
}

// nightly returns the node images and the versions of Qdrant that the nightly workflow runs.
func nightly(t *testing.T) (nodes, servers []string) {
	t.Helper()
	var w struct {
		Jobs map[string]struct {
			Strategy struct {
				Matrix struct {
					Node   []string `yaml:"node"`
					Qdrant []string `yaml:"qdrant"`
				} `yaml:"matrix"`
			} `yaml:"strategy"`
		} `yaml:"jobs"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, ".github/workflows/nightly.yaml")), &w))
	matrix := w.Jobs["versions"].Strategy.Matrix
	return matrix.Node, matrix.Qdrant
}

// minor is the first version in a text without its patch.
func minor(t *testing.T, text string) string {
	t.Helper()
	match := regexp.MustCompile(`\b(?:v|)(\d+\.\d+)\.\d+`).FindStringSubmatch(text)
	require.NotNil(t, match, "there is no version in %q", text)
	return match[1]
}
