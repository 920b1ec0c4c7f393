package up

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/qdrant-shepherd/shepherd/internal/local/controlplane"
)

// tendContainer is that of shepherd's own pod.
const tendContainer = "tend"

// kubelet plays the kubelet for the release's pods: once the scheduler has placed one, it runs what the pod's containers would run, as
// processes and goroutines of this machine, and reports what comes of it. A pod of the StatefulSet has shepherd's start, a server and
// shepherd's watch; the pod of the Deployment has tend, and its status is kwok's.
type kubelet struct {
	admin    *rest.Config
	api      kubernetes.Interface
	settings Settings
	state    State
	ports    ports
	key      string
	log      *slog.Logger

	mu      sync.Mutex
	pods    map[types.UID]*pod
	latest  map[string]*pod // by what only one pod at a time can have: its name, or tend's port
	running sync.WaitGroup
}

func newKubelet(admin *rest.Config, api kubernetes.Interface, settings Settings, state State, key string, log *slog.Logger) *kubelet {
	return &kubelet{
		admin: admin, api: api, settings: settings, state: state, ports: ports{state.Port}, key: key, log: log,
		pods: map[types.UID]*pod{}, latest: map[string]*pod{},
	}
}

// run plays until the context ends, and returns when everything has stopped.
func (k *kubelet) run(ctx context.Context) error {
	factory := informers.NewSharedInformerFactoryWithOptions(k.api, 0, informers.WithNamespace(namespace))
	_, err := factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { k.see(ctx, object.(*corev1.Pod)) },
		UpdateFunc: func(_, object any) { k.see(ctx, object.(*corev1.Pod)) },
		DeleteFunc: func(object any) {
			if unknown, missed := object.(cache.DeletedFinalStateUnknown); missed {
				object = unknown.Obj
			}
			k.forget(object.(*corev1.Pod).UID)
		},
	})
	if err != nil {
		return fmt.Errorf("watching the pods: %w", err)
	}
	factory.StartWithContext(ctx)
	<-ctx.Done()
	factory.Shutdown()
	k.running.Wait()
	return nil
}

// see begins with a pod that was placed, and tells one that it is being deleted.
func (k *kubelet) see(ctx context.Context, object *corev1.Pod) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, known := k.pods[object.UID]
	if !known {
		if p = k.adopt(object); p == nil {
			return
		}
		var alive context.Context
		alive, p.kill = context.WithCancel(ctx)
		before := k.latest[p.place()]
		k.pods[object.UID], k.latest[p.place()] = p, p
		k.running.Go(func() {
			defer close(p.gone)
			defer p.kill()
			if before != nil {
				<-before.gone
			}
			p.live(alive)
		})
	}
	if object.DeletionTimestamp != nil {
		p.deletion.Do(func() {
			p.grace = time.Duration(*object.DeletionGracePeriodSeconds) * time.Second
			close(p.deleted)
		})
	}
}

// adopt makes a pod of one that was placed and is for this kubelet, nil of others.
func (k *kubelet) adopt(object *corev1.Pod) *pod {
	_, ours := object.Annotations[controlplane.LingerAnnotation]
	tends := object.Spec.Containers[0].Name == tendContainer
	if object.Spec.NodeName == "" || !ours && !tends {
		return nil
	}
	return &pod{kubelet: k, object: object, tends: tends, deleted: make(chan struct{}), gone: make(chan struct{})}
}

// forget ends at once what a pod runs that is not there any more.
func (k *kubelet) forget(uid types.UID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if p, known := k.pods[uid]; known {
		p.kill()
		delete(k.pods, uid)
	}
}

// logFile returns the path of the log of a pod's container, in a directory that exists.
func (k *kubelet) logFile(pod, container string) (string, error) {
	directory := k.settings.path(podsDirectory, pod)
	return filepath.Join(directory, container+".log"), os.MkdirAll(directory, 0o755)
}

func (k *kubelet) openLog(pod, container string) (*os.File, error) {
	path, err := k.logFile(pod, container)
	if err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}

// again runs something until the context ends, with longer and longer pauses, as a kubelet does with a container that ends.
func again(ctx context.Context, run func(ctx context.Context)) {
	for pause := time.Second; ctx.Err() == nil; pause = min(2*pause, time.Minute) {
		run(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}
