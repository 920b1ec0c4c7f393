//go:build controlplane

package controlplane

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/releaseutil"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/qdrant-shepherd/shepherd/tests/internal/chart"
)

// applier sends objects by server-side apply, strictly: an unknown field is an error, and so is one that belongs to somebody else.
type applier struct {
	dynamic.Interface
	warned *warnings
	test   *testing.T
}

// newApplier is for a test and its subtests. Objects without a namespace are deleted with the test, the others go with theirs.
func newApplier(t *testing.T) applier {
	t.Helper()
	a := applier{warned: new(warnings), test: t}
	config := rest.CopyConfig(suite.Config)
	config.WarningHandler = a.warned
	var err error
	a.Interface, err = dynamic.NewForConfig(config)
	require.NoError(t, err)
	return a
}

// apply sends an object and returns what the server has stored.
func (a applier) apply(ctx context.Context, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	// Other tests need what the keepers of the guard keep.
	if object.GetNamespace() == "" && object.GetAnnotations()[kube.ResourcePolicyAnno] != kube.KeepPolicy {
		a.test.Cleanup(func() {
			_ = a.resource(object).Delete(context.Background(), object.GetName(), metav1.DeleteOptions{}) // the whole cluster goes soon
		})
	}
	return a.patch(ctx, object)
}

func (a applier) patch(ctx context.Context, object *unstructured.Unstructured, dryRun ...string) (*unstructured.Unstructured, error) {
	content, err := object.MarshalJSON()
	if err != nil {
		return nil, err
	}
	return a.resource(object).Patch(ctx, object.GetName(), types.ApplyPatchType, content,
		metav1.PatchOptions{FieldManager: "tests", FieldValidation: metav1.FieldValidationStrict, DryRun: dryRun})
}

// unchanged says what it would change to apply an object again. It stays with the question, for the answer to be the same when it is asked
// again: a controller may write in between.
func (a applier) unchanged(ctx context.Context, object *unstructured.Unstructured) error {
	before, err := a.resource(object).Get(ctx, object.GetName(), metav1.GetOptions{})
	if err != nil {
		return err
	}
	after, err := a.patch(ctx, object, metav1.DryRunAll)
	if err != nil {
		return err
	}
	for _, object := range []*unstructured.Unstructured{before, after} {
		object.SetManagedFields(nil) // who says so, and since when; that is new each time for what has a status by server-side apply
	}
	// Either may have what the other lacks.
	if changes := append(differences(before.Object, after.Object), differences(after.Object, before.Object)...); len(changes) > 0 {
		return errors.New(strings.Join(changes, "\n"))
	}
	return nil
}

// resource is where an object is sent to. The resources of all kinds here are their plurals, as English has them.
func (a applier) resource(object *unstructured.Unstructured) dynamic.ResourceInterface {
	plural, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
	if object.GetNamespace() == "" {
		return a.Resource(plural)
	}
	return a.Resource(plural).Namespace(object.GetNamespace())
}

// inOrder are the rendered objects as Helm sends them: kind by kind, so that what others need is there first.
func inOrder(t *testing.T, objects chart.Objects) []*unstructured.Unstructured {
	t.Helper()
	var all []*unstructured.Unstructured
	for _, object := range objects.All {
		all = append(all, &unstructured.Unstructured{Object: read(t, object.Text)})
	}
	slices.SortStableFunc(all, func(a, b *unstructured.Unstructured) int { return turn(a) - turn(b) })
	return all
}

func turn(object *unstructured.Unstructured) int {
	order := slices.Index(releaseutil.InstallOrder, object.GetKind())
	if order < 0 {
		return len(releaseutil.InstallOrder) // a kind that Helm does not know comes last
	}
	return order
}

// id names an object in messages.
func id(object *unstructured.Unstructured) string { return object.GetKind() + "/" + object.GetName() }
