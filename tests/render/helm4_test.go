package render

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
)

// Helm 4 renders what Helm 3 does, to the byte: a person may change the command and nothing else changes. What Helm 3 refuses, Helm 4
// refuses with the same words; chart.RenderErr looks at that in every test of a refusal.
func TestHelm4RendersTheSameBytes(t *testing.T) {
	t.Parallel()
	five := []metav1.Object{chart.LiveStatefulSet(chart.Fullname, 5), chart.LiveAutoscaler(chart.Fullname, 5)}
	ways := map[string][]chart.Option{
		"an installation":             nil,
		"an upgrade":                  {chart.Upgrade()},
		"the oldest Kubernetes":       {chart.KubeVersion(chart.Oldest)},
		"an upgrade of five replicas": {chart.Upgrade(), chart.Live(t, five...)},
	}
	for _, s := range allScenarios(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			compared := 0
			for _, way := range slices.Sorted(maps.Keys(ways)) {
				options := slices.Concat(s.options, ways[way])
				three, err := chart.Files(t, s.values, options...)
				require.NoError(t, err, way)
				four, err := chart.Files4(t, s.values, options...)
				require.NoError(t, err, way)
				assert.Equal(t, three, four, way)
				compared += len(chart.Join(four))
			}
			require.Positive(t, compared)
			t.Logf("%d bytes in %d ways", compared, len(ways))
		})
	}
}

// Values that look odd and are allowed are no more refused by Helm 4 than by Helm 3, and nor is a single changed value.
func TestHelm4AcceptsWhatHelm3Does(t *testing.T) {
	t.Parallel()
	cases := maps.Clone(odd)
	for path, values := range changed {
		if values != "-" {
			cases["everything with "+path+" changed"] = values
		}
	}
	each(t, cases, func(t *testing.T, values string) {
		for _, below := range []string{``, everything} {
			three, err := chart.Files(t, values, chart.Below(below))
			if err != nil {
				require.Error(t, chart.RenderErr(t, values, chart.Below(below)))
				continue
			}
			four, err := chart.Files4(t, values, chart.Below(below))
			require.NoError(t, err)
			assert.Equal(t, three, four)
		}
	})
}
