package render

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
	"github.com/qdrant-shepherd/shepherd/tests/internal/golden"
	"github.com/qdrant-shepherd/shepherd/tests/internal/some"
)

// scenario is a golden case: a file of values/ as its head says it is used, or an .in.yaml of testdata.
type scenario struct {
	name    string
	values  string
	options []chart.Option
}

func scenarios(t *testing.T) []scenario {
	t.Helper()
	var all []scenario
	for _, file := range chart.ValuesFiles(t) {
		all = append(all, scenario{name: strings.TrimSuffix(file, ".yaml"), options: []chart.Option{chart.Scenario(file)}})
	}
	inputs, err := filepath.Glob(filepath.Join("testdata", "*.in.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, inputs)
	for _, input := range inputs {
		values, err := os.ReadFile(input)
		require.NoError(t, err)
		all = append(all, scenario{name: strings.TrimSuffix(filepath.Base(input), ".in.yaml"), values: string(values)})
	}
	return all
}

// allScenarios are the golden cases and everything at once.
func allScenarios(t *testing.T) []scenario {
	t.Helper()
	return append(scenarios(t), scenario{name: "everything", values: everything})
}

// What each scenario renders, for people to review.
func TestGolden(t *testing.T) {
	t.Parallel()
	var outputs []string
	for _, s := range scenarios(t) {
		output := filepath.Join("testdata", s.name+".out.yaml")
		outputs = append(outputs, output)
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			chart.Render(t, s.values, s.options...)
			files, err := chart.Files(t, s.values, s.options...)
			require.NoError(t, err)
			golden.Check(t, output, []byte(normal(t, chart.Join(files))))
		})
	}
	golden.NoOrphans(t, filepath.Join("testdata", "*.out.yaml"), outputs)
}

// normal puts placeholders for what changes without a change of the chart: its version, and the dashboards, which another test
// compares with their files.
func normal(t *testing.T, text string) string {
	t.Helper()
	text = strings.ReplaceAll(text, "helm.sh/chart: qdrant-"+chart.Loaded(t).Metadata.Version, "helm.sh/chart: qdrant-CHART-VERSION")
	dashboards, err := filepath.Glob(filepath.Join(chart.Dir(), "dashboards", "*.json"))
	require.NoError(t, err)
	for _, dashboard := range some.Of(t, dashboards) {
		content, err := os.ReadFile(dashboard)
		require.NoError(t, err)
		indented := "    " + strings.ReplaceAll(strings.TrimRight(string(content), "\n"), "\n", "\n    ")
		text = strings.ReplaceAll(text, indented, "    THE CONTENT OF dashboards/"+filepath.Base(dashboard))
	}
	return text
}

func TestSameValuesRenderTheSameBytes(t *testing.T) {
	t.Parallel()
	for _, s := range allScenarios(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			first, err := chart.Files(t, s.values, s.options...)
			require.NoError(t, err)
			for range 2 {
				again, err := chart.Files(t, s.values, s.options...)
				require.NoError(t, err)
				assert.Equal(t, first, again)
			}
			// An upgrade of a release renders what its installation did.
			upgraded, err := chart.Files(t, s.values, slices.Concat(s.options, []chart.Option{chart.Upgrade()})...)
			require.NoError(t, err)
			assert.Equal(t, first, upgraded)
		})
	}
}

// Every scenario renders the same on every Kubernetes that the chart supports: a difference between two minors would stand here, in a table.
func TestKubernetesVersions(t *testing.T) {
	t.Parallel()
	for _, s := range allScenarios(t) {
		newest, err := chart.Files(t, s.values, s.options...)
		require.NoError(t, err)
		for _, version := range slices.Concat(chart.KubeVersions, []string{"1.30.0-gke.100"}) {
			t.Run(s.name+"_on_"+version, func(t *testing.T) {
				t.Parallel()
				options := slices.Concat(s.options, []chart.Option{chart.KubeVersion(version)})
				chart.Render(t, s.values, options...)
				files, err := chart.Files(t, s.values, options...)
				require.NoError(t, err)
				assert.Equal(t, newest, files, "nothing depends on the version")
			})
		}
	}
	refuses(t, map[string]refusal{
		"1.29": {options: []chart.Option{chart.KubeVersion("1.29")}, want: []string{"incompatible with Kubernetes v1.29"}},
	})
}

// The range of supported versions is said in several places, each for its reader; all say the same.
func TestSupportedKubernetesVersionsAgree(t *testing.T) {
	t.Parallel()
	oldest, newest := minor(t, chart.Oldest), minor(t, chart.Newest)
	require.Len(t, chart.KubeVersions, newest-oldest+1)
	for i, version := range chart.KubeVersions {
		assert.Equal(t, oldest+i, minor(t, version), "%s", chart.KubeVersions)
	}
	assert.Equal(t, ">= "+chart.Oldest+".0-0", chart.Loaded(t).Metadata.KubeVersion, "kubeVersion of Chart.yaml")
	for file, pattern := range map[string]string{
		"Makefile": `(?m)^KUBERNETES_VERSION := (.*)$`,
		// The types that everything rendered is decoded into.
		"go.mod": `(?m)^\tk8s\.io/api v(0\.\d+)\.\d+$`,
	} {
		text, err := os.ReadFile(filepath.Join(chart.Root(), file))
		require.NoError(t, err)
		match := regexp.MustCompile(pattern).FindSubmatch(text)
		require.NotNil(t, match, file)
		assert.Equal(t, newest, minor(t, string(match[1])), "the newest Kubernetes in %s", file)
	}
}

// minor is the 37 of 1.37, and of 0.37, as Kubernetes numbers its Go modules.
func minor(t *testing.T, version string) int {
	t.Helper()
	_, after, found := strings.Cut(version, ".")
	require.True(t, found, version)
	number, err := strconv.Atoi(after)
	require.NoError(t, err)
	return number
}

// As `helm lint --strict` does: a warning is an error.
func TestLint(t *testing.T) {
	t.Parallel()
	version, err := chartutil.ParseKubeVersion(chart.Newest)
	require.NoError(t, err)
	cases := map[string][]string{"the defaults": nil}
	for _, file := range chart.ValuesFiles(t) {
		cases[file] = chart.Layers(file)
	}
	each(t, cases, func(t *testing.T, layers []string) {
		linter := lint.AllWithKubeVersion(chart.Dir(), chart.Values(t, ``, layers...), chart.Namespace, version)
		for _, message := range linter.Messages {
			assert.LessOrEqual(t, message.Severity, support.InfoSev, "%s: %v", message.Path, message.Err)
		}
	})
}

// Each file of values/ stands for something that a person may do, and says how in its first lines.
func TestValuesFilesSayHowTheyAreUsed(t *testing.T) {
	t.Parallel()
	for _, file := range chart.ValuesFiles(t) {
		text, err := os.ReadFile(filepath.Join(chart.Root(), "values", file))
		require.NoError(t, err)
		assert.Regexp(t, `^# `, string(text), file)
		assert.Contains(t, string(text), "helm install q charts/qdrant", file)
		for _, layer := range some.Of(t, chart.Layers(file)) {
			assert.Contains(t, string(text), "-f values/"+layer, "%s: the command does not match what is rendered here", file)
		}
	}
}

// kind is production's shape: the same objects, but for what a laptop's cluster lacks.
func TestKindHasProductionsShape(t *testing.T) {
	t.Parallel()
	production := chart.Render(t, ``, chart.Scenario("values-prod.yaml")).IDs()
	kind := chart.Render(t, ``, chart.Scenario("values-kind.yaml")).IDs()
	lacking := []string{"PrometheusRule/q-qdrant", "ServiceMonitor/q-qdrant", "ServiceMonitor/q-shepherd", "StorageClass/qdrant-fast"}
	assert.ElementsMatch(t, production, append(lacking, kind...))
}
