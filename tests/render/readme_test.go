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

// TestReadmeListsEveryObject: the table of objects of the chart's page has a row for each kind and name that the chart can render.
func TestReadmeListsEveryObject(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join(chart.Dir(), "README.md"))
	require.NoError(t, err)
	_, table, found := strings.Cut(string(content), "\n## Objects\n")
	require.True(t, found, "the page has no table of objects")
	table, _, _ = strings.Cut(table, "\n## ")

	ids := append(chart.Render(t, everything).IDs(), chart.Render(t, `auth: {generate: true}
shepherd: {image: {repository: shepherd}}`).IDs()...)
	require.Contains(t, ids, "Job/q-qdrant-keys", "hooks are objects too")
	for _, id := range ids {
		kind, name, _ := strings.Cut(id, "/")
		name = strings.Replace(name, "qdrant-test.", "NAMESPACE.", 1)
		switch {
		case name == "more": // one of the user's own
			continue
		case kind == "StorageClass": // whose name is a value
			name = "storageClass.name"
		}
		row := regexp.MustCompile("(?m)^\\| .*\\b" + kind + "\\b.*`" + regexp.QuoteMeta(name) + "`")
		assert.Regexp(t, row, table, "the page does not list %s", id)
	}
}
