package main

import (
	"context"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/retry"
)

// lingerAnnotation on a pod keeps it, once it is deleted, until somebody else deletes it for good.
const lingerAnnotation = "localkube/linger"

// endPods deletes at once for good what was deleted, as a kubelet does when all containers have ended: by its UID. kwok would go by the
// name, and now and then meet the pod that has come in its place.
func endPods(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 500, 1000
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	see := func(object any) {
		pod := object.(*corev1.Pod)
		// One that has no node yet is deleted without anybody's help.
		if _, lingers := pod.Annotations[lingerAnnotation]; pod.DeletionTimestamp != nil && pod.Spec.NodeName != "" && !lingers {
			go endPod(ctx, api, pod)
		}
	}
	factory := informers.NewSharedInformerFactory(api, 0)
	handler := cache.ResourceEventHandlerFuncs{AddFunc: see, UpdateFunc: func(_, now any) { see(now) }}
	if _, err := factory.Core().V1().Pods().Informer().AddEventHandler(handler); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	return nil
}

func endPod(ctx context.Context, api kubernetes.Interface, pod *corev1.Pod) {
	zero := int64(0)
	now := metav1.DeleteOptions{GracePeriodSeconds: &zero, Preconditions: &metav1.Preconditions{UID: &pod.UID}}
	backoff := wait.Backoff{Steps: 8, Duration: 50 * time.Millisecond, Factor: 2}
	err := retry.OnError(backoff, func(err error) bool { return ctx.Err() == nil && !over(err) }, func() error {
		return api.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, now)
	})
	if err != nil && !over(err) && ctx.Err() == nil {
		fmt.Fprintf(os.Stderr, "kwok: ending pod %s/%s: %v\n", pod.Namespace, pod.Name, err)
	}
}

// over: the pod is gone, and there may be another one of its name.
func over(err error) bool { return apierrors.IsNotFound(err) || apierrors.IsConflict(err) }
