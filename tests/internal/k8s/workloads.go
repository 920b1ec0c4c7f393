package k8s

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/qdrant-shepherd/shepherd/tests/internal/timeouts"
)

// WaitRollout waits until a StatefulSet has rolled out to the number of replicas that the caller names. The number is
// asked for so that a StatefulSet of 0 replicas with 0 ready ones is never taken for a success.
func (c *Client) WaitRollout(ctx context.Context, namespace, name string, replicas int32, timeout time.Duration) error {
	what := fmt.Sprintf("rollout of StatefulSet %s/%s to %d replicas", namespace, name, replicas)
	return Poll(ctx, timeout, what, func(ctx context.Context) error {
		set, err := c.AppsV1().StatefulSets(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		wanted, status := int32(1), set.Status
		if set.Spec.Replicas != nil {
			wanted = *set.Spec.Replicas
		}
		switch {
		case status.ObservedGeneration < set.Generation:
			return fmt.Errorf("generation %d is not yet observed, %d is", set.Generation, status.ObservedGeneration)
		case wanted != replicas:
			return fmt.Errorf("spec.replicas is %d", wanted)
		case status.Replicas != replicas:
			return fmt.Errorf("%d of %d pods exist", status.Replicas, replicas)
		case replicas > 0 && status.CurrentRevision != status.UpdateRevision:
			return fmt.Errorf("%d of %d pods are of revision %s: %s", status.UpdatedReplicas, replicas, status.UpdateRevision, c.whyNotReady(ctx, set.Namespace, set.Spec.Selector))
		case status.ReadyReplicas != replicas:
			return fmt.Errorf("%d of %d pods are ready: %s", status.ReadyReplicas, replicas, c.whyNotReady(ctx, set.Namespace, set.Spec.Selector))
		}
		// The status may be behind its pods; and a StatefulSet that has just taken over pods of another one calls its only revision the
		// current one, whatever the pods are of.
		pods, err := c.Pods(ctx, namespace, metav1.FormatLabelSelector(set.Spec.Selector))
		if err != nil {
			return err
		}
		if len(pods) != int(replicas) {
			return fmt.Errorf("there are %d pods, not %d", len(pods), replicas)
		}
		for _, pod := range pods {
			if revision := pod.Labels[appsv1.ControllerRevisionHashLabelKey]; revision != status.UpdateRevision {
				return fmt.Errorf("%s is of revision %q, not %q", pod.Name, revision, status.UpdateRevision)
			}
			if pod.DeletionTimestamp != nil || !Ready(&pod) {
				return errors.New(PodState(&pod))
			}
		}
		return nil
	})
}

func (c *Client) whyNotReady(ctx context.Context, namespace string, selector *metav1.LabelSelector) string {
	pods, err := c.Pods(ctx, namespace, metav1.FormatLabelSelector(selector))
	if err != nil {
		return err.Error()
	}
	var states []string
	for _, pod := range pods {
		if !Ready(&pod) {
			states = append(states, PodState(&pod))
		}
	}
	return strings.Join(states, "; ")
}

// Pods lists pods by label selector, ordinals in order.
func (c *Client) Pods(ctx context.Context, namespace, selector string) ([]corev1.Pod, error) {
	list, err := c.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("listing pods %s in %s: %w", selector, namespace, err)
	}
	sort.Slice(list.Items, func(i, j int) bool {
		a, b := list.Items[i].Name, list.Items[j].Name
		if len(a) != len(b) {
			return len(a) < len(b) // q-9 before q-10
		}
		return a < b
	})
	return list.Items, nil
}

// Ready says whether the pod's Ready condition is true.
func Ready(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(condition corev1.PodCondition) bool {
		return condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue
	})
}

// PodState tells in one line why a pod is as it is: "q-qdrant-1 Pending: ImagePullBackOff: Back-off pulling image …".
func PodState(pod *corev1.Pod) string {
	parts := []string{pod.Name + " " + string(pod.Status.Phase)}
	if pod.DeletionTimestamp != nil {
		parts[0] += " (terminating)"
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status != corev1.ConditionTrue {
			parts = append(parts, condition.Reason+": "+condition.Message)
		}
	}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		switch {
		case status.State.Waiting != nil:
			parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s %s %s", status.Name, status.State.Waiting.Reason, status.State.Waiting.Message)))
		case status.State.Terminated != nil && status.State.Terminated.ExitCode != 0:
			parts = append(parts, fmt.Sprintf("%s exited %d (%s)", status.Name, status.State.Terminated.ExitCode, status.State.Terminated.Reason))
		case status.State.Running != nil && !status.Ready:
			parts = append(parts, status.Name+" runs, not ready")
		}
		if status.RestartCount > 0 && status.LastTerminationState.Terminated != nil {
			last := status.LastTerminationState.Terminated
			parts = append(parts, fmt.Sprintf("%s restarted %d times, last exit %d (%s)", status.Name, status.RestartCount, last.ExitCode, last.Reason))
		}
	}
	return strings.Join(parts, ", ")
}

// WaitPod waits until a pod meets a condition; a pod that does not exist meets none.
func (c *Client) WaitPod(ctx context.Context, namespace, name, what string, timeout time.Duration, meets func(*corev1.Pod) bool) (*corev1.Pod, error) {
	var found *corev1.Pod
	err := Poll(ctx, timeout, fmt.Sprintf("pod %s/%s to be %s", namespace, name, what), func(ctx context.Context) error {
		pod, err := c.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if !meets(pod) {
			return errors.New(PodState(pod))
		}
		found = pod
		return nil
	})
	return found, err
}

// WaitPodReplaced waits until a pod of that name exists with another uid than the given one, and is ready.
func (c *Client) WaitPodReplaced(ctx context.Context, namespace, name string, old types.UID, timeout time.Duration) (*corev1.Pod, error) {
	return c.WaitPod(ctx, namespace, name, "replaced and ready", timeout, func(pod *corev1.Pod) bool {
		return pod.UID != old && pod.DeletionTimestamp == nil && Ready(pod)
	})
}

// WaitPodsGone waits until no pod has the labels any more.
func (c *Client) WaitPodsGone(ctx context.Context, namespace, selector string, timeout time.Duration) error {
	return Poll(ctx, timeout, fmt.Sprintf("pods %s in %s to be gone", selector, namespace), func(ctx context.Context) error {
		pods, err := c.Pods(ctx, namespace, selector)
		if err != nil {
			return err
		}
		var left []string
		for _, pod := range pods {
			left = append(left, PodState(&pod))
		}
		if len(left) > 0 {
			return errors.New(strings.Join(left, "; "))
		}
		return nil
	})
}

// Evict asks for a pod as a node drain does, through the Eviction API. Refused knows a refusal by a disruption budget.
func (c *Client) Evict(ctx context.Context, namespace, pod string) error {
	err := c.PolicyV1().Evictions(namespace).Evict(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: pod}})
	if err != nil {
		return fmt.Errorf("evicting pod %s/%s: %w", namespace, pod, err)
	}
	return nil
}

// Refused says whether an eviction was refused by a PodDisruptionBudget.
func Refused(err error) bool {
	return apierrors.IsTooManyRequests(err) && apierrors.HasStatusCause(err, policyv1.DisruptionBudgetCause)
}

// Cordon keeps new pods off a node; with false it lets them on again.
func (c *Client) Cordon(ctx context.Context, node string, on bool) error {
	patch := fmt.Appendf(nil, `{"spec":{"unschedulable":%t}}`, on)
	if _, err := c.CoreV1().Nodes().Patch(ctx, node, types.StrategicMergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("cordoning node %s: %w", node, err)
	}
	return nil
}

// HideZone makes a pod what it is before Kubernetes 1.35: without the label that names its node's zone.
func (c *Client) HideZone(ctx context.Context, namespace, pod string) error {
	patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:null}}}`, corev1.LabelTopologyZone)
	if _, err := c.CoreV1().Pods(namespace).Patch(ctx, pod, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("hiding the zone of pod %s/%s: %w", namespace, pod, err)
	}
	return nil
}

// WaitNode waits until a node's Ready condition is true, or with false until it is not.
func (c *Client) WaitNode(ctx context.Context, name string, ready bool, timeout time.Duration) error {
	return Poll(ctx, timeout, fmt.Sprintf("node %s to have Ready=%t", name, ready), func(ctx context.Context) error {
		node, err := c.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady {
				if (condition.Status == corev1.ConditionTrue) == ready {
					return nil
				}
				return fmt.Errorf("Ready is %s: %s", condition.Status, condition.Message) //nolint:staticcheck // the condition's name
			}
		}
		return errors.New("it has no Ready condition")
	})
}

// Selector is the label selector of a release's Qdrant pods.
func Selector(release string) string {
	return labels.Set{"app.kubernetes.io/name": "qdrant", "app.kubernetes.io/instance": release, "app": "qdrant"}.String()
}

// recheckEvery is the time between two of Recheck's changes.
const recheckEvery = 10 * time.Second

// Recheck makes the namespace controller look again at a namespace that is being deleted. The controller deletes the pods first. If its second
// look, some ten seconds later, sees the same pods, the next one comes after half of their grace period
// (pkg/controller/namespace/namespace_controller.go): that is half an hour with shepherd's default. A change of the namespace brings a look.
func (c *Client) Recheck(ctx context.Context, namespace *corev1.Namespace) error {
	if namespace.DeletionTimestamp == nil {
		return nil
	}
	// The value is the same, and changes nothing, until the time is up.
	patch := fmt.Sprintf(`{"metadata":{"annotations":{"qdrant-shepherd.io/recheck":%q}}}`, time.Now().Truncate(recheckEvery).UTC().Format(time.RFC3339))
	_, err := c.CoreV1().Namespaces().Patch(ctx, namespace.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// DeleteNamespace deletes a namespace and waits until it is gone.
func (c *Client) DeleteNamespace(ctx context.Context, name string) error {
	err := c.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting namespace %s: %w", name, err)
	}
	return Poll(ctx, timeouts.NamespaceGone, "namespace "+name+" to be gone", func(ctx context.Context) error {
		namespace, err := c.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			return nil
		case err != nil:
			return err
		}
		if err := c.Recheck(ctx, namespace); err != nil {
			return err
		}
		for _, condition := range namespace.Status.Conditions {
			if condition.Status == corev1.ConditionTrue {
				err = errors.Join(err, fmt.Errorf("%s: %s", condition.Type, condition.Message))
			}
		}
		if err == nil {
			err = fmt.Errorf("phase %s", namespace.Status.Phase)
		}
		return err
	})
}
