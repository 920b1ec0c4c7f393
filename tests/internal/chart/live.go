package chart

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// Live renders against a cluster that has these StatefulSets and answers nothing else, so a template that looks anything else up
// fails. Without this option there is no cluster, as with `helm template`.
func Live(t testing.TB, statefulSets ...appsv1.StatefulSet) Option {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /apis/apps/v1", func(w http.ResponseWriter, _ *http.Request) {
		answer(t, w, metav1.APIResourceList{
			TypeMeta:     metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"},
			GroupVersion: "apps/v1",
			APIResources: []metav1.APIResource{
				{Name: "statefulsets", Kind: "StatefulSet", Namespaced: true, Verbs: metav1.Verbs{"get", "list"}},
				{Name: "statefulsets/scale", Kind: "Scale", Group: "autoscaling", Version: "v1", Namespaced: true, Verbs: metav1.Verbs{"get"}},
			},
		})
	})
	mux.HandleFunc("GET /apis/apps/v1/namespaces/{namespace}/statefulsets", func(w http.ResponseWriter, r *http.Request) {
		list := appsv1.StatefulSetList{TypeMeta: metav1.TypeMeta{Kind: "StatefulSetList", APIVersion: "apps/v1"}, Items: []appsv1.StatefulSet{}}
		for _, item := range statefulSets {
			if item.Namespace == r.PathValue("namespace") {
				list.Items = append(list.Items, item)
			}
		}
		answer(t, w, list)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("a template asks the cluster for %s %s", r.Method, r.URL.Path)
		http.NotFound(w, r)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return func(r *render) { r.cluster = &rest.Config{Host: server.URL} }
}

// LiveStatefulSet is a StatefulSet of the given name and count of replicas, in Namespace.
func LiveStatefulSet(name string, replicas int32) appsv1.StatefulSet {
	return appsv1.StatefulSet{
		TypeMeta:   metav1.TypeMeta{Kind: "StatefulSet", APIVersion: "apps/v1"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: Namespace},
		Spec:       appsv1.StatefulSetSpec{Replicas: &replicas},
	}
}

func answer(t testing.TB, w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	assert.NoError(t, json.NewEncoder(w).Encode(body), "answering as the API server")
}
