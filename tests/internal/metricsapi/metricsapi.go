// Package metricsapi is a metrics server for a control plane whose pods run nothing. It serves metrics.k8s.io/v1beta1 as metrics-server
// does, and what the pods use is what a test says. The API server reaches it on this machine's loopback.
package metricsapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	metrics "k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

// window is what the figures are said to be an average of. The autoscaler waits as long for the first ones of a new pod.
const window = time.Second

// Usage says what the containers of a running pod use, by their names; nil, that nobody knows yet.
type Usage func(pod *corev1.Pod) map[string]corev1.ResourceList

// Server answers until it is closed.
type Server struct {
	pods kubernetes.Interface
	http *httptest.Server

	mu    sync.Mutex
	usage map[string]Usage
}

// Start serves the pods of a cluster. It lets everybody read, for who may is no matter of its tests.
func Start(pods kubernetes.Interface) *Server {
	s := &Server{pods: pods, usage: map[string]Usage{}}
	const group, version = "/apis/" + metrics.GroupName, "/apis/" + metrics.GroupName + "/v1beta1"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+group, func(w http.ResponseWriter, _ *http.Request) { answer(w, apiGroup(), nil) })
	mux.HandleFunc("GET "+version, func(w http.ResponseWriter, _ *http.Request) { answer(w, apiResources(), nil) })
	mux.HandleFunc("GET "+version+"/namespaces/{namespace}/pods", s.list)
	mux.HandleFunc("GET "+version+"/namespaces/{namespace}/pods/{name}", s.get)
	s.http = httptest.NewTLSServer(mux)
	return s
}

// Close stops to answer.
func (s *Server) Close() { s.http.Close() }

// Set says what the pods of a namespace use from now on. Nil, as at the beginning: nothing is known of them.
func (s *Server) Set(namespace string, usage Usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.usage[namespace] = usage
}

// Register makes it the metrics server of a cluster. It takes the API server a moment to believe that.
func (s *Server) Register(ctx context.Context, objects dynamic.Interface) error {
	_, text, err := net.SplitHostPort(s.http.Listener.Addr().String())
	if err != nil {
		return fmt.Errorf("registering the metrics server: %w", err)
	}
	port, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("registering the metrics server: %w", err)
	}
	const namespace, name = "kube-system", "metrics"
	service := map[string]any{
		"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"type": "ExternalName", "externalName": "localhost"},
	}
	apiService := map[string]any{
		"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": map[string]any{"name": "v1beta1." + metrics.GroupName},
		"spec": map[string]any{
			"group": metrics.GroupName, "version": "v1beta1", "groupPriorityMinimum": int64(100), "versionPriority": int64(100),
			"service":               map[string]any{"namespace": namespace, "name": name, "port": port},
			"insecureSkipTLSVerify": true,
		},
	}
	services := schema.GroupVersionResource{Version: "v1", Resource: "services"}
	if _, err := objects.Resource(services).Namespace(namespace).Create(ctx, &unstructured.Unstructured{Object: service}, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("registering the metrics server: %w", err)
	}
	apiServices := schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}
	if _, err := objects.Resource(apiServices).Create(ctx, &unstructured.Unstructured{Object: apiService}, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("registering the metrics server: %w", err)
	}
	return nil
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	pods, err := s.pods.CoreV1().Pods(r.PathValue("namespace")).List(r.Context(), metav1.ListOptions{LabelSelector: r.URL.Query().Get("labelSelector")})
	list := &metrics.PodMetricsList{TypeMeta: metav1.TypeMeta{APIVersion: metrics.SchemeGroupVersion.String(), Kind: "PodMetricsList"}}
	if err == nil {
		for i := range pods.Items {
			if known := s.measure(&pods.Items[i]); known != nil {
				list.Items = append(list.Items, *known)
			}
		}
	}
	answer(w, list, err)
}

func (s *Server) get(w http.ResponseWriter, r *http.Request) {
	pod, err := s.pods.CoreV1().Pods(r.PathValue("namespace")).Get(r.Context(), r.PathValue("name"), metav1.GetOptions{})
	var known *metrics.PodMetrics
	if err == nil {
		if known = s.measure(pod); known == nil {
			err = apierrors.NewNotFound(schema.GroupResource{Group: metrics.GroupName, Resource: "pods"}, pod.Name)
		}
	}
	answer(w, known, err)
}

// measure is nil where nothing is known: a pod that does not run has no figures.
func (s *Server) measure(pod *corev1.Pod) *metrics.PodMetrics {
	s.mu.Lock()
	usage := s.usage[pod.Namespace]
	s.mu.Unlock()
	if usage == nil || pod.Status.Phase != corev1.PodRunning {
		return nil
	}
	used := usage(pod)
	if used == nil {
		return nil
	}
	measured := &metrics.PodMetrics{
		TypeMeta:   metav1.TypeMeta{APIVersion: metrics.SchemeGroupVersion.String(), Kind: "PodMetrics"},
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, Labels: pod.Labels},
		Timestamp:  metav1.Now(),
		Window:     metav1.Duration{Duration: window},
	}
	for name, amounts := range used {
		measured.Containers = append(measured.Containers, metrics.ContainerMetrics{Name: name, Usage: amounts})
	}
	return measured
}

func apiGroup() *metav1.APIGroup {
	version := metav1.GroupVersionForDiscovery{GroupVersion: metrics.SchemeGroupVersion.String(), Version: metrics.SchemeGroupVersion.Version}
	return &metav1.APIGroup{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "APIGroup"},
		Name:     metrics.GroupName, Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version,
	}
}

func apiResources() *metav1.APIResourceList {
	return &metav1.APIResourceList{
		TypeMeta:     metav1.TypeMeta{APIVersion: "v1", Kind: "APIResourceList"},
		GroupVersion: metrics.SchemeGroupVersion.String(),
		APIResources: []metav1.APIResource{{Name: "pods", Kind: "PodMetrics", Namespaced: true, Verbs: metav1.Verbs{"get", "list"}}},
	}
}

// answer writes the body, or in its place the error as a Status, which is what Kubernetes' clients read.
func answer(w http.ResponseWriter, body any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		status := apierrors.NewInternalError(err).Status()
		if known := apierrors.APIStatus(nil); errors.As(err, &known) {
			status = known.Status()
		}
		w.WriteHeader(int(status.Code))
		body = status
	}
	_ = json.NewEncoder(w).Encode(body) // whoever went away needs no answer
}
