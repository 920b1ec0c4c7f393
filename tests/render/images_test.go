package render

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
)

// TestThePageOnAirGappedInstallsListsEveryImage holds the page to the images of the chart's containers, of its hooks and
// of the compose stack.
func TestThePageOnAirGappedInstallsListsEveryImage(t *testing.T) {
	t.Parallel()
	root := filepath.Join(chart.Dir(), "..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "operations", "air-gapped.md"))
	require.NoError(t, err)

	var texts []string
	for _, values := range []string{
		"shepherd: {enabled: true, image: {repository: registry.example.org/qdrant-shepherd}}\nauth: {generate: true}",
		"shepherd: {enabled: false}",
	} {
		files, err := chart.Files(t, values)
		require.NoError(t, err)
		texts = append(texts, chart.Join(files))
	}
	compose, err := filepath.Glob(filepath.Join(root, "compose", "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, compose)
	for _, file := range compose {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		texts = append(texts, string(text))
	}

	found := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^\s*(?:- )?image: "?([^\s"]+)"?$`).FindAllStringSubmatch(strings.Join(texts, "\n"), -1) {
		repository, _, _ := strings.Cut(match[1], "@")
		if colon := strings.LastIndexByte(repository, ':'); colon > strings.LastIndexByte(repository, '/') {
			repository = repository[:colon]
		}
		found[strings.Replace(repository, "registry.example.org/", "REGISTRY/", 1)] = true
	}
	assert.GreaterOrEqual(t, len(found), 4)
	for repository := range found {
		assert.Contains(t, string(page), "`"+repository+"`")
	}
}
