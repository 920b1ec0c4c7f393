package cluster

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
)

func TestInventory(t *testing.T) {
	t.Parallel()
	meta := func(namespace, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name}
	}
	before := []runtime.Object{
		&corev1.Namespace{ObjectMeta: meta("", "default")},
		&corev1.Node{ObjectMeta: meta("", "worker")},
		&coordinationv1.Lease{ObjectMeta: meta("kube-node-lease", "worker")},
	}
	inventory := func(t *testing.T, objects ...runtime.Object) Inventory {
		t.Helper()
		c := &Cluster{Client: &k8s.Client{Interface: fake.NewClientset(objects...)}}
		found, err := c.Inventory(t.Context())
		require.NoError(t, err)
		return found
	}
	for _, test := range []struct {
		name   string
		object runtime.Object
		want   string
	}{
		{"a_namespace", &corev1.Namespace{ObjectMeta: meta("", "install-a1b2")}, "Namespace install-a1b2"},
		{"a_claim", &corev1.PersistentVolumeClaim{ObjectMeta: meta("default", "qdrant-storage-q-qdrant-0")}, "PersistentVolumeClaim default/qdrant-storage-q-qdrant-0"},
		{"a_volume", &corev1.PersistentVolume{ObjectMeta: meta("", "pvc-1")}, "PersistentVolume pvc-1"},
		{"a_lease", &coordinationv1.Lease{ObjectMeta: meta("default", "q-qdrant-stop")}, "Lease default/q-qdrant-stop"},
		{"a_cordoned_node", &corev1.Node{ObjectMeta: meta("", "second"), Spec: corev1.NodeSpec{Unschedulable: true}}, "cordoned Node second"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, []string{test.want}, inventory(t, append(slices.Clone(before), test.object)...).besides(inventory(t, before...)))
		})
	}
	t.Run("what_was_there_before_is_not_left_behind", func(t *testing.T) {
		t.Parallel()
		assert.Empty(t, inventory(t, before...).besides(inventory(t, before...)))
	})
	t.Run("leases_that_the_control_plane_renews_do_not_count", func(t *testing.T) {
		t.Parallel()
		object := &coordinationv1.Lease{ObjectMeta: meta("kube-system", "kube-scheduler")}
		assert.Empty(t, inventory(t, append(slices.Clone(before), object)...).besides(inventory(t, before...)))
	})
}

// TestANamespaceThatIsBeingDeletedIsRechecked: the namespace controller would look again in half an hour.
func TestANamespaceThatIsBeingDeletedIsRechecked(t *testing.T) {
	t.Parallel()
	now := metav1.Now()
	deleted := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "install-a1b2", DeletionTimestamp: &now, Finalizers: []string{"kubernetes"}}}
	api := fake.NewClientset(deleted, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}})
	c := &Cluster{Client: &k8s.Client{Interface: api}}
	before, err := c.Inventory(t.Context())
	require.NoError(t, err)
	require.NoError(t, c.AwaitNothingLeft(t.Context(), before))
	for name, annotations := range map[string]int{"install-a1b2": 1, "default": 0} {
		namespace, err := api.CoreV1().Namespaces().Get(t.Context(), name, metav1.GetOptions{})
		require.NoError(t, err)
		assert.Len(t, namespace.Annotations, annotations, name)
	}
}
