//go:build controlplane

package controlplane

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// What the chart renders is what the API server stores: nothing is refused, warned of, dropped or altered, whatever the values; and what
// is there already stays as it is.
func TestEveryObjectIsStoredAsItWasSent(t *testing.T) {
	t.Parallel()
	var applied names
	t.Run("variants", func(t *testing.T) {
		for name, v := range variants(t) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				objects := v.render(t, namespace(t))
				storesAsSent(t, objects)
				for _, object := range objects.All {
					applied.add(object.Template)
				}
			})
		}
	})
	if !t.Failed() {
		assert.Equal(t, templatesOfObjects(t), applied.sorted(), "templates that a variant turns on")
	}
}

func storesAsSent(t *testing.T, objects chart.Objects) {
	t.Helper()
	applier := newApplier(t)
	var all []*unstructured.Unstructured
	for _, object := range inOrder(t, objects) {
		t.Run(id(object), func(t *testing.T) {
			needsDefinition(t, object)
			stored, err := applier.apply(t.Context(), object)
			require.NoError(t, err)
			assert.Empty(t, differences(object.Object, stored.Object))
			all = append(all, object)
		})
	}
	for _, object := range all {
		what := id(object) + " to stay as it is when it is applied again"
		assert.NoError(t, k8s.Poll(t.Context(), timeouts.Patience, what, func(ctx context.Context) error { return applier.unchanged(ctx, object) }))
	}
	assert.Empty(t, applier.warned.all(), "the API server warned")
}

// What storesAsSent asks of each object must be able to come out otherwise.
func TestAnotherObjectIsAChange(t *testing.T) {
	t.Parallel()
	applier := newApplier(t)
	object := &unstructured.Unstructured{Object: read(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: object}, data: {a: "1", b: "2"}}`)}
	object.SetNamespace(namespace(t))
	_, err := applier.apply(t.Context(), object)
	require.NoError(t, err)
	require.NoError(t, applier.unchanged(t.Context(), object))

	object.Object["data"] = map[string]any{"a": "3"}
	err = applier.unchanged(t.Context(), object)
	assert.ErrorContains(t, err, `.data.a: "1" was stored as "3"`)
	assert.ErrorContains(t, err, `.data.b: "2" was dropped`)
}

// The API server checks the types of a policy's expressions some time after it has stored it, and only notes what it finds.
func TestExpressionsOfPoliciesHaveTheRightTypes(t *testing.T) {
	t.Parallel()
	applier := newApplier(t)
	var looked []string
	for _, object := range inOrder(t, variants(t)["values-prod"].render(t, namespace(t))) {
		if object.GetKind() != "ValidatingAdmissionPolicy" {
			continue
		}
		_, err := applier.apply(t.Context(), object)
		require.NoError(t, err)
		var checked *admissionv1.ValidatingAdmissionPolicy
		require.NoError(t, k8s.Poll(t.Context(), timeouts.Patience, "types of "+id(object)+" to be checked", func(ctx context.Context) error {
			var err error
			checked, err = suite.AdmissionregistrationV1().ValidatingAdmissionPolicies().Get(ctx, object.GetName(), metav1.GetOptions{})
			if err == nil && checked.Status.TypeChecking == nil {
				err = fmt.Errorf("not yet")
			}
			return err
		}))
		assert.Empty(t, checked.Status.TypeChecking.ExpressionWarnings, id(object))
		looked = append(looked, id(object))
	}
	assert.Len(t, looked, 2, "the guard and its keeper")
}

// templatesOfObjects are the files that make objects.
func templatesOfObjects(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(chart.Dir(), "templates", "*.yaml"))
	require.NoError(t, err)
	for i, file := range files {
		files[i] = "templates/" + filepath.Base(file)
	}
	return files
}

// names are a set that parallel subtests add to.
type names struct{ all sync.Map }

func (n *names) add(name string) { n.all.Store(name, true) }

func (n *names) sorted() []string {
	var all []string
	n.all.Range(func(name, _ any) bool {
		all = append(all, name.(string))
		return true
	})
	slices.Sort(all)
	return all
}
