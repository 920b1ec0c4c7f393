package chart

import (
	stdjson "encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/releaseutil"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// kinds are all that the chart may make. A kind that is not here fails the render.
var kinds = map[metav1.TypeMeta]func() metav1.Object{
	{APIVersion: "apps/v1", Kind: "StatefulSet"}:                                              func() metav1.Object { return &appsv1.StatefulSet{} },
	{APIVersion: "apps/v1", Kind: "Deployment"}:                                               func() metav1.Object { return &appsv1.Deployment{} },
	{APIVersion: "batch/v1", Kind: "Job"}:                                                     func() metav1.Object { return &batchv1.Job{} },
	{APIVersion: "v1", Kind: "ConfigMap"}:                                                     func() metav1.Object { return &corev1.ConfigMap{} },
	{APIVersion: "v1", Kind: "Pod"}:                                                           func() metav1.Object { return &corev1.Pod{} },
	{APIVersion: "v1", Kind: "Service"}:                                                       func() metav1.Object { return &corev1.Service{} },
	{APIVersion: "v1", Kind: "ServiceAccount"}:                                                func() metav1.Object { return &corev1.ServiceAccount{} },
	{APIVersion: "policy/v1", Kind: "PodDisruptionBudget"}:                                    func() metav1.Object { return &policyv1.PodDisruptionBudget{} },
	{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"}:                           func() metav1.Object { return &autoscalingv2.HorizontalPodAutoscaler{} },
	{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"}:                               func() metav1.Object { return &networkingv1.NetworkPolicy{} },
	{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"}:                                     func() metav1.Object { return &networkingv1.Ingress{} },
	{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "Role"}:                                func() metav1.Object { return &rbacv1.Role{} },
	{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "RoleBinding"}:                         func() metav1.Object { return &rbacv1.RoleBinding{} },
	{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole"}:                         func() metav1.Object { return &rbacv1.ClusterRole{} },
	{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRoleBinding"}:                  func() metav1.Object { return &rbacv1.ClusterRoleBinding{} },
	{APIVersion: "coordination.k8s.io/v1", Kind: "Lease"}:                                     func() metav1.Object { return &coordinationv1.Lease{} },
	{APIVersion: "admissionregistration.k8s.io/v1", Kind: "ValidatingAdmissionPolicy"}:        func() metav1.Object { return &admissionv1.ValidatingAdmissionPolicy{} },
	{APIVersion: "admissionregistration.k8s.io/v1", Kind: "ValidatingAdmissionPolicyBinding"}: func() metav1.Object { return &admissionv1.ValidatingAdmissionPolicyBinding{} },
	{APIVersion: "storage.k8s.io/v1", Kind: "StorageClass"}:                                   func() metav1.Object { return &storagev1.StorageClass{} },
	{APIVersion: "monitoring.coreos.com/v1", Kind: "ServiceMonitor"}:                          func() metav1.Object { return &monitoringv1.ServiceMonitor{} },
	{APIVersion: "monitoring.coreos.com/v1", Kind: "PrometheusRule"}:                          func() metav1.Object { return &monitoringv1.PrometheusRule{} },
	{APIVersion: "gateway.networking.k8s.io/v1", Kind: "HTTPRoute"}:                           func() metav1.Object { return &gatewayv1.HTTPRoute{} },
	{APIVersion: "gateway.networking.k8s.io/v1", Kind: "GRPCRoute"}:                           func() metav1.Object { return &gatewayv1.GRPCRoute{} },
}

// clusterScoped are the kinds without a namespace.
var clusterScoped = []string{"ClusterRole", "ClusterRoleBinding", "StorageClass", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}

// Object is one rendered object.
type Object struct {
	metav1.TypeMeta
	// Template is the file that made it.
	Template string
	// Typed is the object in its own type.
	Typed metav1.Object
	// Text is the YAML.
	Text string
}

// ID names the object in messages.
func (o Object) ID() string { return o.Kind + "/" + o.Typed.GetName() }

// Objects is what one render gave, in the order of templates and, in those, of the text.
type Objects struct {
	All   []Object
	Notes string

	namespace string
	// shepherd is the image that its values name; the one that may have a service account's token.
	shepherd string
}

// decode takes the rendered templates apart and decodes each document into its type.
func decode(files map[string]string) (Objects, error) {
	var objects Objects
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(path, "NOTES.txt") {
			objects.Notes = files[path]
			continue
		}
		for _, text := range documents(files[path]) {
			object, err := decodeObject(path, text)
			if err != nil {
				return Objects{}, fmt.Errorf("%s: %w\n%s", path, err, text)
			}
			objects.All = append(objects.All, object)
		}
	}
	return objects, nil
}

// documents splits a rendered template as Helm does, and leaves out what has no content.
func documents(text string) []string {
	split := releaseutil.SplitManifests(text)
	names := slices.Collect(maps.Keys(split))
	slices.SortFunc(names, func(a, b string) int {
		if releaseutil.BySplitManifestsOrder([]string{a, b}).Less(0, 1) {
			return -1
		}
		return 1
	})
	var contents []string
	for _, name := range names {
		if hasContent(split[name]) {
			contents = append(contents, split[name])
		}
	}
	return contents
}

// hasContent says whether a document is more than blank lines and comments.
func hasContent(document string) bool {
	for line := range strings.Lines(document) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return true
		}
	}
	return false
}

func decodeObject(path, text string) (Object, error) {
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal([]byte(text), &kind); err != nil {
		return Object{}, fmt.Errorf("reading YAML: %w", err)
	}
	make, ok := kinds[kind]
	if !ok {
		return Object{}, fmt.Errorf("the chart makes no %s %s", kind.APIVersion, kind.Kind)
	}
	typed := make()
	// By way of JSON without a target: given one, the YAML library takes a number for a text, which the API server does not.
	content, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		return Object{}, fmt.Errorf("reading YAML: %w", err)
	}
	unknown, err := json.UnmarshalStrict(content, typed)
	if err := errors.Join(append(unknown, err)...); err != nil {
		return Object{}, fmt.Errorf("decoding a %s: %w", kind.Kind, err)
	}
	return Object{TypeMeta: kind, Template: path, Typed: typed, Text: text}, nil
}

// Has says whether there is an object of that kind and name.
func (o Objects) Has(kind, name string) bool {
	return slices.ContainsFunc(o.All, func(object Object) bool { return object.Kind == kind && object.Typed.GetName() == name })
}

// IDs returns "Kind/name" of all objects, sorted.
func (o Objects) IDs() []string {
	ids := make([]string, 0, len(o.All))
	for _, object := range o.All {
		ids = append(ids, object.ID())
	}
	slices.Sort(ids)
	return ids
}

// list returns every object of a type.
func list[T metav1.Object](o Objects) []T {
	var found []T
	for _, object := range o.All {
		if typed, ok := object.Typed.(T); ok {
			found = append(found, typed)
		}
	}
	return found
}

func get[T metav1.Object](t testing.TB, o Objects, name string) T {
	t.Helper()
	for _, object := range list[T](o) {
		if object.GetName() == name {
			return object
		}
	}
	var none T
	require.FailNow(t, "not rendered", "no %T is called %s; there are %s", none, name, strings.Join(o.IDs(), ", "))
	return none
}

// StatefulSet returns the StatefulSet of that name, or fails the test. The others do the same for their kinds.
func (o Objects) StatefulSet(t testing.TB, name string) *appsv1.StatefulSet {
	t.Helper()
	return get[*appsv1.StatefulSet](t, o, name)
}

// Server returns the server's container of the StatefulSet Fullname.
func (o Objects) Server(t testing.TB) corev1.Container {
	t.Helper()
	pod := o.StatefulSet(t, Fullname).Spec.Template.Spec
	for _, container := range pod.Containers {
		if container.Name == "qdrant" {
			return container
		}
	}
	require.FailNow(t, "not rendered", "the pod has no container qdrant")
	return corev1.Container{}
}

// Sidecar returns the init container of that name of the StatefulSet Fullname.
func (o Objects) Sidecar(t testing.TB, name string) corev1.Container {
	t.Helper()
	for _, container := range o.StatefulSet(t, Fullname).Spec.Template.Spec.InitContainers {
		if container.Name == name {
			return container
		}
	}
	require.FailNow(t, "not rendered", "the pod has no init container %s", name)
	return corev1.Container{}
}

// Deployment returns the Deployment of that name.
func (o Objects) Deployment(t testing.TB, name string) *appsv1.Deployment {
	t.Helper()
	return get[*appsv1.Deployment](t, o, name)
}

// Job returns the Job of that name.
func (o Objects) Job(t testing.TB, name string) *batchv1.Job {
	t.Helper()
	return get[*batchv1.Job](t, o, name)
}

// Role returns the Role of that name.
func (o Objects) Role(t testing.TB, name string) *rbacv1.Role {
	t.Helper()
	return get[*rbacv1.Role](t, o, name)
}

// RoleBinding returns the RoleBinding of that name.
func (o Objects) RoleBinding(t testing.TB, name string) *rbacv1.RoleBinding {
	t.Helper()
	return get[*rbacv1.RoleBinding](t, o, name)
}

// ClusterRole returns the ClusterRole of that name.
func (o Objects) ClusterRole(t testing.TB, name string) *rbacv1.ClusterRole {
	t.Helper()
	return get[*rbacv1.ClusterRole](t, o, name)
}

// ClusterRoleBinding returns the ClusterRoleBinding of that name.
func (o Objects) ClusterRoleBinding(t testing.TB, name string) *rbacv1.ClusterRoleBinding {
	t.Helper()
	return get[*rbacv1.ClusterRoleBinding](t, o, name)
}

// Lease returns the Lease of that name.
func (o Objects) Lease(t testing.TB, name string) *coordinationv1.Lease {
	t.Helper()
	return get[*coordinationv1.Lease](t, o, name)
}

// ValidatingAdmissionPolicy returns the ValidatingAdmissionPolicy of that name.
func (o Objects) ValidatingAdmissionPolicy(t testing.TB, name string) *admissionv1.ValidatingAdmissionPolicy {
	t.Helper()
	return get[*admissionv1.ValidatingAdmissionPolicy](t, o, name)
}

// ValidatingAdmissionPolicyBinding returns the ValidatingAdmissionPolicyBinding of that name.
func (o Objects) ValidatingAdmissionPolicyBinding(t testing.TB, name string) *admissionv1.ValidatingAdmissionPolicyBinding {
	t.Helper()
	return get[*admissionv1.ValidatingAdmissionPolicyBinding](t, o, name)
}

// Service returns the Service of that name.
func (o Objects) Service(t testing.TB, name string) *corev1.Service {
	t.Helper()
	return get[*corev1.Service](t, o, name)
}

// ConfigMap returns the ConfigMap of that name.
func (o Objects) ConfigMap(t testing.TB, name string) *corev1.ConfigMap {
	t.Helper()
	return get[*corev1.ConfigMap](t, o, name)
}

// Pod returns the Pod of that name.
func (o Objects) Pod(t testing.TB, name string) *corev1.Pod {
	t.Helper()
	return get[*corev1.Pod](t, o, name)
}

// ServiceAccount returns the ServiceAccount of that name.
func (o Objects) ServiceAccount(t testing.TB, name string) *corev1.ServiceAccount {
	t.Helper()
	return get[*corev1.ServiceAccount](t, o, name)
}

// PodDisruptionBudget returns the PodDisruptionBudget of that name.
func (o Objects) PodDisruptionBudget(t testing.TB, name string) *policyv1.PodDisruptionBudget {
	t.Helper()
	return get[*policyv1.PodDisruptionBudget](t, o, name)
}

// HorizontalPodAutoscaler returns the HorizontalPodAutoscaler of that name.
func (o Objects) HorizontalPodAutoscaler(t testing.TB, name string) *autoscalingv2.HorizontalPodAutoscaler {
	t.Helper()
	return get[*autoscalingv2.HorizontalPodAutoscaler](t, o, name)
}

// NetworkPolicy returns the NetworkPolicy of that name.
func (o Objects) NetworkPolicy(t testing.TB, name string) *networkingv1.NetworkPolicy {
	t.Helper()
	return get[*networkingv1.NetworkPolicy](t, o, name)
}

// Ingress returns the Ingress of that name.
func (o Objects) Ingress(t testing.TB, name string) *networkingv1.Ingress {
	t.Helper()
	return get[*networkingv1.Ingress](t, o, name)
}

// StorageClass returns the StorageClass of that name.
func (o Objects) StorageClass(t testing.TB, name string) *storagev1.StorageClass {
	t.Helper()
	return get[*storagev1.StorageClass](t, o, name)
}

// ServiceMonitor returns the ServiceMonitor of that name.
func (o Objects) ServiceMonitor(t testing.TB, name string) *monitoringv1.ServiceMonitor {
	t.Helper()
	return get[*monitoringv1.ServiceMonitor](t, o, name)
}

// PrometheusRule returns the PrometheusRule of that name.
func (o Objects) PrometheusRule(t testing.TB, name string) *monitoringv1.PrometheusRule {
	t.Helper()
	return get[*monitoringv1.PrometheusRule](t, o, name)
}

// HTTPRoute returns the HTTPRoute of that name.
func (o Objects) HTTPRoute(t testing.TB, name string) *gatewayv1.HTTPRoute {
	t.Helper()
	return get[*gatewayv1.HTTPRoute](t, o, name)
}

// GRPCRoute returns the GRPCRoute of that name.
func (o Objects) GRPCRoute(t testing.TB, name string) *gatewayv1.GRPCRoute {
	t.Helper()
	return get[*gatewayv1.GRPCRoute](t, o, name)
}

// Config returns production.yaml as Qdrant reads it. Numbers are json.Number, so that a test sees how they were written.
func (o Objects) Config(t testing.TB) map[string]any {
	t.Helper()
	config := map[string]any{}
	err := yaml.UnmarshalStrict([]byte(o.ConfigMap(t, Fullname).Data["production.yaml"]), &config, func(d *stdjson.Decoder) *stdjson.Decoder {
		d.UseNumber()
		return d
	})
	require.NoError(t, err, "reading production.yaml")
	return config
}

// At returns what stands at a dotted path of a map, and whether it is there.
func At(values map[string]any, path string) (any, bool) {
	var at any = values
	for key := range strings.SplitSeq(path, ".") {
		m, ok := at.(map[string]any)
		if !ok {
			return nil, false
		}
		if at, ok = m[key]; !ok {
			return nil, false
		}
	}
	return at, true
}
