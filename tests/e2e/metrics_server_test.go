//go:build e2e

package e2e

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/qdrant-shepherd/shepherd/tests/internal/cluster"
	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// installMetricsServer gives a cluster metrics-server, once; it stays as long as the cluster does.
func installMetricsServer(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	file, err := os.Open("testdata/metrics-server.yaml")
	require.NoError(t, err)
	defer file.Close() //nolint:errcheck // it was only read
	resources := map[string]string{
		"ServiceAccount": "serviceaccounts", "ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings",
		"RoleBinding": "rolebindings", "Service": "services", "Deployment": "deployments", "APIService": "apiservices",
	}
	applied := 0
	documents := yaml.NewYAMLOrJSONDecoder(file, 4096)
	for {
		object := &unstructured.Unstructured{}
		err := documents.Decode(object)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		applied++
		kind := object.GroupVersionKind()
		resource := c.Dynamic.Resource(schema.GroupVersionResource{Group: kind.Group, Version: kind.Version, Resource: resources[kind.Kind]})
		data, err := object.MarshalJSON()
		require.NoError(t, err)
		options := metav1.PatchOptions{FieldManager: "e2e", Force: new(true)}
		if namespace := object.GetNamespace(); namespace != "" {
			_, err = resource.Namespace(namespace).Patch(t.Context(), object.GetName(), types.ApplyPatchType, data, options)
		} else {
			_, err = resource.Patch(t.Context(), object.GetName(), types.ApplyPatchType, data, options)
		}
		require.NoErrorf(t, err, "applying %s %s", kind.Kind, object.GetName())
	}
	require.GreaterOrEqual(t, applied, len(resources), "objects of metrics-server")
	require.NoError(t, k8s.Poll(t.Context(), timeouts.ScaledUp, "the metrics API answers", func(ctx context.Context) error {
		nodes := schema.GroupVersionResource{Group: "metrics.k8s.io", Version: "v1beta1", Resource: "nodes"}
		list, err := c.Dynamic.Resource(nodes).List(ctx, metav1.ListOptions{})
		if err == nil && len(list.Items) == 0 {
			return apierrors.NewServiceUnavailable("it knows no node yet")
		}
		return err
	}))
}
