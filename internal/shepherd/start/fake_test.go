package start_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/start"
)

var names = kube.Names{Namespace: "default", StatefulSet: "q"}

// apiServer stands for the API server: a StatefulSet and its claims.
type apiServer struct {
	mu       sync.Mutex
	replicas int
	claims   map[int]map[string]string
	away     bool
	readOnly bool
	denies   bool
	writes   int
	reads    []int // ordinals of the claims that were read
	deleting map[string]bool
	holder   string // of the stop permit, which never runs out here
}

func newAPIServer(replicas int) *apiServer {
	a := &apiServer{replicas: replicas, claims: map[int]map[string]string{}, deleting: map[string]bool{}}
	for ordinal := range replicas {
		a.claims[ordinal] = map[string]string{}
	}
	return a
}

var errAway = errors.New("dial tcp 10.96.0.1:443: connect: connection refused")

func (a *apiServer) StatefulSet(context.Context) (kube.StatefulSet, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.away {
		return kube.StatefulSet{}, errAway
	}
	if a.denies {
		return kube.StatefulSet{}, apierrors.NewForbidden(schema.GroupResource{Resource: "statefulsets"}, "q", errors.New("no role"))
	}
	return kube.StatefulSet{UID: "s", Replicas: a.replicas}, nil
}

func (a *apiServer) Claim(_ context.Context, ordinal int) (kube.Claim, bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reads = append(a.reads, ordinal)
	if a.away {
		return kube.Claim{}, false, errAway
	}
	annotations, found := a.claims[ordinal]
	if !found {
		return kube.Claim{}, false, nil
	}
	if annotations[kube.AnnotationPeer] == garbage {
		return kube.Claim{}, true, garbled(ordinal)
	}
	return claimOf(ordinal, annotations), true, nil
}

// garbage is no peer id, and garbled what a real client says of it.
const garbage = "garbage"

func garbled(ordinal int) error {
	_, _, err := kube.New(fake.NewClientset(&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Namespace: names.Namespace, Name: names.Claim(ordinal), Annotations: map[string]string{kube.AnnotationPeer: garbage},
	}}), names).Claim(context.Background(), ordinal)
	return err
}

func (a *apiServer) AnnotateClaim(_ context.Context, ordinal int, annotations map[string]*string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.away || a.readOnly {
		return errAway
	}
	a.writes++
	for key, value := range annotations {
		if value == nil {
			delete(a.claims[ordinal], key)
		} else {
			a.claims[ordinal][key] = *value
		}
	}
	return nil
}

// annotate is what tend, watch or a person would do.
func (a *apiServer) annotate(ordinal int, key, value string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.claims[ordinal] == nil {
		a.claims[ordinal] = map[string]string{}
	}
	a.claims[ordinal][key] = value
}

func (a *apiServer) unmark(ordinal int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.claims[ordinal], kube.AnnotationPeer)
}

func (a *apiServer) claim(ordinal int) kube.Claim {
	a.mu.Lock()
	defer a.mu.Unlock()
	return claimOf(ordinal, a.claims[ordinal])
}

func (a *apiServer) verdict(ordinal int) start.Verdict {
	return start.ParseAnnotation(a.claim(ordinal).Verdict).Verdict
}

func claimOf(ordinal int, annotations map[string]string) kube.Claim {
	claim := kube.Claim{Name: names.Claim(ordinal), Ordinal: ordinal, Verdict: annotations[kube.AnnotationVerdict]}
	claim.Starts, _ = strconv.Atoi(annotations[kube.AnnotationStarts])
	claim.Peer = peer(annotations[kube.AnnotationPeer])
	claim.Drained = peer(annotations[kube.AnnotationDrained])
	return claim
}

func peer(text string) clusterapi.PeerID {
	if text == kube.FoundingText {
		return kube.Founding
	}
	id, _ := strconv.ParseUint(text, 10, 64)
	return clusterapi.PeerID(id)
}

// nobody makes clients that nothing answers.
func nobody(t *testing.T) func(string) *clusterapi.Client {
	t.Helper()
	return func(pod string) *clusterapi.Client {
		return clusterapi.NewWithHTTP("http://"+pod, "", &http.Client{Transport: noNetwork{}})
	}
}

// What follows is for the sidecar.

func (a *apiServer) Pod(_ context.Context, name string) (kube.Pod, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return kube.Pod{Name: name, OwnerUID: "s", Ready: true, Deleting: a.deleting[name]}, nil
}

func (a *apiServer) Holder(context.Context) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.holder, nil
}

func (a *apiServer) Take(_ context.Context, who string, _ time.Duration) (bool, string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.holder == "" {
		a.holder = who
	}
	return a.holder == who, a.holder, nil
}

func (a *apiServer) Release(_ context.Context, who string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.holder == who {
		a.holder = ""
	}
	return nil
}

func (a *apiServer) remove(pod string, deleting bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deleting[pod] = deleting
}
