package kube

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
)

// Recorder writes Events about the StatefulSet, in the background: an Event that cannot be written must not hold up what it tells of.
// The same Event again is counted, not repeated, and too many are dropped.
type Recorder struct {
	client      *Client
	recorder    record.EventRecorder
	broadcaster record.EventBroadcaster
}

// Recorder makes a recorder that signs with the name of a component. Close it.
func (c *Client) Recorder(component string) *Recorder {
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(&corev1client.EventSinkImpl{Interface: c.api.CoreV1().Events(c.names.Namespace)})
	return &Recorder{
		client:      c,
		recorder:    broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: component}),
		broadcaster: broadcaster,
	}
}

// Event tells of the StatefulSet. The reason is one word in upper camel case, the message a sentence. The error is of finding out the
// StatefulSet's UID, without which `kubectl describe` would not show the Event; whether it was written is not known here.
func (r *Recorder) Event(ctx context.Context, warning bool, reason, message string) error {
	set, err := r.client.StatefulSet(ctx)
	if err != nil {
		return err
	}
	kind := corev1.EventTypeNormal
	if warning {
		kind = corev1.EventTypeWarning
	}
	r.recorder.Event(&corev1.ObjectReference{
		APIVersion: "apps/v1",
		Kind:       "StatefulSet",
		Namespace:  r.client.names.Namespace,
		Name:       r.client.names.StatefulSet,
		UID:        types.UID(set.UID),
	}, kind, reason, message)
	return nil
}

// Close stops recording; what waits to be written is dropped.
func (r *Recorder) Close() { r.broadcaster.Shutdown() }
