package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// provisionVolumes gives each claim a volume at once, for the storage classes of the provisioners it is told to play. Nothing is stored:
// no kubelet will ever mount it.
func provisionVolumes() {
	flags := flag.NewFlagSet("provisioner", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "how to reach the API server")
	names := flags.String("provisioners", "", "provisioners to play, separated by commas")
	_ = flags.Parse(os.Args[1:]) // it exits
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		fail("provisioner", err)
	}
	config.QPS, config.Burst = 500, 1000
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		fail("provisioner", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var running sync.WaitGroup
	for name := range strings.SplitSeq(*names, ",") {
		running.Go(func() {
			controller.NewProvisionController(ctx, silent{client}, name, pretender{}, controller.LeaderElection(false)).Run(ctx)
		})
	}
	running.Wait()
}

// silent tells no Events: of each volume there would be four, and nobody to read them.
type silent struct{ kubernetes.Interface }

func (s silent) CoreV1() typedcorev1.CoreV1Interface { return silentCore{s.Interface.CoreV1()} }

type silentCore struct{ typedcorev1.CoreV1Interface }

func (silentCore) Events(string) typedcorev1.EventInterface { return noEvents{} }

type noEvents struct{ typedcorev1.EventInterface }

func (noEvents) CreateWithEventNamespace(e *corev1.Event) (*corev1.Event, error) { return e, nil }
func (noEvents) UpdateWithEventNamespace(e *corev1.Event) (*corev1.Event, error) { return e, nil }
func (noEvents) PatchWithEventNamespace(e *corev1.Event, _ []byte) (*corev1.Event, error) {
	return e, nil
}

// pretender makes volumes of nothing.
type pretender struct{}

func (pretender) Provision(_ context.Context, options controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: options.PVName},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes:      options.PVC.Spec.AccessModes,
			Capacity:         corev1.ResourceList{corev1.ResourceStorage: options.PVC.Spec.Resources.Requests[corev1.ResourceStorage]},
			MountOptions:     options.StorageClass.MountOptions,
			VolumeMode:       options.PVC.Spec.VolumeMode,
			StorageClassName: options.StorageClass.Name,
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				HostPath: &corev1.HostPathVolumeSource{Path: fmt.Sprintf("/nowhere/%s", options.PVName)},
			},
		},
	}
	if policy := options.StorageClass.ReclaimPolicy; policy != nil {
		volume.Spec.PersistentVolumeReclaimPolicy = *policy
	}
	return volume, controller.ProvisioningFinished, nil
}

func (pretender) Delete(context.Context, *corev1.PersistentVolume) error { return nil }
