package tend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/qdranttest"
	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/plan"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/topology"
)

// Bounds of a test in a bubble, whose time passes only while everything waits. They depend on no machine.
const (
	waitFor = time.Minute
	poll    = 5 * time.Millisecond
	// stepEvery is how often the servers take a step.
	stepEvery = time.Millisecond
	// several looks are many times those that a confirmation takes.
	several = 20
)

// inBubble runs a subtest with a clock of its own. What runs in it reaches servers by function calls: a network would stop that clock.
func inBubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, test)
	})
}

// fixture is a release: a cluster of servers and what Kubernetes says of it, with the kubelet's and the StatefulSet controller's part
// played by the test.
type fixture struct {
	t        *testing.T
	cluster  *qdranttest.Cluster
	registry *prometheus.Registry

	mu      sync.Mutex
	set     kube.StatefulSet
	pods    map[int]kube.Pod
	claims  map[int]kube.Claim
	state   map[string]string
	events  []string
	log     strings.Builder
	away    error
	changes int
	looks   int
}

// newFixture has n pods, each with a running server and a marked claim.
func newFixture(t *testing.T, n int, options qdranttest.Options) *fixture {
	t.Helper()
	if options.StepEvery == 0 {
		options.StepEvery = stepEvery
	}
	w := &fixture{
		t: t, cluster: qdranttest.Start(t, n, options), registry: prometheus.NewRegistry(),
		set:  kube.StatefulSet{UID: "set", Replicas: n},
		pods: map[int]kube.Pod{}, claims: map[int]kube.Claim{}, state: map[string]string{},
	}
	for _, s := range w.cluster.Servers() {
		w.appear(s)
	}
	return w
}

// appear has the pod of a server be Ready.
func (w *fixture) appear(s *qdranttest.Server) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pods[s.Ordinal()] = kube.Pod{
		Name: s.Name(), UID: fmt.Sprintf("pod-%d-%d", s.Ordinal(), s.ID()), Ordinal: s.Ordinal(), Ready: true, Created: time.Now(),
	}
	if _, found := w.claims[s.Ordinal()]; !found {
		w.claims[s.Ordinal()] = kube.Claim{Name: "qdrant-storage-" + s.Name(), Ordinal: s.Ordinal(), Peer: clusterapi.PeerID(s.ID())}
	}
}

// edit changes what Kubernetes says.
func (w *fixture) edit(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *fixture) scale(replicas int) { w.edit(func() { w.set.Replicas = replicas }) }

func (w *fixture) id(ordinal int) clusterapi.PeerID {
	return clusterapi.PeerID(w.cluster.Server(ordinal).ID())
}

func (w *fixture) claim(ordinal int) kube.Claim {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.claims[ordinal]
}

func (w *fixture) told(part string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.events, func(event string) bool { return strings.Contains(event, part) })
}

// kept is what the ConfigMap has under a key.
func (w *fixture) kept(key string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state[key]
}

func (w *fixture) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

func (w *fixture) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(line)
}

// counted is what a loop reads of the fixture: its looks are counted.
type counted struct{ *fixture }

func (c counted) StatefulSet(ctx context.Context) (kube.StatefulSet, error) {
	set, err := c.fixture.StatefulSet(ctx)
	if err != nil {
		c.edit(func() { c.looks++ }) // the look ends here
	}
	return set, err
}

func (c counted) Pods(ctx context.Context) ([]kube.Pod, error) {
	c.edit(func() { c.looks++ })
	return c.fixture.Pods(ctx)
}

func (w *fixture) looked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.looks
}

func (w *fixture) StatefulSet(context.Context) (kube.StatefulSet, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.set, w.away
}

func (w *fixture) Pods(context.Context) ([]kube.Pod, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Values(w.pods)), w.away
}

func (w *fixture) Claims(_ context.Context, upTo int) ([]kube.Claim, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var claims []kube.Claim
	for _, ordinal := range slices.Sorted(maps.Keys(w.claims)) {
		if ordinal < upTo {
			claims = append(claims, w.claims[ordinal])
		}
	}
	return claims, w.away
}

func (w *fixture) AnnotateClaim(_ context.Context, ordinal int, annotations map[string]*string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	claim, found := w.claims[ordinal]
	if !found {
		return fmt.Errorf("no claim of ordinal %d", ordinal)
	}
	w.changes++
	for key, value := range annotations {
		id := clusterapi.PeerID(0)
		if value != nil {
			if _, err := fmt.Sscan(*value, &id); err != nil {
				return err
			}
		}
		switch key {
		case kube.AnnotationPeer:
			claim.Peer = id
		case kube.AnnotationDrained:
			claim.Drained = id
		default:
			return fmt.Errorf("annotation %s is not tend's", key)
		}
	}
	w.claims[ordinal] = claim
	return nil
}

func (w *fixture) DeletePod(_ context.Context, name, uid string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ordinal, pod := range w.pods {
		if pod.Name == name && pod.UID == uid {
			w.changes++
			delete(w.pods, ordinal)
			return nil
		}
	}
	return fmt.Errorf("no pod %s of uid %s", name, uid)
}

func (w *fixture) State(context.Context) (map[string]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.state), w.away
}

func (w *fixture) UpdateState(_ context.Context, change func(map[string]string)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away != nil {
		return w.away
	}
	w.changes++
	change(w.state)
	return nil
}

func (w *fixture) Event(_ context.Context, _ bool, reason, message string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, reason+": "+message)
	return nil
}

func (w *fixture) options() Options {
	return Options{
		Kubernetes: counted{w}, Store: w, Events: w,
		Peer:     w.peer,
		Pod:      func(ordinal int) string { return fmt.Sprintf("q-%d", ordinal) },
		Settings: Settings{Strategy: plan.Count, Limit: 1},
		Interval: 10 * time.Millisecond, Fast: 2 * time.Millisecond, Timeout: time.Second,
		Backoff: 2 * time.Millisecond, MaxBackoff: 20 * time.Millisecond,
		Registerer: w.registry,
		Log:        slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

func (w *fixture) peer(pod string) Peer {
	for _, s := range w.cluster.Servers() {
		if s.Name() == pod {
			return clusterapi.NewWithHTTP("http://"+pod, "", s.Client())
		}
	}
	return nobody{}
}

// nobody is the server of a pod that there is not.
type nobody struct{ Peer }

var errNobody = errors.New("no such host")

func (nobody) Cluster(context.Context) (clusterapi.Cluster, error) {
	return clusterapi.Cluster{}, errNobody
}
func (nobody) State(context.Context) (clusterapi.State, error) { return clusterapi.State{}, errNobody }

// run tends until the returned function is called, which waits for the end.
func (w *fixture) run(options Options) (stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, options) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(w.t, <-ended)
	})
	w.t.Cleanup(func() {
		stop()
		if w.t.Failed() {
			w.t.Log(w.logged())
		}
	})
	return stop
}

// eventually waits for a condition.
func (w *fixture) eventually(what string, condition func() bool) {
	w.t.Helper()
	for began := time.Now(); !condition(); <-time.After(poll) {
		if time.Since(began) > waitFor {
			require.Fail(w.t, "waited in vain: "+what)
		}
	}
}

// calm waits until the loop has looked several times and has changed nothing in the meantime.
func (w *fixture) calm() {
	w.t.Helper()
	changed := func() int { return len(w.cluster.Changes()) }
	before, since := changed(), w.looked()
	w.eventually("nothing more changes", func() bool {
		if now := changed(); now != before {
			before, since = now, w.looked()
		}
		return w.looked()-since > several
	})
}

// whole reports whether all shards of the collection have this many copies, all Active, on the ordinals below the bound.
func (w *fixture) whole(collection string, shards, copies, below int) bool {
	for shard := range shards {
		states := w.cluster.States(collection, uint32(shard))
		if len(states) != copies {
			return false
		}
		for ordinal, state := range states {
			if state != "Active" || ordinal >= below {
				return false
			}
		}
	}
	return true
}

// picture is what is seen now.
func (w *fixture) picture() topology.Picture {
	w.t.Helper()
	facts, err := Gather(w.t.Context(), w, w, DefaultOrdinals)
	require.NoError(w.t, err)
	p, _ := topology.Observe(w.t.Context(), Targets(facts, w.options().Pod, w.peer), time.Second)
	return p
}

func (w *fixture) metric(name string, labels ...string) float64 {
	w.t.Helper()
	families, err := w.registry.Gather()
	require.NoError(w.t, err)
	for _, family := range families {
		if family.GetName() != "shepherd_"+name {
			continue
		}
	metrics:
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if !slices.Contains(labels, label.GetValue()) {
					continue metrics
				}
			}
			return m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return -1
}
