package command_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/qdrant-shepherd/shepherd/client/qdranttest"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/command"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
)

const (
	domain = "q-headless.search.svc.cluster.local"
	within = 20 * time.Second
	poll   = 20 * time.Millisecond
)

// fixture is a release whose servers and API server are in this process.
type fixture struct {
	cluster *qdranttest.Cluster
	api     *fake.Clientset
	env     map[string]string
	in      string
}

func newFixture(t *testing.T, n int, options qdranttest.Options) *fixture {
	t.Helper()
	options.Domain = domain
	w := &fixture{cluster: qdranttest.Start(t, n, options)}
	in := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "search", Name: name, UID: "uid-of-x"}
	}
	objects := []runtime.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "search"}},
		&appsv1.StatefulSet{
			ObjectMeta: in("q"), Spec: appsv1.StatefulSetSpec{Replicas: new(int32(n))},
			Status: appsv1.StatefulSetStatus{Replicas: int32(n), ReadyReplicas: int32(n), UpdatedReplicas: int32(n)},
		},
		&corev1.ConfigMap{ObjectMeta: in("q-tend")},
		&coordinationv1.Lease{ObjectMeta: in("q-tend")},
		&coordinationv1.Lease{ObjectMeta: in("q-stop")},
	}
	for _, server := range w.cluster.Servers() {
		pod := &corev1.Pod{ObjectMeta: in(server.Name()), Status: corev1.PodStatus{
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		}}
		pod.Labels = map[string]string{"statefulset.kubernetes.io/pod-name": server.Name(), "topology.kubernetes.io/zone": "a"}
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: in("qdrant-storage-" + server.Name())}
		claim.Annotations = map[string]string{kube.AnnotationPeer: fmt.Sprint(server.ID())}
		objects = append(objects, pod, claim)
	}
	w.api = fake.NewClientset(objects...)
	w.env = map[string]string{
		"SHEPHERD_NAMESPACE": "search", "SHEPHERD_STATEFULSET": "q", "SHEPHERD_DOMAIN": domain, "SHEPHERD_POD": "tend-1",
		"SHEPHERD_API_KEY": options.APIKey,
	}
	return w
}

// dial leads the names of pods to their servers.
func (w *fixture) dial(ctx context.Context, network, address string) (net.Conn, error) {
	for _, server := range w.cluster.Servers() {
		if address == server.Name()+"."+domain+":6333" {
			at, err := url.Parse(server.URL())
			if err != nil {
				return nil, err
			}
			return (&net.Dialer{}).DialContext(ctx, network, at.Host)
		}
	}
	return nil, errors.New("no such host: " + address)
}

// run runs a sub-command to its end.
func (w *fixture) run(ctx context.Context, args ...string) (code int, out, said string) {
	return w.runWith(ctx, w.dial, args...)
}

func (w *fixture) runWith(ctx context.Context, dial func(context.Context, string, string) (net.Conn, error), args ...string) (code int, out, said string) {
	var stdout, stderr bytes.Buffer
	code = command.Run(ctx, "1.2.3", args, command.Process{
		Env: func(name string) string { return w.env[name] },
		In:  strings.NewReader(w.in), Out: &stdout, Err: &stderr,
		Connect: func() (kubernetes.Interface, error) { return w.api, nil },
		Dial:    dial,
	})
	return code, stdout.String(), stderr.String()
}

func (w *fixture) state(t *testing.T) map[string]string {
	t.Helper()
	object, err := w.api.CoreV1().ConfigMaps("search").Get(t.Context(), "q-tend", metav1.GetOptions{})
	require.NoError(t, err)
	return object.Data
}
