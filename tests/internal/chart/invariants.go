package chart

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"
)

// selectorKeys are the labels that everything selects pods by. They are the official chart's and can't be changed in a release.
var selectorKeys = []string{"app", "app.kubernetes.io/instance", "app.kubernetes.io/name"}

// p2pPort is where peers talk to each other; it asks for no key, so it is in no other Service than the peers' own.
const p2pPort = 6335

// findings collects what is wrong, each with the object that it is about.
type findings []string

func (f *findings) addf(object Object, format string, args ...any) {
	*f = append(*f, object.ID()+": "+fmt.Sprintf(format, args...))
}

// Violations holds the objects to what is true of every render, whatever the values. It returns a sentence for each breach.
func (o Objects) Violations() []string {
	var found findings
	found.names(o)
	found.selectors(o)
	found.references(o)
	found.pods(o)
	found.secrets(o)
	return found
}

// names: each object once, in the namespace of the release, under a name and labels that the API server takes.
func (f *findings) names(o Objects) {
	seen := map[string]bool{}
	for _, object := range o.All {
		meta := object.Typed
		if seen[object.ID()] {
			f.addf(object, "is rendered twice")
		}
		seen[object.ID()] = true

		switch cluster := slices.Contains(clusterScoped, object.Kind); {
		case cluster && meta.GetNamespace() != "":
			f.addf(object, "has a namespace, and its kind has none")
		case !cluster && meta.GetNamespace() != o.namespace:
			f.addf(object, "is in namespace %q, not in that of the release", meta.GetNamespace())
		}

		valid := validation.IsDNS1123Subdomain
		if object.Kind == "Service" {
			valid = validation.IsDNS1035Label
		}
		for _, wrong := range valid(meta.GetName()) {
			f.addf(object, "name: %s", wrong)
		}
		f.labels(object, meta.GetLabels())
		for key := range meta.GetAnnotations() {
			for _, wrong := range validation.IsQualifiedName(strings.ToLower(key)) {
				f.addf(object, "annotation %q: %s", key, wrong)
			}
		}
	}
	for _, object := range o.All {
		if sts, ok := object.Typed.(*appsv1.StatefulSet); ok {
			f.labels(object, sts.Spec.Template.Labels)
			// The controller gives pods a label of this name and a hash.
			for _, wrong := range validation.IsValidLabelValue(sts.Name + "-0123456789") {
				f.addf(object, "label controller-revision-hash of its pods: %s", wrong)
			}
		}
	}
}

func (f *findings) labels(object Object, all map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(all)) {
		for _, wrong := range append(validation.IsQualifiedName(key), validation.IsValidLabelValue(all[key])...) {
			f.addf(object, "label %s=%q: %s", key, all[key], wrong)
		}
	}
}

// selectors: what selects pods selects the StatefulSet's by the three labels and nothing else, and no other pod of the chart.
func (f *findings) selectors(o Objects) {
	for _, object := range o.All {
		switch typed := object.Typed.(type) {
		case *appsv1.StatefulSet:
			f.podSelector(o, object, typed.Spec.Selector)
			f.scheduling(o, object, typed.Spec.Template.Spec)
		case *corev1.Service:
			f.podSelector(o, object, &metav1.LabelSelector{MatchLabels: typed.Spec.Selector})
		case *policyv1.PodDisruptionBudget:
			f.podSelector(o, object, typed.Spec.Selector)
		case *networkingv1.NetworkPolicy:
			f.podSelector(o, object, &typed.Spec.PodSelector)
		case *monitoringv1.ServiceMonitor:
			f.serviceMonitor(o, object, typed)
		}
	}
}

func (f *findings) podSelector(o Objects, object Object, selector *metav1.LabelSelector) {
	if selector == nil {
		f.addf(object, "has no selector")
		return
	}
	if keys := slices.Sorted(maps.Keys(selector.MatchLabels)); !slices.Equal(keys, selectorKeys) || len(selector.MatchExpressions) > 0 {
		f.addf(object, "selects by %v, not by exactly %v", keys, selectorKeys)
	}
	match, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		f.addf(object, "selector: %v", err)
		return
	}
	for _, sts := range list[*appsv1.StatefulSet](o) {
		if !match.Matches(labels.Set(sts.Spec.Template.Labels)) {
			f.addf(object, "its selector %s does not match the pods of %s", match, sts.Name)
		}
	}
	for _, pod := range list[*corev1.Pod](o) {
		if match.Matches(labels.Set(pod.Labels)) {
			f.addf(object, "its selector %s matches the pod %s, which is no peer", match, pod.Name)
		}
	}
}

// scheduling: spreading counts the release's own pods.
func (f *findings) scheduling(o Objects, object Object, pod corev1.PodSpec) {
	var selectors []*metav1.LabelSelector
	for _, constraint := range pod.TopologySpreadConstraints {
		selectors = append(selectors, constraint.LabelSelector)
	}
	if pod.Affinity != nil && pod.Affinity.PodAntiAffinity != nil {
		for _, term := range pod.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			selectors = append(selectors, term.LabelSelector)
		}
		for _, term := range pod.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
			selectors = append(selectors, term.PodAffinityTerm.LabelSelector)
		}
	}
	for _, selector := range selectors {
		f.podSelector(o, object, selector)
	}
}

// serviceMonitor: it selects one Service, so that each pod is scraped once, and by a port that this Service has.
func (f *findings) serviceMonitor(o Objects, object Object, monitor *monitoringv1.ServiceMonitor) {
	match, err := metav1.LabelSelectorAsSelector(&monitor.Spec.Selector)
	if err != nil {
		f.addf(object, "selector: %v", err)
		return
	}
	if !slices.Equal(monitor.Spec.NamespaceSelector.MatchNames, []string{o.namespace}) {
		f.addf(object, "looks into namespaces %v", monitor.Spec.NamespaceSelector.MatchNames)
	}
	var names []string
	for _, service := range list[*corev1.Service](o) {
		if !match.Matches(labels.Set(service.Labels)) {
			continue
		}
		names = append(names, service.Name)
		for _, endpoint := range monitor.Spec.Endpoints {
			if !hasServicePort(service, func(port corev1.ServicePort) bool { return port.Name == endpoint.Port }) {
				f.addf(object, "scrapes port %q, which Service %s does not have", endpoint.Port, service.Name)
			}
		}
	}
	if len(names) != 1 {
		f.addf(object, "selects the Services %v, not one", names)
	}
}

func hasServicePort(service *corev1.Service, match func(corev1.ServicePort) bool) bool {
	return slices.ContainsFunc(service.Spec.Ports, match)
}

// references: what an object names is there.
func (f *findings) references(o Objects) {
	statefulSets := list[*appsv1.StatefulSet](o)
	for _, object := range o.All {
		switch typed := object.Typed.(type) {
		case *corev1.Service:
			f.servicePorts(statefulSets, object, typed)
		case *networkingv1.NetworkPolicy:
			for _, rule := range typed.Spec.Ingress {
				for _, port := range rule.Ports {
					f.pointsAtPort(statefulSets, object, port.Port)
				}
			}
		case *autoscalingv2.HorizontalPodAutoscaler:
			if target := typed.Spec.ScaleTargetRef; !o.Has(target.Kind, target.Name) {
				f.addf(object, "scales %s/%s, which is not rendered", target.Kind, target.Name)
			}
		case *networkingv1.Ingress:
			f.ingress(o, object, typed)
		case *gatewayv1.HTTPRoute:
			for _, rule := range typed.Spec.Rules {
				for _, backend := range rule.BackendRefs {
					f.backend(o, object, backend.BackendObjectReference)
				}
			}
		case *gatewayv1.GRPCRoute:
			for _, rule := range typed.Spec.Rules {
				for _, backend := range rule.BackendRefs {
					f.backend(o, object, backend.BackendObjectReference)
				}
			}
		case *appsv1.StatefulSet:
			service := typed.Spec.ServiceName
			if !slices.ContainsFunc(list[*corev1.Service](o), func(s *corev1.Service) bool { return s.Name == service && s.Spec.ClusterIP == "None" }) {
				f.addf(object, "serviceName is %s, which is no headless Service", service)
			}
		}
	}
}

func (f *findings) servicePorts(statefulSets []*appsv1.StatefulSet, object Object, service *corev1.Service) {
	peers := slices.ContainsFunc(statefulSets, func(sts *appsv1.StatefulSet) bool { return sts.Spec.ServiceName == service.Name })
	if service.Spec.PublishNotReadyAddresses && !peers {
		f.addf(object, "sends clients to pods that are not ready")
	}
	for _, port := range service.Spec.Ports {
		f.pointsAtPort(statefulSets, object, &port.TargetPort)
		if (port.Port == p2pPort || port.TargetPort.IntValue() == p2pPort || port.TargetPort.String() == "p2p") && !peers {
			f.addf(object, "has the peers' port, which asks for no key")
		}
	}
}

func (f *findings) pointsAtPort(statefulSets []*appsv1.StatefulSet, object Object, port *intstr.IntOrString) {
	if port == nil {
		return
	}
	for _, sts := range statefulSets {
		if !slices.ContainsFunc(sts.Spec.Template.Spec.Containers, func(c corev1.Container) bool { return hasPort(c, *port) }) {
			f.addf(object, "names the port %q, which no container of %s has", port.String(), sts.Name)
		}
	}
}

func hasPort(container corev1.Container, wanted intstr.IntOrString) bool {
	return slices.ContainsFunc(container.Ports, func(port corev1.ContainerPort) bool {
		return wanted == intstr.FromString(port.Name) || wanted == intstr.FromInt32(port.ContainerPort)
	})
}

func (f *findings) ingress(o Objects, object Object, ingress *networkingv1.Ingress) {
	for _, rule := range ingress.Spec.Rules {
		for _, path := range rule.HTTP.Paths {
			backend := path.Backend.Service
			for _, service := range list[*corev1.Service](o) {
				if service.Name == backend.Name && !hasServicePort(service, func(port corev1.ServicePort) bool { return port.Name == backend.Port.Name }) {
					f.addf(object, "leads to port %q, which Service %s does not have", backend.Port.Name, service.Name)
				}
			}
		}
	}
}

func (f *findings) backend(o Objects, object Object, backend gatewayv1.BackendObjectReference) {
	for _, service := range list[*corev1.Service](o) {
		if service.Name == string(backend.Name) && backend.Port != nil &&
			hasServicePort(service, func(port corev1.ServicePort) bool { return port.Port == *backend.Port }) {
			return
		}
	}
	f.addf(object, "leads to %s, which has no such port or is not rendered", backend.Name)
}

// restricted judges pods as the admission of a namespace does that enforces the Pod Security Standard of this name.
var restricted = func() func(*metav1.ObjectMeta, *corev1.PodSpec) policy.AggregateCheckResult {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		panic(fmt.Sprintf("reading the Pod Security checks: %v", err))
	}
	level := podsecurity.LevelVersion{Level: podsecurity.LevelRestricted, Version: podsecurity.LatestVersion()}
	return func(meta *metav1.ObjectMeta, spec *corev1.PodSpec) policy.AggregateCheckResult {
		return policy.AggregateCheckResults(evaluator.EvaluatePod(level, meta, spec))
	}
}()

// pods: restricted, without a token, every volume mounted and every mount with a volume.
func (f *findings) pods(o Objects) {
	for _, object := range o.All {
		switch typed := object.Typed.(type) {
		case *appsv1.StatefulSet:
			var claims []string
			for _, claim := range typed.Spec.VolumeClaimTemplates {
				claims = append(claims, claim.Name)
			}
			f.pod(o, object, &typed.Spec.Template.ObjectMeta, &typed.Spec.Template.Spec, claims)
		case *corev1.Pod:
			f.pod(o, object, &typed.ObjectMeta, &typed.Spec, nil)
		case *corev1.ServiceAccount:
			if typed.AutomountServiceAccountToken == nil || *typed.AutomountServiceAccountToken {
				f.addf(object, "mounts its token into pods")
			}
		}
	}
}

func (f *findings) pod(o Objects, object Object, meta *metav1.ObjectMeta, pod *corev1.PodSpec, claims []string) {
	if verdict := restricted(meta, pod); !verdict.Allowed {
		f.addf(object, "is not restricted: %s", verdict.ForbiddenDetail())
	}
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
		f.addf(object, "mounts a service account's token")
	}

	volumes := slices.Clone(claims)
	for _, volume := range pod.Volumes {
		if slices.Contains(volumes, volume.Name) {
			f.addf(object, "has two volumes called %s", volume.Name)
		}
		volumes = append(volumes, volume.Name)
		if volume.ConfigMap != nil && !o.Has("ConfigMap", volume.ConfigMap.Name) {
			f.addf(object, "has a volume of ConfigMap %s, which is not rendered", volume.ConfigMap.Name)
		}
		for _, source := range projected(volume) {
			if source.ServiceAccountToken != nil {
				f.addf(object, "projects a service account's token into volume %s", volume.Name)
			}
		}
	}

	names := map[string]bool{}
	mounted := map[string]bool{}
	for _, container := range slices.Concat(pod.InitContainers, pod.Containers) {
		if names[container.Name] {
			f.addf(object, "has two containers called %s", container.Name)
		}
		names[container.Name] = true
		// The standard does not ask for this one; the chart promises it.
		if context := container.SecurityContext; context == nil || context.ReadOnlyRootFilesystem == nil || !*context.ReadOnlyRootFilesystem {
			f.addf(object, "container %s may write to its root file system", container.Name)
		}
		paths := map[string]bool{}
		for _, mount := range container.VolumeMounts {
			if !slices.Contains(volumes, mount.Name) {
				f.addf(object, "container %s mounts %s, and there is no such volume", container.Name, mount.Name)
			}
			if paths[mount.MountPath] {
				f.addf(object, "container %s mounts two volumes at %s", container.Name, mount.MountPath)
			}
			paths[mount.MountPath] = true
			mounted[mount.Name] = true
		}
		for _, variable := range container.Env {
			if variable.Value != "" && secretName.MatchString(variable.Name) {
				f.addf(object, "container %s has %s in clear", container.Name, variable.Name)
			}
		}
	}
	for _, volume := range volumes {
		if !mounted[volume] {
			f.addf(object, "volume %s is mounted by no container", volume)
		}
	}
}

func projected(volume corev1.Volume) []corev1.VolumeProjection {
	if volume.Projected == nil {
		return nil
	}
	return volume.Projected.Sources
}

var (
	// secretName is a name whose value nobody else may read. Names of files that hold one are no secret.
	secretName = regexp.MustCompile(`(?i)(api_?key|secret_?key|password|passwd|secret|token|private_?key|access_?key)s?$`)
	pem        = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`)
)

// secrets: nothing in a ConfigMap that would have to be in a Secret.
func (f *findings) secrets(o Objects) {
	for _, object := range o.All {
		configMap, ok := object.Typed.(*corev1.ConfigMap)
		if !ok {
			continue
		}
		for _, file := range slices.Sorted(maps.Keys(configMap.Data)) {
			text := configMap.Data[file]
			if pem.MatchString(text) {
				f.addf(object, "%s holds a private key", file)
			}
			if !strings.HasSuffix(file, ".yaml") {
				continue
			}
			var content any
			if err := yaml.Unmarshal([]byte(text), &content); err != nil {
				f.addf(object, "%s is no YAML: %v", file, err)
				continue
			}
			for _, path := range secretPaths("", content) {
				f.addf(object, "%s holds a secret: %s", file, path)
			}
		}
	}
}

// secretPaths returns the paths below value that are called like a secret and hold some text.
func secretPaths(path string, value any) []string {
	var paths []string
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			at := strings.TrimPrefix(path+"."+key, ".")
			if text, ok := value[key].(string); ok && text != "" && secretName.MatchString(key) {
				paths = append(paths, at)
			}
			paths = append(paths, secretPaths(at, value[key])...)
		}
	case []any:
		for i, element := range value {
			paths = append(paths, secretPaths(fmt.Sprintf("%s[%d]", path, i), element)...)
		}
	}
	return paths
}
