//go:build controlplane

package controlplane

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	helmchart "helm.sh/helm/v3/pkg/chart"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/qdrant-shepherd/shepherd/internal/local/helm"
	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/some"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// localValues make a scenario fit for this control plane: there are no CRDs but those a test brings, and a storage class can belong to
// one release only.
const localValues = `
storageClass: {create: false}
persistence:
  data: {storageClass: null}
  snapshots: {storageClass: null}
  scratch: {storageClass: null}
metrics:
  serviceMonitor: {enabled: false}
  prometheusRule: {enabled: false}
shepherd: {image: {repository: qdrant-shepherd, tag: dev}}
`

// warnings are what the API server said beside its answers.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

// HandleWarningHeader is rest.WarningHandler.
func (w *warnings) HandleWarningHeader(_ int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
}

func (w *warnings) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.texts...)
}

// namespace makes one that enforces Pod Security "restricted", with the keys that values-prod names. It stays, for the whole cluster goes
// soon and to delete it would be a quarter of the suite's work; but what never rests is deleted with the test.
func namespace(t *testing.T) string {
	t.Helper()
	restricted := map[string]string{}
	for _, mode := range []string{"enforce", "warn", "audit"} {
		restricted["pod-security.kubernetes.io/"+mode] = "restricted"
	}
	prefix := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	made, err := suite.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: prefix[:min(len(prefix), 40)] + "-", Labels: restricted},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx := context.Background()
		_ = suite.AutoscalingV2().HorizontalPodAutoscalers(made.Name).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
	})
	_, err = suite.CoreV1().Secrets(made.Name).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "qdrant-keys"},
		StringData: map[string]string{"api-key": "an-api-key-of-the-tests", "read-only-api-key": "a-reading-key-of-the-tests"},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	return made.Name
}

// deployment is a release of the chart in a namespace.
type deployment struct {
	namespace, name string
	helm            *helm.Client
	warned          *warnings
	calls           *calls
}

// newDeployment prepares a release; nothing is installed yet.
func newDeployment(t *testing.T, namespace, name string) *deployment {
	t.Helper()
	d := &deployment{namespace: namespace, name: name, warned: new(warnings), calls: new(calls)}
	var err error
	d.helm, err = helm.New(suite.plane.Kubeconfig, namespace, func(config *rest.Config) {
		config.WarningHandler = d.warned
		config.Wrap(d.calls.count)
	})
	require.NoError(t, err)
	return d
}

// install installs the chart as it is in the repository; a warning of the API server fails the test.
func install(t *testing.T, namespace, name string, values map[string]any) *deployment {
	t.Helper()
	d := newDeployment(t, namespace, name)
	require.NoError(t, d.install(t, chart.Loaded(t), values))
	return d
}

func (d *deployment) install(t *testing.T, from *helmchart.Chart, values map[string]any) error {
	t.Helper()
	_, err := d.helm.Install(t.Context(), d.name, from, values)
	require.Empty(t, d.warned.all(), "the API server warned")
	return err
}

func (d *deployment) upgrade(t *testing.T, values map[string]any) error {
	t.Helper()
	_, err := d.helm.Upgrade(t.Context(), d.name, chart.Loaded(t), values)
	require.Empty(t, d.warned.all(), "the API server warned")
	return err
}

func (d *deployment) fullname() string { return d.name + "-qdrant" }

// pods are the servers' pods, of which there is one at least.
func (d *deployment) pods(t *testing.T) []corev1.Pod {
	t.Helper()
	pods, err := suite.Pods(t.Context(), d.namespace, k8s.Selector(d.name))
	require.NoError(t, err)
	return some.Of(t, pods)
}

func (d *deployment) awaitReady(t *testing.T, replicas int32) {
	t.Helper()
	require.NoError(t, suite.WaitRollout(t.Context(), d.namespace, d.fullname(), replicas, timeouts.Patience))
}

// scenario reads the values of a file in values/, with its layers, made fit for here; more may follow, each over those before it.
func scenario(t *testing.T, file string, more ...string) map[string]any {
	t.Helper()
	values := chart.Values(t, localValues, chart.Layers(file)...)
	for _, text := range more {
		values = chart.Merge(values, chart.Values(t, text))
	}
	return values
}
