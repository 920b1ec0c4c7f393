package evidence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	helmrelease "helm.sh/helm/v3/pkg/release"

	"github.com/qdrant-shepherd/shepherd/tests/internal/k8s"
)

// namespaced is what a release and its tests may leave in a namespace.
var namespaced = []schema.GroupVersionResource{
	{Version: "v1", Resource: "pods"},
	{Version: "v1", Resource: "services"},
	{Version: "v1", Resource: "configmaps"},
	{Version: "v1", Resource: "secrets"},
	{Version: "v1", Resource: "serviceaccounts"},
	{Version: "v1", Resource: "persistentvolumeclaims"},
	{Group: "apps", Version: "v1", Resource: "statefulsets"},
	{Group: "apps", Version: "v1", Resource: "deployments"},
	{Group: "apps", Version: "v1", Resource: "controllerrevisions"},
	{Group: "batch", Version: "v1", Resource: "jobs"},
	{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
	{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"},
	{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"},
	{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"},
	{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"},
	{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
}

// clusterWide is what explains why pods of a namespace do not run.
var clusterWide = []schema.GroupVersionResource{
	{Version: "v1", Resource: "nodes"},
	{Version: "v1", Resource: "persistentvolumes"},
	{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"},
}

func (c *Collector) objects(ctx context.Context, out *writer, namespace string) error {
	var errs []error
	for _, resource := range namespaced {
		list, err := c.cluster.Dynamic.Resource(resource).Namespace(namespace).List(ctx, metav1.ListOptions{})
		errs = append(errs, writeObjects(out, namespace+"/objects/"+resource.Resource+".yaml", list, err))
	}
	return errors.Join(errs...)
}

func (c *Collector) clusterObjects(ctx context.Context, out *writer) error {
	var errs []error
	for _, resource := range clusterWide {
		list, err := c.cluster.Dynamic.Resource(resource).List(ctx, metav1.ListOptions{})
		errs = append(errs, writeObjects(out, "cluster/"+resource.Resource+".yaml", list, err))
	}
	return errors.Join(errs...)
}

func writeObjects(out *writer, name string, list *unstructured.UnstructuredList, err error) error {
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("%s: %w", name, err)
	}
	if list == nil || len(list.Items) == 0 {
		return nil
	}
	var documents []string
	for _, item := range list.Items {
		item.SetManagedFields(nil)
		if item.GetKind() == "Secret" {
			hide(item.Object)
		}
		text, err := yaml.Marshal(item.Object)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		documents = append(documents, string(text))
	}
	return out.write(name, strings.Join(documents, "---\n"))
}

// hide keeps a Secret's keys and the length of each value.
func hide(secret map[string]any) {
	data, _, _ := unstructured.NestedMap(secret, "data")
	for key, value := range data {
		data[key] = fmt.Sprintf("[%d characters of base64]", len(fmt.Sprint(value)))
	}
	if data != nil {
		secret["data"] = data
	}
	// kubectl apply keeps a second copy of what it was given.
	unstructured.RemoveNestedField(secret, "metadata", "annotations", corev1.LastAppliedConfigAnnotation)
}

// events are written oldest first; the digest gets the latest warnings.
func (c *Collector) events(ctx context.Context, out *writer, namespace string, digest *[]string) error {
	list, err := c.cluster.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	sort.SliceStable(list.Items, func(i, j int) bool { return when(&list.Items[i]).Before(when(&list.Items[j])) })
	var text strings.Builder
	var warnings []string
	for _, event := range list.Items {
		line := fmt.Sprintf("%-7s %s %s/%s: %s", event.Type, event.Reason, event.InvolvedObject.Kind, event.InvolvedObject.Name, strings.TrimSpace(event.Message))
		if event.Count > 1 {
			line += fmt.Sprintf(" (%d times)", event.Count)
		}
		fmt.Fprintf(&text, "%s %s\n", when(&event).UTC().Format(time.TimeOnly), line)
		if event.Type == corev1.EventTypeWarning {
			warnings = append(warnings, when(&event).UTC().Format(time.TimeOnly)+" "+line)
		}
	}
	*digest = append(*digest, warnings[max(0, len(warnings)-3):]...)
	return out.write(namespace+"/events.txt", text.String())
}

func when(event *corev1.Event) time.Time {
	switch {
	case event.Series != nil && !event.Series.LastObservedTime.IsZero():
		return event.Series.LastObservedTime.Time
	case !event.LastTimestamp.IsZero():
		return event.LastTimestamp.Time
	case !event.EventTime.IsZero():
		return event.EventTime.Time
	}
	return event.CreationTimestamp.Time
}

// pods writes what kubectl describe would tell of each: node, conditions, containers, exit codes.
func (c *Collector) pods(ctx context.Context, out *writer, namespace string, digest *[]string) error {
	pods, err := c.cluster.Pods(ctx, namespace, "")
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, pod := range pods {
		fmt.Fprintf(&text, "%s\n  node %s, address %s, created %s\n", k8s.PodState(&pod), pod.Spec.NodeName, pod.Status.PodIP, pod.CreationTimestamp.UTC().Format(time.TimeOnly))
		for _, condition := range pod.Status.Conditions {
			fmt.Fprintf(&text, "  %s=%s since %s %s\n", condition.Type, condition.Status, condition.LastTransitionTime.UTC().Format(time.TimeOnly), strings.TrimSpace(condition.Reason+" "+condition.Message))
		}
		for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			fmt.Fprintf(&text, "  container %s: ready %t, restarts %d, now %s, before %s\n", status.Name, status.Ready, status.RestartCount, state(status.State), state(status.LastTerminationState))
		}
		if !k8s.Ready(&pod) && pod.Status.Phase != corev1.PodSucceeded {
			*digest = append(*digest, k8s.PodState(&pod))
		}
	}
	if len(pods) == 0 {
		*digest = append(*digest, "no pods in namespace "+namespace)
	}
	return out.write(namespace+"/pods.txt", text.String())
}

func state(state corev1.ContainerState) string {
	switch {
	case state.Running != nil:
		return "running since " + state.Running.StartedAt.UTC().Format(time.TimeOnly)
	case state.Waiting != nil:
		return strings.TrimSpace("waiting: " + state.Waiting.Reason + " " + state.Waiting.Message)
	case state.Terminated != nil:
		return strings.TrimSpace(fmt.Sprintf("exited %d at %s: %s %s", state.Terminated.ExitCode, state.Terminated.FinishedAt.UTC().Format(time.TimeOnly), state.Terminated.Reason, state.Terminated.Message))
	}
	return "-"
}

// logs writes those of every container, and those of its life before where it was restarted.
func (c *Collector) logs(ctx context.Context, out *writer, namespace string) error {
	pods, err := c.cluster.Pods(ctx, namespace, "")
	if err != nil {
		return err
	}
	var errs []error
	for _, pod := range pods {
		for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			if status.State.Waiting == nil || status.RestartCount > 0 {
				text, err := c.cluster.Logs(ctx, namespace, pod.Name, status.Name, false)
				errs = append(errs, err, out.write(fmt.Sprintf("%s/logs/%s.%s.log", namespace, pod.Name, status.Name), text))
			}
			if status.RestartCount > 0 {
				text, err := c.cluster.Logs(ctx, namespace, pod.Name, status.Name, true)
				errs = append(errs, err, out.write(fmt.Sprintf("%s/logs/%s.%s.previous.log", namespace, pod.Name, status.Name), text))
			}
		}
	}
	return errors.Join(errs...)
}

// releases writes the values and the manifest of every revision that Helm remembers.
func (c *Collector) releases(out *writer, namespace string, digest *[]string) error {
	list, err := driver.NewSecrets(c.cluster.CoreV1().Secrets(namespace)).List(func(*helmrelease.Release) bool { return true })
	if err != nil {
		return err
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Version < list[j].Version })
	var errs []error
	for _, release := range list {
		name := fmt.Sprintf("%s/helm/%s.v%d", namespace, release.Name, release.Version)
		values, err := yaml.Marshal(release.Config)
		errs = append(errs, err, out.write(name+".values.yaml", string(values)), out.write(name+".manifest.yaml", release.Manifest))
		if release.Info != nil && release.Info.Status != helmrelease.StatusDeployed && release.Info.Status != helmrelease.StatusSuperseded {
			*digest = append(*digest, fmt.Sprintf("release %s revision %d: %s: %s", release.Name, release.Version, release.Info.Status, release.Info.Description))
		}
	}
	return errors.Join(errs...)
}

// ask is a GET of the pod's own Qdrant, with the key that the container has, so that the key never leaves it. HTTP/1.0:
// the server closes, and the answer is in one piece.
const ask = `exec 3<>/dev/tcp/127.0.0.1/6333 || exit 1
printf 'GET %s HTTP/1.0\r\nHost: localhost\r\napi-key: %s\r\n\r\n' "$1" "${QDRANT__SERVICE__API_KEY:-none}" >&3
timeout 10 cat <&3`

// peers writes each peer's view: /cluster, its readiness, and the shards of each collection.
func (c *Collector) peers(ctx context.Context, out *writer, namespace string, digest *[]string) error {
	pods, err := c.cluster.Pods(ctx, namespace, "app.kubernetes.io/name=qdrant")
	if err != nil {
		return err
	}
	var errs []error
	for _, pod := range pods {
		if !slices.ContainsFunc(pod.Status.ContainerStatuses, func(status corev1.ContainerStatus) bool {
			return status.Name == k8s.Container && status.State.Running != nil
		}) {
			*digest = append(*digest, pod.Name+": its Qdrant does not run")
			continue
		}
		var text strings.Builder
		get := func(path string) string {
			answer, body, err := c.get(ctx, namespace, pod.Name, path)
			if err != nil {
				errs = append(errs, err)
				fmt.Fprintf(&text, "GET %s: %v\n\n", path, err)
				return ""
			}
			fmt.Fprintf(&text, "GET %s: %s\n%s\n\n", path, answer, body)
			return body
		}
		*digest = append(*digest, pod.Name+": "+view(get("/cluster")))
		get("/readyz")
		var collections struct {
			Result struct {
				Collections []struct{ Name string }
			}
		}
		if json.Unmarshal([]byte(get("/collections")), &collections) == nil {
			for _, collection := range collections.Result.Collections {
				get("/collections/" + collection.Name + "/cluster")
			}
		}
		errs = append(errs, out.write(namespace+"/peers/"+pod.Name+".txt", text.String()))
	}
	return errors.Join(errs...)
}

// get asks Qdrant in a pod and splits the status line from the body.
func (c *Collector) get(ctx context.Context, namespace, pod, path string) (status, body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	stdout, _, err := c.cluster.Exec(ctx, namespace, pod, "bash", "-c", ask, "bash", path)
	if err != nil {
		return "", "", err
	}
	head, body, _ := strings.Cut(stdout, "\r\n\r\n")
	status, _, _ = strings.Cut(head, "\r\n")
	return status, body, nil
}

// view is a peer's /cluster in one line.
func view(body string) string {
	var answer struct {
		Result struct {
			PeerID uint64         `json:"peer_id"`
			Peers  map[string]any `json:"peers"`
			Raft   struct {
				Term   uint64 `json:"term"`
				Commit uint64 `json:"commit"`
				Leader uint64 `json:"leader"`
				Role   string `json:"role"`
			} `json:"raft_info"`
			Consensus struct {
				Status string `json:"consensus_thread_status"`
			} `json:"consensus_thread_status"`
			Failures map[string]any `json:"message_send_failures"`
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return fmt.Sprintf("no answer to /cluster (%.80q)", body)
	}
	result := answer.Result
	line := fmt.Sprintf("peer %d sees %d peers, leader %d, term %d, commit %d, %s", result.PeerID, len(result.Peers), result.Raft.Leader, result.Raft.Term, result.Raft.Commit, result.Raft.Role)
	if status := result.Consensus.Status; status != "" && status != "working" {
		line += ", consensus " + status
	}
	if len(result.Failures) > 0 {
		line += fmt.Sprintf(", cannot send to %d peers", len(result.Failures))
	}
	return line
}
