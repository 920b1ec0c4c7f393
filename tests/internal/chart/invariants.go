package chart

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
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
	found.rights(o)
	return found
}

// workload is an object that has pods.
type workload struct {
	object   Object
	meta     *metav1.ObjectMeta
	pod      *corev1.PodSpec
	selector *metav1.LabelSelector
	claims   []string
}

// workloads returns all that have pods.
func (o Objects) workloads() []workload {
	var all []workload
	for _, object := range o.All {
		switch typed := object.Typed.(type) {
		case *appsv1.StatefulSet:
			template := &typed.Spec.Template
			found := workload{object: object, meta: &template.ObjectMeta, pod: &template.Spec, selector: typed.Spec.Selector}
			for _, claim := range typed.Spec.VolumeClaimTemplates {
				found.claims = append(found.claims, claim.Name)
			}
			all = append(all, found)
		case *appsv1.Deployment:
			template := &typed.Spec.Template
			all = append(all, workload{object: object, meta: &template.ObjectMeta, pod: &template.Spec, selector: typed.Spec.Selector})
		case *batchv1.Job:
			template := &typed.Spec.Template
			all = append(all, workload{object: object, meta: &template.ObjectMeta, pod: &template.Spec})
		case *corev1.Pod:
			all = append(all, workload{object: object, meta: &typed.ObjectMeta, pod: &typed.Spec})
		}
	}
	return all
}

// lasting says whether its pods are there as long as the release: those of a Job or a test come and go, and nothing may select them.
func (w workload) lasting() bool { return w.selector != nil }

// containers are those that run as long as the pod does.
func (w workload) containers() []corev1.Container {
	all := slices.Clone(w.pod.Containers)
	for _, container := range w.pod.InitContainers {
		if container.RestartPolicy != nil && *container.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			all = append(all, container)
		}
	}
	return all
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
	for _, w := range o.workloads() {
		f.labels(w.object, w.meta.Labels)
		if _, ok := w.object.Typed.(*appsv1.StatefulSet); ok {
			// The controller gives pods a label of this name and a hash.
			for _, wrong := range validation.IsValidLabelValue(w.object.Typed.GetName() + "-0123456789") {
				f.addf(w.object, "label controller-revision-hash of its pods: %s", wrong)
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

// selectors: what selects pods selects those of one workload by the three labels and nothing else, and no pod that comes and goes.
func (f *findings) selectors(o Objects) {
	for _, object := range o.All {
		switch typed := object.Typed.(type) {
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
	for _, w := range o.workloads() {
		if !w.lasting() {
			continue
		}
		for _, selector := range append(scheduling(*w.pod), w.selector) {
			f.podSelector(o, w.object, selector)
			if match, err := metav1.LabelSelectorAsSelector(selector); err == nil && !match.Matches(labels.Set(w.meta.Labels)) {
				f.addf(w.object, "its selector %s does not match its own pods", match)
			}
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
	selected := selectedBy(o, selector)
	lasting := 0
	for _, w := range selected {
		if w.lasting() {
			lasting++
		} else {
			f.addf(object, "its selector %s matches the pods of %s, which come and go", metav1.FormatLabelSelector(selector), w.object.ID())
		}
	}
	if lasting != 1 {
		f.addf(object, "its selector %s matches the pods of %d workloads, not of one", metav1.FormatLabelSelector(selector), lasting)
	}
}

// selectedBy returns the workloads whose pods a selector matches. A selector that says nothing, or nothing sensible, matches none here.
func selectedBy(o Objects, selector *metav1.LabelSelector) []workload {
	match, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil || match.Empty() {
		return nil
	}
	var selected []workload
	for _, w := range o.workloads() {
		if match.Matches(labels.Set(w.meta.Labels)) {
			selected = append(selected, w)
		}
	}
	return selected
}

// scheduling returns the selectors by which a pod is kept apart from others: they must count the workload's own pods.
func scheduling(pod corev1.PodSpec) []*metav1.LabelSelector {
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
	return selectors
}

// serviceMonitor: each of its ports is scraped once in each pod, by one Service that it selects.
func (f *findings) serviceMonitor(o Objects, object Object, monitor *monitoringv1.ServiceMonitor) {
	match, err := metav1.LabelSelectorAsSelector(&monitor.Spec.Selector)
	if err != nil {
		f.addf(object, "selector: %v", err)
		return
	}
	if !slices.Equal(monitor.Spec.NamespaceSelector.MatchNames, []string{o.namespace}) {
		f.addf(object, "looks into namespaces %v", monitor.Spec.NamespaceSelector.MatchNames)
	}
	for _, endpoint := range monitor.Spec.Endpoints {
		scrapes := map[string][]string{}
		for _, service := range list[*corev1.Service](o) {
			if !match.Matches(labels.Set(service.Labels)) ||
				!hasServicePort(service, func(port corev1.ServicePort) bool { return port.Name == endpoint.Port }) {
				continue
			}
			for _, w := range selectedBy(o, &metav1.LabelSelector{MatchLabels: service.Spec.Selector}) {
				scrapes[w.object.ID()] = append(scrapes[w.object.ID()], service.Name)
			}
		}
		if len(scrapes) == 0 {
			f.addf(object, "scrapes port %q, which no Service that it selects has", endpoint.Port)
		}
		for _, id := range slices.Sorted(maps.Keys(scrapes)) {
			if len(scrapes[id]) > 1 {
				f.addf(object, "scrapes the pods of %s by the Services %v, not by one", id, scrapes[id])
			}
		}
	}
}

func hasServicePort(service *corev1.Service, match func(corev1.ServicePort) bool) bool {
	return slices.ContainsFunc(service.Spec.Ports, match)
}

// references: what an object names is there.
func (f *findings) references(o Objects) {
	for _, object := range o.All {
		switch typed := object.Typed.(type) {
		case *corev1.Service:
			f.servicePorts(o, object, typed)
		case *networkingv1.NetworkPolicy:
			for _, rule := range typed.Spec.Ingress {
				for _, port := range rule.Ports {
					f.pointsAtPort(selectedBy(o, &typed.Spec.PodSelector), object, port.Port)
				}
			}
		case *policyv1.PodDisruptionBudget:
			for _, w := range selectedBy(o, typed.Spec.Selector) {
				if w.object.Kind != "StatefulSet" {
					f.addf(object, "is a budget of %s, not of the peers", w.object.ID())
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
		case *admissionv1.ValidatingAdmissionPolicyBinding:
			f.admission(o, object, typed)
		}
	}
}

func (f *findings) servicePorts(o Objects, object Object, service *corev1.Service) {
	peers := slices.ContainsFunc(list[*appsv1.StatefulSet](o), func(sts *appsv1.StatefulSet) bool { return sts.Spec.ServiceName == service.Name })
	if service.Spec.PublishNotReadyAddresses && !peers {
		f.addf(object, "sends clients to pods that are not ready")
	}
	for _, port := range service.Spec.Ports {
		f.pointsAtPort(selectedBy(o, &metav1.LabelSelector{MatchLabels: service.Spec.Selector}), object, &port.TargetPort)
		if (port.Port == p2pPort || port.TargetPort.IntValue() == p2pPort || port.TargetPort.String() == "p2p") && !peers {
			f.addf(object, "has the peers' port, which asks for no key")
		}
	}
}

// pointsAtPort: each of the workloads has a container that listens there.
func (f *findings) pointsAtPort(workloads []workload, object Object, port *intstr.IntOrString) {
	if port == nil {
		return
	}
	for _, w := range workloads {
		if !slices.ContainsFunc(w.containers(), func(c corev1.Container) bool { return hasPort(c, *port) }) {
			f.addf(object, "names the port %q, which no container of %s has", port.String(), w.object.ID())
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

// admission: a binding names a policy that is rendered, and a parameter of the kind that the policy asks for.
func (f *findings) admission(o Objects, object Object, binding *admissionv1.ValidatingAdmissionPolicyBinding) {
	for _, policy := range list[*admissionv1.ValidatingAdmissionPolicy](o) {
		if policy.Name != binding.Spec.PolicyName {
			continue
		}
		kind, param := policy.Spec.ParamKind, binding.Spec.ParamRef
		if (kind == nil) != (param == nil) {
			f.addf(object, "gives %s another parameter than it asks for", policy.Name)
		}
		if kind != nil && param != nil && (param.Namespace != o.namespace || !o.Has(kind.Kind, param.Name)) {
			f.addf(object, "has the parameter %s/%s of namespace %q, which is not rendered", kind.Kind, param.Name, param.Namespace)
		}
		return
	}
	f.addf(object, "binds the policy %s, which is not rendered", binding.Spec.PolicyName)
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

// tokenVolume is the volume that a service account's token is projected into, and tokenPath is where client-go looks for it.
const (
	tokenVolume = "shepherd-token"
	tokenPath   = "/var/run/secrets/kubernetes.io/serviceaccount"
)

// pods: restricted, the token in shepherd's containers alone, every volume mounted and every mount with a volume.
func (f *findings) pods(o Objects) {
	for _, w := range o.workloads() {
		f.pod(o, w.object, w.meta, w.pod, w.claims)
	}
	for _, object := range o.All {
		if account, ok := object.Typed.(*corev1.ServiceAccount); ok && (account.AutomountServiceAccountToken == nil || *account.AutomountServiceAccountToken) {
			f.addf(object, "mounts its token into pods")
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
			if source.ServiceAccountToken != nil && volume.Name != tokenVolume {
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
			if mount.Name != tokenVolume {
				continue
			}
			if container.Image != o.shepherd {
				f.addf(object, "container %s has a service account's token, and its image is not shepherd's", container.Name)
			}
			if !mount.ReadOnly || mount.MountPath != tokenPath {
				f.addf(object, "container %s mounts the token at %s, or may write there", container.Name, mount.MountPath)
			}
		}
		for _, variable := range container.Env {
			if variable.Value != "" && secretName.MatchString(variable.Name) && !slices.Contains(namesOfSecrets, variable.Name) {
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
	// namesOfSecrets are the variables that say what a Secret and its entries are called.
	namesOfSecrets = []string{"SHEPHERD_SECRET", "SHEPHERD_SECRET_KEYS"}
	pem            = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`)
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
