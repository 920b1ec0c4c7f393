package chart

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// Live renders against a cluster that has these StatefulSets and HorizontalPodAutoscalers and answers nothing else, so a template that
// looks anything else up fails. Without this option there is no cluster, as with `helm template`.
func Live(t testing.TB, objects ...metav1.Object) Option {
	t.Helper()
	mux := http.NewServeMux()
	serve(t, mux, "apps/v1", "StatefulSet", "statefulsets", objects, func(o metav1.Object) bool { _, ok := o.(*appsv1.StatefulSet); return ok })
	serve(t, mux, "autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", objects,
		func(o metav1.Object) bool { _, ok := o.(*autoscalingv2.HorizontalPodAutoscaler); return ok })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("a template asks the cluster for %s %s", r.Method, r.URL.Path)
		http.NotFound(w, r)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return func(r *render) { r.cluster = &rest.Config{Host: server.URL} }
}

// serve answers discovery and lists of one resource.
func serve(t testing.TB, mux *http.ServeMux, version, kind, resource string, objects []metav1.Object, is func(metav1.Object) bool) {
	mux.HandleFunc("GET /apis/"+version, func(w http.ResponseWriter, _ *http.Request) {
		answer(t, w, metav1.APIResourceList{
			TypeMeta:     metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"},
			GroupVersion: version,
			APIResources: []metav1.APIResource{
				{Name: resource, Kind: kind, Namespaced: true, Verbs: metav1.Verbs{"get", "list"}},
				{Name: resource + "/scale", Kind: "Scale", Group: "autoscaling", Version: "v1", Namespaced: true, Verbs: metav1.Verbs{"get"}},
			},
		})
	})
	mux.HandleFunc("GET /apis/"+version+"/namespaces/{namespace}/"+resource, func(w http.ResponseWriter, r *http.Request) {
		items := []metav1.Object{}
		for _, object := range objects {
			if is(object) && object.GetNamespace() == r.PathValue("namespace") {
				items = append(items, object)
			}
		}
		answer(t, w, map[string]any{"kind": kind + "List", "apiVersion": version, "metadata": map[string]any{}, "items": items})
	})
}

// LiveStatefulSet is a StatefulSet that this chart made for Release, of the given name and count of replicas, in Namespace.
func LiveStatefulSet(name string, replicas int32) *appsv1.StatefulSet {
	return &appsv1.StatefulSet{
		TypeMeta: metav1.TypeMeta{Kind: "StatefulSet", APIVersion: "apps/v1"},
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: Namespace,
			Labels: map[string]string{"app.kubernetes.io/instance": Release, "helm.sh/chart": "qdrant-0.0.1"},
		},
		Spec: appsv1.StatefulSetSpec{Replicas: &replicas},
	}
}

// LiveAutoscaler is an autoscaler of the given name, in Namespace, that has last seen so many replicas.
func LiveAutoscaler(name string, current int32) *autoscalingv2.HorizontalPodAutoscaler {
	return &autoscalingv2.HorizontalPodAutoscaler{
		TypeMeta:   metav1.TypeMeta{Kind: "HorizontalPodAutoscaler", APIVersion: "autoscaling/v2"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: Namespace},
		Status:     autoscalingv2.HorizontalPodAutoscalerStatus{CurrentReplicas: current},
	}
}

func answer(t testing.TB, w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	assert.NoError(t, json.NewEncoder(w).Encode(body), "answering as the API server")
}
