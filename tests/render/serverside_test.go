package render

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
)

// What Helm 4 does at an install and an upgrade: each object as it was rendered goes to the API server, which finds out by its managers of
// fields what that changes. The fake API server here has the real one's code for that.

// apply sends a rendered object as Helm 4 does, which does not force conflicts.
func apply(ctx context.Context, api kubernetes.Interface, object chart.Object) error {
	content, err := yaml.YAMLToJSON([]byte(object.Text))
	if err != nil {
		return err
	}
	options := metav1.PatchOptions{FieldManager: "helm", Force: ptr.To(false)}
	name := object.Typed.GetName()
	switch object.Kind {
	case "StatefulSet":
		_, err = api.AppsV1().StatefulSets(chart.Namespace).Patch(ctx, name, types.ApplyPatchType, content, options)
	case "ConfigMap":
		_, err = api.CoreV1().ConfigMaps(chart.Namespace).Patch(ctx, name, types.ApplyPatchType, content, options)
	case "Lease":
		_, err = api.CoordinationV1().Leases(chart.Namespace).Patch(ctx, name, types.ApplyPatchType, content, options)
	}
	return err
}

// renderedObject is the one of that kind and name, with everything turned on.
func renderedObject(t *testing.T, kind, name string, options ...chart.Option) chart.Object {
	t.Helper()
	for _, object := range chart.Render(t, everything, options...).All {
		if object.Kind == kind && object.Typed.GetName() == name {
			return object
		}
	}
	require.FailNow(t, "not rendered", "%s/%s", kind, name)
	return chart.Object{}
}

// TestServerSideApplyLeavesTheCountToTheAutoscaler: an upgrade applies the count that it finds, so it shares the field with the autoscaler and
// conflicts with nobody. `helm rollback` applies the count of then: that is a conflict, and the count stays.
func TestServerSideApplyLeavesTheCountToTheAutoscaler(t *testing.T) {
	t.Parallel()
	api := fake.NewClientset()
	sets := api.AppsV1().StatefulSets(chart.Namespace)
	requireCount := func(want int32, owners ...string) *appsv1.StatefulSet {
		t.Helper()
		set, err := sets.Get(t.Context(), chart.Fullname, metav1.GetOptions{})
		require.NoError(t, err)
		require.Equal(t, want, *set.Spec.Replicas)
		got, err := k8s.Owners(set, "spec", "replicas")
		require.NoError(t, err)
		require.Equal(t, owners, got)
		return set
	}

	installed := renderedObject(t, "StatefulSet", chart.Fullname, chart.Live(t))
	require.NoError(t, apply(t.Context(), api, installed))
	set := requireCount(3, "helm Apply")

	set.Spec.Replicas = ptr.To[int32](5)
	_, err := sets.Update(t.Context(), set, metav1.UpdateOptions{FieldManager: "kube-controller-manager"})
	require.NoError(t, err)
	set = requireCount(5, "kube-controller-manager Update")

	require.NoError(t, apply(t.Context(), api, renderedObject(t, "StatefulSet", chart.Fullname, chart.Live(t, set), chart.Upgrade())))
	requireCount(5, "helm Apply", "kube-controller-manager Update")

	rollback := apply(t.Context(), api, installed)
	require.True(t, apierrors.IsConflict(rollback), "%v", rollback)
	assert.ErrorContains(t, rollback, ".spec.replicas")
	requireCount(5, "helm Apply", "kube-controller-manager Update")
}

// TestServerSideApplyLeavesWhatShepherdWrites: the chart says nothing of the entries of the state ConfigMap and of the Leases, so it owns none.
func TestServerSideApplyLeavesWhatShepherdWrites(t *testing.T) {
	t.Parallel()
	api := fake.NewClientset()
	objects := []chart.Object{renderedObject(t, "ConfigMap", "q-shepherd"), renderedObject(t, "Lease", "q-shepherd"), renderedObject(t, "Lease", "q-qdrant-stop")}
	for _, object := range objects {
		require.NoError(t, apply(t.Context(), api, object), object.ID())
	}

	byShepherd := metav1.UpdateOptions{FieldManager: "shepherd"}
	state, err := api.CoreV1().ConfigMaps(chart.Namespace).Get(t.Context(), "q-shepherd", metav1.GetOptions{})
	require.NoError(t, err)
	state.Data = map[string]string{"minReplicas": "3"}
	_, err = api.CoreV1().ConfigMaps(chart.Namespace).Update(t.Context(), state, byShepherd)
	require.NoError(t, err)
	for _, name := range []string{"q-shepherd", "q-qdrant-stop"} {
		lease, err := api.CoordinationV1().Leases(chart.Namespace).Get(t.Context(), name, metav1.GetOptions{})
		require.NoError(t, err)
		lease.Spec.HolderIdentity = ptr.To("q-qdrant-1")
		_, err = api.CoordinationV1().Leases(chart.Namespace).Update(t.Context(), lease, byShepherd)
		require.NoError(t, err)
	}

	for _, object := range objects {
		require.NoError(t, apply(t.Context(), api, object), object.ID())
	}
	state, err = api.CoreV1().ConfigMaps(chart.Namespace).Get(t.Context(), "q-shepherd", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"minReplicas": "3"}, state.Data)
	for _, name := range []string{"q-shepherd", "q-qdrant-stop"} {
		lease, err := api.CoordinationV1().Leases(chart.Namespace).Get(t.Context(), name, metav1.GetOptions{})
		require.NoError(t, err)
		assert.Equal(t, ptr.To("q-qdrant-1"), lease.Spec.HolderIdentity, name)
	}
}

// TestServerSideApplyRefusesTheSameKeyTwice: what a client-side apply only warns of.
func TestServerSideApplyRefusesTheSameKeyTwice(t *testing.T) {
	t.Parallel()
	sent := func(values string) error {
		files, err := chart.Files(t, values)
		require.NoError(t, err)
		set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: chart.Fullname}}
		return apply(t.Context(), fake.NewClientset(), chart.Object{
			TypeMeta: metav1.TypeMeta{Kind: "StatefulSet"}, Typed: set, Text: files["templates/statefulset.yaml"],
		})
	}
	require.NoError(t, sent(`extraEnv: [{name: A, value: "1"}, {name: B, value: "2"}]`))
	assert.ErrorContains(t, sent(`extraEnv: [{name: A, value: "1"}, {name: A, value: "2"}]`), `duplicate entries for key [name="A"]`)
}
