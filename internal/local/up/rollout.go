package up

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// hopeless is how often a container may end before it was ever ready.
const hopeless = 3

// watchRollout shows the pods as they come, and returns them when all are there and ready.
func watchRollout(ctx context.Context, api kubernetes.Interface, screen *screen) ([]Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, rolloutTime)
	defer cancel()
	factory := informers.NewSharedInformerFactoryWithOptions(api, 0, informers.WithNamespace(namespace))
	pods, sets, deployments := factory.Core().V1().Pods(), factory.Apps().V1().StatefulSets(), factory.Apps().V1().Deployments()
	changed := make(chan struct{}, 1)
	notice := func(any) {
		select {
		case changed <- struct{}{}:
		default: // what has changed is looked at anyway
		}
	}
	for _, informer := range []cache.SharedIndexInformer{pods.Informer(), sets.Informer(), deployments.Informer()} {
		handler := cache.ResourceEventHandlerFuncs{AddFunc: notice, UpdateFunc: func(_, now any) { notice(now) }, DeleteFunc: notice}
		if _, err := informer.AddEventHandler(handler); err != nil {
			return nil, fmt.Errorf("watching the pods: %w", err)
		}
	}
	factory.StartWithContext(ctx)
	defer factory.Shutdown()
	defer cancel()
	factory.WaitForCacheSync(ctx.Done())
	shown := rollout{screen: screen, said: map[string]string{}}
	for {
		seen, err := pods.Lister().List(labels.Everything())
		if err != nil {
			return nil, fmt.Errorf("watching the pods: %w", err)
		}
		// A Job's pod, such as that of helm test, is not of the cluster.
		seen = slices.DeleteFunc(slices.Clone(seen), func(pod *corev1.Pod) bool { return pod.Spec.RestartPolicy != corev1.RestartPolicyAlways })
		if err := shown.show(seen); err != nil {
			return nil, err
		}
		set, noSet := sets.Lister().StatefulSets(namespace).Get(statefulSet)
		tend, noTend := deployments.Lister().Deployments(namespace).Get(deployment)
		// The pods are watched apart from what owns them, so either may be behind.
		if noSet == nil && noTend == nil && rolledOut(set) && available(tend) && !slices.ContainsFunc(seen, unready) {
			return list(seen), nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the pods: %w; last: %s", context.Cause(ctx), shown.last(seen))
		}
	}
}

// rolledOut: the controller has seen the latest wish, and as many pods as it asks for are of it and ready.
func rolledOut(set *appsv1.StatefulSet) bool {
	wanted, status := *set.Spec.Replicas, set.Status
	return status.ObservedGeneration >= set.Generation && wanted > 0 &&
		status.Replicas == wanted && status.ReadyReplicas == wanted && status.UpdatedReplicas == wanted
}

func available(d *appsv1.Deployment) bool {
	return d.Status.ObservedGeneration >= d.Generation && d.Status.Replicas == *d.Spec.Replicas &&
		d.Status.UpdatedReplicas == *d.Spec.Replicas && d.Status.AvailableReplicas == *d.Spec.Replicas
}

// rollout is what was shown of it.
type rollout struct {
	screen *screen
	said   map[string]string // by pod
}

// show says what has changed. The error is of a container that can't run.
func (r rollout) show(pods []*corev1.Pod) error {
	pods = slices.SortedFunc(slices.Values(pods), func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	there := map[string]bool{}
	for _, pod := range pods {
		there[pod.Name] = true
		now := condition(pod)
		if r.said[pod.Name] != now {
			r.said[pod.Name] = now
			r.screen.timed("%-28s %s", pod.Name, now)
		}
		if err := crash(pod); err != nil {
			return err
		}
	}
	for name := range r.said {
		if !there[name] {
			delete(r.said, name)
			r.screen.timed("%-28s gone", name)
		}
	}
	return nil
}

func (r rollout) last(pods []*corev1.Pod) string {
	var texts []string
	for _, pod := range pods {
		if now := condition(pod); now != "ready" {
			texts = append(texts, pod.Name+" is "+now)
		}
	}
	if len(texts) == 0 {
		return "a pod is missing"
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

// condition is the state of a pod in a few words.
func condition(pod *corev1.Pod) string {
	switch {
	case pod.DeletionTimestamp != nil:
		return "stopping"
	case pod.Spec.NodeName == "":
		return "waiting for a node"
	case ready(pod):
		return "ready"
	case pod.Status.Phase == corev1.PodRunning:
		return "running, not ready yet"
	}
	return "starting on " + pod.Spec.NodeName
}

func unready(pod *corev1.Pod) bool { return pod.DeletionTimestamp == nil && !ready(pod) }

func ready(pod *corev1.Pod) bool {
	for _, one := range pod.Status.Conditions {
		if one.Type == corev1.PodReady {
			return one.Status == corev1.ConditionTrue
		}
	}
	return false
}

func crash(pod *corev1.Pod) error {
	for _, container := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		ended := container.LastTerminationState.Terminated
		if ended == nil || container.Ready || container.RestartCount < hopeless {
			continue
		}
		text := fmt.Sprintf("container %s of %s has ended %d times, with code %d", container.Name, pod.Name, container.RestartCount, ended.ExitCode)
		if ended.Message != "" {
			text += ": " + ended.Message
		}
		return errors.New(text)
	}
	return nil
}

// list is what the closing screen says of the pods.
func list(pods []*corev1.Pod) []Pod {
	var rows []Pod
	for _, pod := range pods {
		rows = append(rows, Pod{Name: pod.Name, Condition: condition(pod), Node: pod.Spec.NodeName, Zone: pod.Labels[corev1.LabelTopologyZone]})
	}
	slices.SortFunc(rows, func(a, b Pod) int { return strings.Compare(a.Name, b.Name) })
	return rows
}
