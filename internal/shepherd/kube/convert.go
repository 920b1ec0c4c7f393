package kube

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
)

// serverContainer is the name of Qdrant's container in the chart.
const serverContainer = "qdrant"

func readStatefulSet(object *appsv1.StatefulSet) StatefulSet {
	paused := object.Annotations[AnnotationPaused]
	return StatefulSet{
		UID:      string(object.UID),
		Replicas: replicasOf(object),
		Deleting: object.DeletionTimestamp != nil,
		Paused:   paused != "" && paused != "false",
		Updating: updating(object),
	}
}

func replicasOf(object *appsv1.StatefulSet) int {
	if object.Spec.Replicas == nil {
		return 1 // the API's default
	}
	return int(*object.Spec.Replicas)
}

// updating is true until the controller has seen the latest spec and every pod has the revision it should have and is ready. Pods
// below a partition are meant to keep the old one.
func updating(object *appsv1.StatefulSet) bool {
	status, replicas := object.Status, replicasOf(object)
	update := object.Spec.UpdateStrategy.RollingUpdate
	latest := replicas
	if update != nil && update.Partition != nil {
		latest = max(0, replicas-int(*update.Partition))
	}
	return status.ObservedGeneration < object.Generation ||
		int(status.Replicas) != replicas ||
		int(status.ReadyReplicas) < replicas ||
		int(status.UpdatedReplicas) < latest
}

func readPod(names Names, object *corev1.Pod) Pod {
	pod := Pod{
		Name:     object.Name,
		UID:      string(object.UID),
		Ordinal:  names.Ordinal(object.Name),
		Ready:    ready(object),
		Deleting: object.DeletionTimestamp != nil,
		Starting: starting(object),
		Node:     object.Spec.NodeName,
		Zone:     object.Labels[corev1.LabelTopologyZone],
		Created:  object.CreationTimestamp.Time,
	}
	if seconds := object.DeletionGracePeriodSeconds; seconds != nil {
		pod.DeletionGrace = time.Duration(*seconds) * time.Second
	}
	if owner := metav1.GetControllerOf(object); owner != nil && owner.Kind == "StatefulSet" {
		pod.OwnerUID = string(owner.UID)
	}
	for _, status := range object.Status.ContainerStatuses {
		if status.Name == serverContainer {
			pod.Restarts = int(status.RestartCount)
			pod.Crashing = crashing(status)
		}
	}
	return pod
}

func ready(object *corev1.Pod) bool {
	for _, condition := range object.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// starting looks at the containers that must end before the server runs; a sidecar, which is listed with them, never does.
func starting(object *corev1.Pod) bool {
	ended := map[string]bool{}
	for _, status := range object.Status.InitContainerStatuses {
		ended[status.Name] = status.State.Terminated != nil && status.State.Terminated.ExitCode == 0
	}
	for _, container := range object.Spec.InitContainers {
		sidecar := container.RestartPolicy != nil && *container.RestartPolicy == corev1.ContainerRestartPolicyAlways
		if !sidecar && !ended[container.Name] {
			return true
		}
	}
	return false
}

// crashing: it has ended, or has ended before and waits to be started again. A container that waits for its image has no earlier end.
func crashing(status corev1.ContainerStatus) bool {
	return status.State.Terminated != nil ||
		status.State.Waiting != nil && status.LastTerminationState.Terminated != nil
}

func readClaim(names Names, object *corev1.PersistentVolumeClaim) (Claim, error) {
	claim := Claim{
		Name:    object.Name,
		UID:     string(object.UID),
		Ordinal: names.Ordinal(object.Name),
		Verdict: object.Annotations[AnnotationVerdict],
	}
	var err error
	if claim.Peer, err = peerAnnotation(object, AnnotationPeer); err != nil {
		return claim, err
	}
	if claim.Drained, err = peerAnnotation(object, AnnotationDrained); err != nil {
		return claim, err
	}
	if text, found := object.Annotations[AnnotationStarts]; found {
		claim.Starts, err = strconv.Atoi(text)
		if err != nil || claim.Starts < 0 {
			return claim, &unreadable{claim: object.Name, annotation: AnnotationStarts, text: text, wanted: "number of starts"}
		}
	}
	return claim, nil
}

func peerAnnotation(object *corev1.PersistentVolumeClaim, key string) (clusterapi.PeerID, error) {
	text, found := object.Annotations[key]
	if !found {
		return 0, nil
	}
	if text == FoundingText && key == AnnotationPeer {
		return Founding, nil
	}
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil || id == 0 {
		return 0, &unreadable{claim: object.Name, annotation: key, text: text, wanted: "peer id"}
	}
	return clusterapi.PeerID(id), nil
}

// unreadable is an annotation that holds something else than it should.
type unreadable struct{ claim, annotation, text, wanted string }

func (u *unreadable) Error() string {
	return fmt.Sprintf("reading claim %s: annotation %s is %q, which is no %s", u.claim, u.annotation, u.text, u.wanted)
}

// IsUnreadable says that a claim was read, and that one of its annotations makes no sense.
func IsUnreadable(err error) bool {
	var u *unreadable
	return errors.As(err, &u)
}

// PeerText is how a peer's id is written in an annotation.
func PeerText(id clusterapi.PeerID) string {
	if id == Founding {
		return FoundingText
	}
	return id.String()
}
