// Package chart renders the Qdrant chart with Helm as a library: no cluster and no helm binary are needed. What it returns is
// decoded strictly into the Kubernetes types, so a field that the API does not know fails the test, and every render is held to
// the invariants of this package on the way.
package chart

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	helm "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/qdrant-shepherd/shepherd/internal/repository"
)

const (
	// Release is the name of the release unless an option says otherwise.
	Release = "q"
	// Namespace is where it is installed unless an option says otherwise.
	Namespace = "qdrant-test"
	// Fullname is the name of its objects.
	Fullname = "q-qdrant"
	// Newest is the newest Kubernetes that the chart supports.
	Newest = "1.37"
	// Oldest is the oldest.
	Oldest = "1.30"
)

// KubeVersions are the minor versions of Kubernetes that the chart supports, oldest first.
var KubeVersions = []string{Oldest, "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", Newest}

// published is what the values of a published chart say and those of a clone do not: where shepherd's image is.
const published = `shepherd: {image: {repository: registry.example.org/charts/qdrant-shepherd, digest: "sha256:5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e"}}`

// Option changes how the chart is rendered.
type Option func(*render)

type render struct {
	release, namespace string
	kubeVersion        string
	upgrade            bool
	published          bool
	below              string
	layers             []string
	cluster            *rest.Config
}

// Named sets the name of the release.
func Named(name string) Option { return func(r *render) { r.release = name } }

// Into sets the namespace.
func Into(namespace string) Option { return func(r *render) { r.namespace = namespace } }

// KubeVersion sets the version of the cluster, such as "1.30".
func KubeVersion(version string) Option { return func(r *render) { r.kubeVersion = version } }

// Upgrade renders what `helm upgrade` would; without it, it is `helm install`.
func Upgrade() Option { return func(r *render) { r.upgrade = true } }

// Published renders the chart as it is in a registry, where its values name shepherd's image.
func Published() Option { return func(r *render) { r.published = true } }

// Below puts the given text under all other values.
func Below(text string) Option { return func(r *render) { r.below = text } }

// Over puts the values on top of those of files in values/, as several -f do.
func Over(files ...string) Option {
	return func(r *render) { r.layers = append(r.layers, files...) }
}

// Dir is the chart's directory.
func Dir() string { return filepath.Join(Root(), "charts", "qdrant") }

// Root is the root of the repository.
var Root = sync.OnceValue(func() string {
	root, err := repository.Root()
	if err != nil {
		panic(err)
	}
	return root
})

var load = sync.OnceValues(func() (*helm.Chart, error) { return loader.LoadDir(Dir()) })

// Loaded is the chart as Helm reads it. It is shared: don't change it.
func Loaded(t testing.TB) *helm.Chart {
	t.Helper()
	loaded, err := load()
	require.NoError(t, err, "loading the chart")
	return loaded
}

// Render renders the chart with the given values, decodes it and checks the invariants.
func Render(t testing.TB, values string, options ...Option) Objects {
	t.Helper()
	files, err := Files(t, values, options...)
	require.NoError(t, err, "rendering the chart with values:\n%s", values)
	objects, err := decode(files)
	require.NoError(t, err, "decoding what was rendered with values:\n%s", values)
	// Of nothing, all that a test says is absent would be so.
	require.NotEmpty(t, objects.All, "no object is rendered with values:\n%s", values)
	r := newRender(options)
	objects.namespace = r.namespace
	objects.shepherd = shepherdImage(t, r.values(t, values))
	for _, wrong := range objects.Violations() {
		t.Errorf("%s\nrendered with values:\n%s", wrong, values)
	}
	return objects
}

// RenderErr renders the chart and returns the error that it must end in, with Helm 3 and with Helm 4.
func RenderErr(t testing.TB, values string, options ...Option) error {
	t.Helper()
	_, err := Files(t, values, options...)
	require.Error(t, err, "the chart accepts values:\n%s", values)
	refusedAlike(t, err, values, options)
	return err
}

// Files renders the chart as `helm install` or `helm upgrade` does and returns the text of each template by its path in the chart.
func Files(t testing.TB, values string, options ...Option) (map[string]string, error) {
	t.Helper()
	r := newRender(options)
	loaded := Loaded(t)

	version, err := chartutil.ParseKubeVersion(r.kubeVersion)
	require.NoError(t, err, "reading the Kubernetes version")
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = *version
	// Helm itself checks this at the beginning of an installation, outside of what is exported.
	if !chartutil.IsCompatibleRange(loaded.Metadata.KubeVersion, version.String()) {
		return nil, incompatible(loaded.Metadata.KubeVersion, version)
	}

	release := chartutil.ReleaseOptions{Name: r.release, Namespace: r.namespace, Revision: 1, IsInstall: !r.upgrade, IsUpgrade: r.upgrade}
	if r.upgrade {
		release.Revision = 2
	}
	given, err := chartutil.ToRenderValues(loaded, r.values(t, values), release, capabilities)
	if err != nil {
		return nil, err
	}
	renderer := engine.Engine{}
	if r.cluster != nil {
		renderer = engine.New(r.cluster)
	}
	files, err := renderer.Render(loaded, given)
	if err != nil {
		return nil, err
	}
	return short(loaded.Name(), files), nil
}

// incompatible is what Helm says of a cluster that the chart does not support.
func incompatible(required string, version fmt.Stringer) error {
	return fmt.Errorf("chart requires kubeVersion: %s which is incompatible with Kubernetes %s", required, version)
}

// short takes the chart's name from the paths of its templates.
func short(name string, files map[string]string) map[string]string {
	short := make(map[string]string, len(files))
	for path, text := range files {
		short[strings.TrimPrefix(path, name+"/")] = text
	}
	return short
}

// Values reads values as the helm command does: files of values/ first, then the given text.
func Values(t testing.TB, text string, files ...string) map[string]any {
	t.Helper()
	layers := make([]string, 0, len(files)+1)
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(Root(), "values", file))
		require.NoError(t, err, "reading values")
		layers = append(layers, string(content))
	}
	layers = append(layers, text)

	merged := map[string]any{}
	for _, layer := range layers {
		values := map[string]any{}
		// Duplicate keys are mistakes of the test; Helm would take the last one in silence.
		require.NoError(t, yaml.UnmarshalStrict([]byte(layer), &values), "reading values:\n%s", layer)
		merged = overlay(merged, values)
	}
	return merged
}

// values are the layers of a render below the given text.
func (r render) values(t testing.TB, text string) map[string]any {
	t.Helper()
	values := overlay(Values(t, r.below), Values(t, text, r.layers...))
	if r.published {
		values = overlay(Values(t, published), values)
	}
	return values
}

// shepherdImage is what the values make of shepherd's image: a digest wins over a tag, and the chart's version stands for none.
func shepherdImage(t testing.TB, values map[string]any) string {
	t.Helper()
	repository, _ := At(values, "shepherd.image.repository")
	if digest, _ := At(values, "shepherd.image.digest"); digest != nil {
		return fmt.Sprintf("%v@%v", repository, digest)
	}
	if tag, _ := At(values, "shepherd.image.tag"); tag != nil {
		return fmt.Sprintf("%v:%v", repository, tag)
	}
	return fmt.Sprintf("%v:%v", repository, strings.ReplaceAll(Loaded(t).Metadata.Version, "+", "_"))
}

// overlay merges as the helm command merges several values files: maps key by key, anything else as a whole.
func overlay(base, over map[string]any) map[string]any {
	merged := maps.Clone(base)
	for key, value := range over {
		if below, ok := merged[key].(map[string]any); ok {
			if above, ok := value.(map[string]any); ok {
				merged[key] = overlay(below, above)
				continue
			}
		}
		merged[key] = value
	}
	return merged
}

// ValuesFiles returns the names of the files in values/, sorted.
func ValuesFiles(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(Root(), "values", "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, paths, "values/ has no files")
	names := make([]string, 0, len(paths))
	for _, path := range paths {
		names = append(names, filepath.Base(path))
	}
	slices.Sort(names)
	return names
}

// Scenario is the option that renders a file of values/ as its first lines say: values-kind.yaml lies over values-prod.yaml, which by itself
// is for a published chart.
func Scenario(file string) Option {
	switch file {
	case "values-kind.yaml":
		return Over("values-prod.yaml", file)
	case "values-prod.yaml":
		return func(r *render) {
			Published()(r)
			Over(file)(r)
		}
	default:
		return Over(file)
	}
}

// Layers returns the files that Scenario uses, lowest first.
func Layers(file string) []string {
	var r render
	Scenario(file)(&r)
	return r.layers
}

func newRender(options []Option) render {
	r := render{release: Release, namespace: Namespace, kubeVersion: Newest}
	for _, option := range options {
		option(&r)
	}
	return r
}

// Merge lays values over others as the helm command does with several values files.
func Merge(base, over map[string]any) map[string]any { return overlay(base, over) }

// Join returns the text of all templates in one piece.
func Join(files map[string]string) string {
	var all strings.Builder
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if hasContent(files[path]) {
			fmt.Fprintf(&all, "---\n# %s\n%s\n", path, strings.TrimSpace(files[path]))
		}
	}
	return all.String()
}
