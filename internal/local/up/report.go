package up

import (
	"context"
	"encoding/json"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// report is a pod's status. That of tend's pod is kwok's.
type report struct {
	mu     sync.Mutex
	status corev1.PodStatus
	told   bool // the API server knows it
}

// starting: shepherd's start runs, for the first time or again, and nothing else.
func (r *report) starting(ctx context.Context, p *pod) {
	r.tell(ctx, p, func(s *corev1.PodStatus) {
		if s.Phase != "" {
			s.InitContainerStatuses[0].State = running()
			return
		}
		s.Phase, s.StartTime = corev1.PodPending, new(metav1.Now())
		for i, container := range p.object.Spec.InitContainers {
			state := waiting("PodInitializing", "")
			if i == 0 {
				state = running()
			}
			s.InitContainerStatuses = append(s.InitContainerStatuses, corev1.ContainerStatus{Name: container.Name, Image: container.Image, State: state})
		}
		for _, container := range p.object.Spec.Containers {
			s.ContainerStatuses = append(s.ContainerStatuses, corev1.ContainerStatus{Name: container.Name, Image: container.Image, State: waiting("PodInitializing", "")})
		}
		setCondition(s, corev1.PodInitialized, false, "")
		setReady(s, false, "")
	})
}

// running: the server has been started, for the first time or again.
func (r *report) running(ctx context.Context, p *pod, restarts int) {
	r.tell(ctx, p, func(s *corev1.PodStatus) {
		s.Phase = corev1.PodRunning
		for i := range s.InitContainerStatuses {
			one := &s.InitContainerStatuses[i]
			one.Ready, one.Started = true, new(i > 0)
			one.State = running()
			if i == 0 {
				one.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", FinishedAt: metav1.Now()}}
			}
		}
		server := &s.ContainerStatuses[0]
		server.State, server.Started, server.RestartCount = running(), new(true), int32(restarts)
		setCondition(s, corev1.PodInitialized, true, "")
	})
}

// ready is what the readiness probe says.
func (r *report) ready(ctx context.Context, p *pod, is bool, why string) {
	r.tell(ctx, p, func(s *corev1.PodStatus) {
		if server := &s.ContainerStatuses[0]; server.State.Running != nil {
			server.Ready = is
			setReady(s, is, why)
		}
	})
}

// crashed: the server has ended by itself, and is started again after a while.
func (r *report) crashed(ctx context.Context, p *pod, restarts, code int, why string) {
	r.tell(ctx, p, func(s *corev1.PodStatus) {
		server := &s.ContainerStatuses[0]
		server.Ready, server.Started, server.RestartCount = false, new(false), int32(restarts)
		server.State = waiting("CrashLoopBackOff", why)
		server.LastTerminationState = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: int32(code), Reason: "Error", Message: why, FinishedAt: metav1.Now(),
		}}
		setReady(s, false, why)
	})
}

// failed: it could not be started, and is tried again after a while. That counts as an end of the first container.
func (r *report) failed(ctx context.Context, p *pod, failures int, why error) {
	r.tell(ctx, p, func(s *corev1.PodStatus) {
		first := &s.InitContainerStatuses[0]
		first.RestartCount = int32(failures)
		first.State = waiting("CrashLoopBackOff", why.Error())
		first.LastTerminationState = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: 1, Reason: "Error", Message: why.Error(), FinishedAt: metav1.Now(),
		}}
	})
}

// tell patches what has changed. What can't be told now is told the next time.
func (r *report) tell(ctx context.Context, p *pod, change func(*corev1.PodStatus)) {
	if p.tends {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	before, err := json.Marshal(&r.status)
	if err != nil {
		return // it has no such values
	}
	next := r.status.DeepCopy()
	change(next)
	after, err := json.Marshal(next)
	if err != nil || r.told && string(after) == string(before) {
		return
	}
	r.status = *next
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": p.object.UID}, "status": next})
	if err != nil {
		return
	}
	_, err = p.api.CoreV1().Pods(p.object.Namespace).Patch(ctx, p.object.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	r.told = err == nil
	if err != nil && ctx.Err() == nil {
		p.log.Warn("reporting the status", "pod", p.object.Name, "error", err.Error())
	}
}

func running() corev1.ContainerState {
	return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}}
}

func waiting(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func setReady(s *corev1.PodStatus, is bool, why string) {
	setCondition(s, corev1.ContainersReady, is, why)
	setCondition(s, corev1.PodReady, is, why)
}

func setCondition(s *corev1.PodStatus, of corev1.PodConditionType, is bool, why string) {
	status := corev1.ConditionFalse
	if is {
		status, why = corev1.ConditionTrue, ""
	}
	for i := range s.Conditions {
		one := &s.Conditions[i]
		if one.Type == of {
			if one.Status != status {
				one.LastTransitionTime = metav1.Now()
			}
			one.Status, one.Message = status, why
			return
		}
	}
	s.Conditions = append(s.Conditions, corev1.PodCondition{Type: of, Status: status, Message: why, LastTransitionTime: metav1.Now()})
}
