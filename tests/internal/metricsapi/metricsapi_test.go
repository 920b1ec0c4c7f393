package metricsapi

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	metrics "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	"k8s.io/metrics/pkg/client/clientset/versioned"
)

// The client is the one that the autoscaler asks with.
func serve(t *testing.T, pods ...runtime.Object) (*Server, *versioned.Clientset) {
	t.Helper()
	server := Start(fake.NewClientset(pods...))
	t.Cleanup(server.Close)
	client, err := versioned.NewForConfig(&rest.Config{Host: server.http.URL, TLSClientConfig: rest.TLSClientConfig{Insecure: true}})
	require.NoError(t, err)
	return server, client
}

func pod(namespace, name, app string, phase corev1.PodPhase) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app": app}},
		Status:     corev1.PodStatus{Phase: phase},
	}
}

func processor(amount string) map[string]corev1.ResourceList {
	return map[string]corev1.ResourceList{"server": {corev1.ResourceCPU: resource.MustParse(amount)}}
}

func TestListsWhatRunningPodsUse(t *testing.T) {
	t.Parallel()
	server, client := serve(t,
		pod("one", "q-0", "qdrant", corev1.PodRunning), pod("one", "q-1", "qdrant", corev1.PodRunning), pod("one", "q-2", "qdrant", corev1.PodPending),
		pod("one", "other", "nginx", corev1.PodRunning), pod("two", "q-0", "qdrant", corev1.PodRunning))
	list := func(namespace, selector string) map[string]string {
		t.Helper()
		found, err := client.MetricsV1beta1().PodMetricses(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: selector})
		require.NoError(t, err)
		used := map[string]string{}
		for _, item := range found.Items {
			require.Len(t, item.Containers, 1)
			assert.Equal(t, "server", item.Containers[0].Name)
			assert.False(t, item.Timestamp.IsZero(), "the autoscaler leaves out figures without a time")
			used[item.Name] = item.Containers[0].Usage.Cpu().String()
		}
		return used
	}

	assert.Empty(t, list("one", ""), "nothing is known before a test has said it")
	server.Set("one", func(*corev1.Pod) map[string]corev1.ResourceList { return processor("700m") })
	assert.Equal(t, map[string]string{"q-0": "700m", "q-1": "700m"}, list("one", "app=qdrant"))
	assert.Equal(t, map[string]string{"q-0": "700m", "q-1": "700m", "other": "700m"}, list("one", ""))
	assert.Empty(t, list("two", ""), "another namespace has its own figures")

	server.Set("one", func(pod *corev1.Pod) map[string]corev1.ResourceList {
		if pod.Name == "q-0" {
			return nil
		}
		return processor("1")
	})
	assert.Equal(t, map[string]string{"q-1": "1"}, list("one", "app=qdrant"), "some of the pods")
	server.Set("one", nil)
	assert.Empty(t, list("one", ""), "known no more")
}

func TestGetsAPod(t *testing.T) {
	t.Parallel()
	server, client := serve(t, pod("one", "q-0", "qdrant", corev1.PodRunning))
	_, err := client.MetricsV1beta1().PodMetricses("one").Get(t.Context(), "q-0", metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err), "%v", err)
	server.Set("one", func(*corev1.Pod) map[string]corev1.ResourceList { return processor("2") })
	found, err := client.MetricsV1beta1().PodMetricses("one").Get(t.Context(), "q-0", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, "2", found.Containers[0].Usage.Cpu().String())
	_, err = client.MetricsV1beta1().PodMetricses("one").Get(t.Context(), "nobody", metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err), "%v", err)
}

func TestIsDiscovered(t *testing.T) {
	t.Parallel()
	_, client := serve(t)
	found, err := client.Discovery().ServerResourcesForGroupVersion(metrics.SchemeGroupVersion.String())
	require.NoError(t, err)
	require.Len(t, found.APIResources, 1)
	assert.Equal(t, "PodMetrics", found.APIResources[0].Kind)
	var group metav1.APIGroup
	said, err := client.RESTClient().Get().AbsPath("/apis/metrics.k8s.io").DoRaw(t.Context())
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(said, &group))
	assert.Equal(t, metrics.SchemeGroupVersion.String(), group.PreferredVersion.GroupVersion)
}

func TestRegistersUnderItsPort(t *testing.T) {
	t.Parallel()
	server, _ := serve(t)
	objects := dynamicfake.NewSimpleDynamicClient(runtime.NewScheme())
	require.NoError(t, server.Register(t.Context(), objects))
	apiServices := schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}
	registered, err := objects.Resource(apiServices).Get(t.Context(), "v1beta1.metrics.k8s.io", metav1.GetOptions{})
	require.NoError(t, err)
	port, _, err := unstructured.NestedInt64(registered.Object, "spec", "service", "port")
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprintf("https://127.0.0.1:%d", port), server.http.URL)
	require.ErrorContains(t, server.Register(t.Context(), objects), "already exists", "a cluster has one")
}
