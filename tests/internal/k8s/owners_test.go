package k8s

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestOwners(t *testing.T) {
	t.Parallel()
	entry := func(manager string, operation metav1.ManagedFieldsOperationType, subresource, fields string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, Operation: operation, Subresource: subresource, FieldsV1: metav1.NewFieldsV1(fields)}
	}
	object := &metav1.ObjectMeta{Name: "q-qdrant", ManagedFields: []metav1.ManagedFieldsEntry{
		entry("kube-controller-manager", "Update", "scale", `{"f:spec":{"f:replicas":{}}}`),
		entry("helm", "Apply", "", `{"f:spec":{"f:replicas":{},"f:serviceName":{}}}`),
		entry("kube-controller-manager", "Update", "status", `{"f:status":{"f:replicas":{}}}`),
	}}
	for name, c := range map[string]struct {
		path []string
		want []string
	}{
		"two_share_it":             {path: []string{"spec", "replicas"}, want: []string{"helm Apply", "kube-controller-manager Update scale"}},
		"one_has_it":               {path: []string{"spec", "serviceName"}, want: []string{"helm Apply"}},
		"nobody_has_it":            {path: []string{"spec", "minReadySeconds"}},
		"a_field_of_the_same_name": {path: []string{"status", "replicas"}, want: []string{"kube-controller-manager Update status"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			owners, err := Owners(object, c.path...)
			require.NoError(t, err)
			assert.Equal(t, c.want, owners)
		})
	}
	t.Run("what_cannot_be_read_is_an_error", func(t *testing.T) {
		t.Parallel()
		_, err := Owners(&metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{entry("helm", "Apply", "", `{`)}}, "spec")
		require.ErrorContains(t, err, "reading what helm owns")
	})
}
