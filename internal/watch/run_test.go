package watch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/qdrant-shepherd/shepherd/internal/kube"
	"github.com/qdrant-shepherd/shepherd/internal/qdrant"
	"github.com/qdrant-shepherd/shepherd/pkg/qdranttest"
)

// soon bounds what takes a few looks.
const soon = 10 * time.Second

// apiServer stands for the API server: a StatefulSet, its pods and claims, and the stop permit.
type apiServer struct {
	mu       sync.Mutex
	set      kube.StatefulSet
	deleting map[string]bool
	claims   map[int]map[string]string
	away     bool
	holder   string
	until    time.Time
	noPermit bool
	denies   bool
	claimErr map[int]error
}

func newAPIServer(replicas int) *apiServer {
	return &apiServer{set: kube.StatefulSet{UID: "s1", Replicas: replicas}, deleting: map[string]bool{}, claims: map[int]map[string]string{}}
}

var errAway = errors.New("connection refused")

func (a *apiServer) change(change func(*apiServer)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(a)
}

func (a *apiServer) refuses() error {
	switch {
	case a.denies:
		return apierrors.NewForbidden(schema.GroupResource{Resource: "statefulsets"}, "q", errors.New("no role"))
	case a.away:
		return errAway
	default:
		return nil
	}
}

func (a *apiServer) StatefulSet(context.Context) (kube.StatefulSet, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.set, a.refuses()
}

func (a *apiServer) Pod(_ context.Context, name string) (kube.Pod, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return kube.Pod{Name: name, OwnerUID: "s1", Deleting: a.deleting[name]}, a.refuses()
}

func (a *apiServer) Claim(_ context.Context, ordinal int) (kube.Claim, bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.claimErr[ordinal] != nil {
		return kube.Claim{}, true, a.claimErr[ordinal]
	}
	return a.claimLocked(ordinal), true, a.refuses()
}

func (a *apiServer) claimLocked(ordinal int) kube.Claim {
	parse := func(key string) (id qdrant.PeerID) {
		_, _ = fmt.Sscan(strings.Replace(a.claims[ordinal][key], kube.FoundingText, "1", 1), &id)
		return id
	}
	return kube.Claim{Ordinal: ordinal, Peer: parse(kube.AnnotationPeer), Drained: parse(kube.AnnotationDrained), Verdict: a.claims[ordinal][kube.AnnotationVerdict]}
}

func (a *apiServer) claim(ordinal int) kube.Claim {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.claimLocked(ordinal)
}

func (a *apiServer) AnnotateClaim(_ context.Context, ordinal int, annotations map[string]*string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.claims[ordinal] == nil {
		a.claims[ordinal] = map[string]string{}
	}
	for key, value := range annotations {
		if value == nil {
			delete(a.claims[ordinal], key)
		} else {
			a.claims[ordinal][key] = *value
		}
	}
	return a.refuses()
}

func (a *apiServer) Holder(context.Context) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Now().After(a.until) {
		return "", a.refuses()
	}
	return a.holder, a.refuses()
}

func (a *apiServer) Take(ctx context.Context, who string, lasting time.Duration) (bool, string, error) {
	holder, err := a.Holder(ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil || a.noPermit {
		return false, "", errAway
	}
	if holder != "" && holder != who {
		return false, holder, nil
	}
	a.holder, a.until = who, time.Now().Add(lasting)
	return true, who, nil
}

func (a *apiServer) Release(_ context.Context, who string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.holder == who {
		a.holder = ""
	}
	return a.refuses()
}

func (a *apiServer) holds() string {
	holder, _ := a.Holder(context.Background())
	return holder
}

// sidecar is a watcher with its loop running.
type sidecar struct {
	*watcher
	url string
	log *lockedBuffer
	end func()
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

func newSidecar(t *testing.T, c *qdranttest.Cluster, api *apiServer, ordinal int, edits ...func(*Options)) *sidecar {
	t.Helper()
	log := &lockedBuffer{}
	o := Options{
		Names: names, Pod: names.Pod(ordinal), Kubernetes: api, Permit: api, Shared: t.TempDir(), Storage: t.TempDir(),
		Client: func(pod string) *qdrant.Client {
			for _, s := range c.Servers() {
				if s.Name() == pod && s.Running() {
					return qdrant.New(s.URL(), "")
				}
			}
			return qdrant.New("http://127.0.0.1:1", "")
		},
		MinHold: 10 * time.Millisecond, APIWait: 50 * time.Millisecond,
		Interval: 5 * time.Millisecond, PeersInterval: 5 * time.Millisecond, IdleInterval: 10 * time.Millisecond, AskTimeout: time.Second,
		Log: slog.New(slog.NewTextHandler(log, nil)),
	}
	for _, edit := range edits {
		edit(&o)
	}
	w, err := newWatcher(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	web := httptest.NewServer(w.handler())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			w.look(ctx)
			w.chores(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(o.Interval):
			}
		}
	}()
	s := &sidecar{watcher: w, url: web.URL, log: log, end: sync.OnceFunc(func() {
		cancel()
		<-ended
		web.Close()
	})}
	t.Cleanup(s.end)
	return s
}

func (s *sidecar) get(ctx context.Context, path string) (int, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return 0, "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

func (s *sidecar) awaitReady(t *testing.T, ready bool) {
	t.Helper()
	want := http.StatusServiceUnavailable
	if ready {
		want = http.StatusOK
	}
	require.EventuallyWithT(t, func(ct *assert.CollectT) {
		status, text, err := s.get(t.Context(), "/ready")
		assert.NoError(ct, err)
		assert.Equal(ct, want, status, text)
	}, soon, time.Millisecond)
}

// stop asks to stop, and returns a channel for the answer.
func (s *sidecar) stop(ctx context.Context) <-chan string {
	answer := make(chan string, 1)
	go func() {
		_, text, err := s.get(ctx, "/stop")
		if err != nil {
			text = err.Error()
		}
		answer <- text
	}()
	return answer
}

// awaitHold returns when the stop is held for the reason.
func (s *sidecar) awaitHold(t *testing.T, reason Reason) {
	t.Helper()
	require.Eventually(t, func() bool {
		return testutil.CollectAndCount(s.metrics.waiting) == 1 && testutil.ToFloat64(s.metrics.waiting.WithLabelValues(string(reason))) == 1
	}, soon, time.Millisecond, "held for %s; log:\n%s", reason, s.log)
}

func await(t *testing.T, answer <-chan string, part string) {
	t.Helper()
	select {
	case text := <-answer:
		assert.Contains(t, text, part)
	case <-time.After(soon):
		t.Fatal("the stop is still held, and should not be")
	}
}

func stillHeld(t *testing.T, answer <-chan string) {
	t.Helper()
	select {
	case text := <-answer:
		t.Fatalf("the stop was let go: %s", text)
	case <-time.After(50 * time.Millisecond):
	}
}

func newCluster(t *testing.T, n int) *qdranttest.Cluster {
	t.Helper()
	c := qdranttest.Start(t, n, qdranttest.Options{})
	c.CreateCollection("c", 2*n, min(2, n))
	return c
}

// TestAllPodsDeletedAtOnce: deleting all pods comes to a rolling restart.
func TestAllPodsDeletedAtOnce(t *testing.T) {
	t.Parallel()
	c, api := newCluster(t, 3), newAPIServer(3)
	var pods []*sidecar
	for ordinal := range 3 {
		pods = append(pods, newSidecar(t, c, api, ordinal))
	}
	for _, p := range pods {
		p.awaitReady(t, true)
	}
	type stopped struct {
		ordinal int
		why     string
	}
	answers := make(chan stopped, 3)
	for ordinal, p := range pods {
		api.change(func(a *apiServer) { a.deleting[names.Pod(ordinal)] = true })
		answer := p.stop(t.Context())
		go func() { answers <- stopped{ordinal, <-answer} }()
	}
	for left := 3; left > 0; left-- {
		var s stopped
		select {
		case s = <-answers:
		case <-time.After(soon):
			t.Fatalf("%d pods are held for ever", left)
		}
		assert.Contains(t, s.why, "this pod holds the stop permit")
		pods[s.ordinal].end()
		c.Server(s.ordinal).Stop()
		select {
		case another := <-answers:
			t.Fatalf("pod %d was let go while pod %d is down", another.ordinal, s.ordinal)
		case <-time.After(50 * time.Millisecond):
		}
		api.change(func(a *apiServer) { a.deleting[names.Pod(s.ordinal)] = false })
		require.NoError(t, c.Server(s.ordinal).Start())
		newSidecar(t, c, api, s.ordinal).awaitReady(t, true)
	}
	require.Eventually(t, func() bool { return api.holds() == "" }, soon, time.Millisecond, "the last one gives the permit back too")
}

func TestStopWaitsForAnotherPod(t *testing.T) {
	t.Parallel()
	c, api := newCluster(t, 3), newAPIServer(3)
	p := newSidecar(t, c, api, 1)
	p.awaitReady(t, true)
	c.Server(2).Stop()
	api.change(func(a *apiServer) { a.deleting["q-1"] = true })
	answer := p.stop(t.Context())
	p.awaitHold(t, ForShards)
	assert.Empty(t, api.holds(), "whoever can't use the permit does not take it")
	assert.Contains(t, p.log.String(), "no other Active replica")
	require.NoError(t, c.Server(2).Start())
	await(t, answer, "permit")
	assert.Equal(t, "q-1", api.holds())
	assert.InDelta(t, 1, testutil.ToFloat64(p.metrics.released.WithLabelValues(string(Permitted))), 0)
	assert.Zero(t, testutil.CollectAndCount(p.metrics.waiting))
	// The pod is still ready, and being deleted: the permit must stay until it is back.
	stays := time.After(50 * time.Millisecond)
	for waiting := true; waiting; {
		select {
		case <-stays:
			waiting = false
		case <-time.After(time.Millisecond):
			require.Equal(t, "q-1", api.holds())
		}
	}
	// So it does when the sidecar alone is restarted.
	p.end()
	api.change(func(a *apiServer) { a.claims[1] = map[string]string{kube.AnnotationPeer: kube.FoundingText} })
	again := newSidecar(t, c, api, 1, func(o *Options) { o.Shared = p.options.Shared })
	again.awaitReady(t, true)
	require.Eventually(t, func() bool { return api.claim(1).Peer == qdrant.PeerID(c.Server(1).ID()) }, soon, time.Millisecond, "its chores are done")
	require.Equal(t, "q-1", api.holds())
}

func TestPermitOfADeadPodRunsOut(t *testing.T) {
	t.Parallel()
	c, api := newCluster(t, 3), newAPIServer(3)
	p := newSidecar(t, c, api, 1)
	p.awaitReady(t, true)
	taken, _, err := api.Take(t.Context(), "q-0", time.Hour)
	require.NoError(t, err)
	require.True(t, taken)
	api.change(func(a *apiServer) { a.deleting["q-1"] = true })
	answer := p.stop(t.Context())
	p.awaitHold(t, ForPermit)
	assert.Contains(t, p.log.String(), "which q-0 holds")
	stillHeld(t, answer)
	api.change(func(a *apiServer) { a.until = time.Now() })
	await(t, answer, "permit")
}

func TestNobodyWaitsForTheAnswer(t *testing.T) {
	t.Parallel()
	c, api := newCluster(t, 3), newAPIServer(3)
	p := newSidecar(t, c, api, 1, func(o *Options) { o.MinHold = time.Hour })
	p.awaitReady(t, true)
	api.change(func(a *apiServer) { a.deleting["q-1"] = true })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p.stop(ctx)
	p.awaitHold(t, ForMinHold)
	require.Equal(t, "q-1", api.holds())
	cancel()
	require.Eventually(t, func() bool { return api.holds() == "" }, soon, time.Millisecond, "it gives the permit back")
	require.Eventually(t, func() bool { return testutil.ToFloat64(p.metrics.stopWait) == 0 }, soon, time.Millisecond)
	assert.Zero(t, testutil.ToFloat64(p.metrics.released.WithLabelValues(string(Permitted))))
}

func TestLeaving(t *testing.T) {
	t.Parallel()
	c, api := newCluster(t, 3), newAPIServer(3)
	p := newSidecar(t, c, api, 2)
	p.awaitReady(t, true)
	api.change(func(a *apiServer) { a.deleting["q-2"], a.set.Replicas = true, 2 })
	answer := p.stop(t.Context())
	p.awaitHold(t, ForDrain)
	stillHeld(t, answer)

	t.Run("turned round", func(t *testing.T) {
		c.Server(0).Stop()
		api.change(func(a *apiServer) { a.set.Replicas = 3 })
		p.awaitHold(t, ForShards)
		require.NoError(t, c.Server(0).Start())
	})
	await(t, answer, "permit")

	// The same pod, come back, leaves after all.
	require.NoError(t, api.Release(t.Context(), "q-2"))
	api.change(func(a *apiServer) { a.set.Replicas = 2 })
	answer = p.stop(t.Context())
	p.awaitHold(t, ForDrain)
	for shard := range uint32(6) {
		c.Place("c", shard, 0, 1)
	}
	stillHeld(t, answer) // without shards, and still a voter
	require.NoError(t, p.options.Client("q-0").RemovePeer(t.Context(), qdrant.PeerID(c.Server(2).ID())))
	await(t, answer, "no peer of this pod is in the cluster")
	p.awaitReady(t, false)
	assert.Empty(t, api.holds(), "a pod that leaves needs no permit")
}

func TestReleasedAtOnce(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*apiServer){
		"not being deleted": func(a *apiServer) { a.deleting["q-0"] = false },
		"at 0 replicas":     func(a *apiServer) { a.set.Replicas = 0 },
		"is gone":           func(a *apiServer) { a.set = kube.StatefulSet{Gone: true} },
		"namespace":         func(a *apiServer) { a.set.NamespaceEnding = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, api := newCluster(t, 2), newAPIServer(2)
			c.Server(1).Stop() // nothing is well, and nobody waits for it
			p := newSidecar(t, c, api, 0, func(o *Options) { o.MinHold = time.Hour })
			api.change(func(a *apiServer) { a.deleting["q-0"] = true; change(a) })
			await(t, p.stop(t.Context()), name)
		})
	}
}

func TestServerAway(t *testing.T) {
	t.Parallel()
	c, api := newCluster(t, 3), newAPIServer(3)
	p := newSidecar(t, c, api, 0)
	p.awaitReady(t, true)
	c.Server(0).Stop()
	p.awaitReady(t, false)
	api.change(func(a *apiServer) { a.deleting["q-0"] = true })
	await(t, p.stop(t.Context()), "nothing accepts connections")
	assert.NotZero(t, testutil.ToFloat64(p.metrics.errors.WithLabelValues("qdrant")))
	// The look that the end cut short has an error of its own.
	assert.LessOrEqual(t, strings.Count(p.log.String(), `msg="a look failed"`), 2, "one clear line, not one a look: %s", p.log)
	require.NoError(t, c.Server(0).Start())
	p.awaitReady(t, true)
}

func TestAPIServerAway(t *testing.T) {
	t.Parallel()
	t.Run("a stop goes by the cluster alone", func(t *testing.T) {
		t.Parallel()
		c, api := newCluster(t, 3), newAPIServer(3)
		api.away = true
		p := newSidecar(t, c, api, 0)
		p.awaitReady(t, true)
		c.Server(1).Stop()
		answer := p.stop(t.Context())
		p.awaitHold(t, ForKubernetes)
		p.awaitHold(t, ForShards)
		require.NoError(t, c.Server(1).Start())
		await(t, answer, "API server does not answer")
		assert.NotZero(t, testutil.ToFloat64(p.metrics.errors.WithLabelValues("kubernetes")))
	})
	t.Run("also when only the permit is refused", func(t *testing.T) {
		t.Parallel()
		c, api := newCluster(t, 3), newAPIServer(3)
		api.noPermit = true
		api.deleting["q-0"] = true
		p := newSidecar(t, c, api, 0)
		p.awaitReady(t, true)
		answer := p.stop(t.Context())
		p.awaitHold(t, ForPermit)
		await(t, answer, "API server does not answer")
	})
	t.Run("a hold ends all the same", func(t *testing.T) {
		t.Parallel()
		c, api := newCluster(t, 2), newAPIServer(2)
		api.deleting["q-1"], api.set.Replicas = true, 1
		p := newSidecar(t, c, api, 1, func(o *Options) { o.Grace = StopTime + 200*time.Millisecond })
		p.awaitReady(t, true)
		await(t, p.stop(t.Context()), "the grace period ends")
		assert.InDelta(t, 1, testutil.ToFloat64(p.metrics.released.WithLabelValues(string(GraceEnds))), 0)
	})
}

// TestAPIServerAwayInADrain: what is known of a stop stays known while nobody can be asked.
func TestAPIServerAwayInADrain(t *testing.T) {
	t.Parallel()
	c, api := newCluster(t, 2), newAPIServer(2)
	for shard := range uint32(4) {
		c.Place("c", shard, 1)
	}
	c.SetReplicationFactor("c", 1) // all of it would go, by the rule of a restart
	p := newSidecar(t, c, api, 1, func(o *Options) { o.MaxWait = 100 * time.Millisecond })
	p.awaitReady(t, true)
	api.change(func(a *apiServer) { a.deleting["q-1"], a.set.Replicas = true, 1 })
	answer := p.stop(t.Context())
	p.awaitHold(t, ForDrain)
	api.change(func(a *apiServer) { a.away = true })
	require.Eventually(t, func() bool { return testutil.ToFloat64(p.metrics.errors.WithLabelValues("kubernetes")) > 20 }, soon, time.Millisecond)
	stillHeld(t, answer)
	require.Greater(t, testutil.ToFloat64(p.metrics.stopWait), 0.1, "longer than MaxWait and APIWait")
	api.change(func(a *apiServer) {
		a.away = false
		a.claims[1] = map[string]string{kube.AnnotationDrained: fmt.Sprint(c.Server(1).ID())}
	})
	await(t, answer, "was drained")
}

func TestAPIServerRefuses(t *testing.T) {
	t.Parallel()
	c, api := newCluster(t, 3), newAPIServer(3)
	c.Server(1).Stop()
	api.deleting["q-0"] = true
	p := newSidecar(t, c, api, 0, func(o *Options) { o.APIWait = 200 * time.Millisecond })
	api.away = true
	answer := p.stop(t.Context())
	p.awaitHold(t, ForShards) // it has been away for APIWait
	require.Eventually(t, func() bool { return testutil.ToFloat64(p.metrics.stopWait) > 0.4 }, soon, time.Millisecond)
	began := time.Now()
	api.change(func(a *apiServer) { a.away, a.denies = false, true })
	await(t, answer, "has refused to answer")
	assert.GreaterOrEqual(t, time.Since(began), 400*time.Millisecond, "one answer is no proof of a role that is gone")
}

// TestPermitThatCouldNotBeHadOnce: what the API server once failed at says nothing of now.
func TestPermitThatCouldNotBeHadOnce(t *testing.T) {
	t.Parallel()
	c, api := newCluster(t, 3), newAPIServer(3)
	api.noPermit, api.deleting["q-0"] = true, true
	p := newSidecar(t, c, api, 0, func(o *Options) { o.APIWait = time.Second })
	p.awaitReady(t, true)
	answer := p.stop(t.Context())
	p.awaitHold(t, ForPermit)
	c.Server(1).Stop()
	p.awaitHold(t, ForShards)
	require.Eventually(t, func() bool { return testutil.ToFloat64(p.metrics.stopWait) > 1.5 }, soon, time.Millisecond)
	require.NoError(t, c.Server(1).Start())
	p.awaitHold(t, ForPermit)
	stillHeld(t, answer)
	api.change(func(a *apiServer) { a.noPermit = false })
	await(t, answer, "holds the stop permit")
}

// TestPermitIsAskedForOnceMore: before a stop goes without the permit.
func TestPermitIsAskedForOnceMore(t *testing.T) {
	t.Parallel()
	c, api := newCluster(t, 3), newAPIServer(3)
	api.noPermit, api.deleting["q-0"] = true, true
	p := newSidecar(t, c, api, 0, func(o *Options) { o.PeersInterval = 500 * time.Millisecond })
	p.awaitReady(t, true)
	answer := p.stop(t.Context())
	p.awaitHold(t, ForPermit)
	api.change(func(a *apiServer) { a.noPermit, a.holder, a.until = false, "q-2", time.Now().Add(time.Hour) })
	require.Eventually(t, func() bool { return strings.Contains(p.log.String(), "which q-2 holds") }, soon, time.Millisecond)
	stillHeld(t, answer)
	require.NoError(t, api.Release(t.Context(), "q-2"))
	await(t, answer, "holds the stop permit")
}

// TestStopsWithoutAPIServerGoOneByOne: all pods are deleted, and nobody can have the permit.
func TestStopsWithoutAPIServerGoOneByOne(t *testing.T) {
	t.Parallel()
	c, api := newCluster(t, 3), newAPIServer(3)
	api.away = true
	var pods []*sidecar
	var answers []<-chan string
	for ordinal := range 3 {
		pods = append(pods, newSidecar(t, c, api, ordinal, func(o *Options) { o.APIWait = 300 * time.Millisecond }))
	}
	for _, p := range pods {
		p.awaitReady(t, true)
	}
	for _, p := range pods {
		answers = append(answers, p.stop(t.Context()))
	}
	await(t, answers[0], "can't be had")
	c.Server(0).Stop()
	for ordinal, p := range pods[1:] {
		p.awaitHold(t, ForShards)
		require.Eventually(t, func() bool { return testutil.ToFloat64(p.metrics.stopWait) > 1.2 }, soon, time.Millisecond)
		stillHeld(t, answers[1+ordinal])
	}
	require.NoError(t, c.Server(0).Start())
	require.Eventually(t, func() bool { return len(answers[1]) > 0 || len(answers[2]) > 0 }, soon, time.Millisecond)
}

// TestPermitIsAskedForAlsoWhenNothingElseAnswers: the permit alone says who may go.
func TestPermitIsAskedForAlsoWhenNothingElseAnswers(t *testing.T) {
	t.Parallel()
	c, api := newCluster(t, 3), newAPIServer(3)
	api.claimErr = map[int]error{0: errAway}
	api.deleting["q-0"] = true
	_, _, err := api.Take(t.Context(), "q-2", time.Hour)
	require.NoError(t, err)
	p := newSidecar(t, c, api, 0)
	p.awaitReady(t, true)
	answer := p.stop(t.Context())
	p.awaitHold(t, ForPermit)
	require.Eventually(t, func() bool { return testutil.ToFloat64(p.metrics.stopWait) > 0.2 }, soon, time.Millisecond)
	stillHeld(t, answer)
	require.NoError(t, api.Release(t.Context(), "q-2"))
	await(t, answer, "holds the stop permit")
}

func TestUnreadableClaims(t *testing.T) {
	t.Parallel()
	_, _, unreadable := kube.New(fake.NewClientset(&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Namespace: names.Namespace, Name: names.Claim(0), Annotations: map[string]string{kube.AnnotationPeer: "garbage"},
	}}), names).Claim(t.Context(), 0)
	require.Error(t, unreadable)
	c, api := newCluster(t, 3), newAPIServer(3)
	api.claimErr = map[int]error{0: unreadable, 1: unreadable}
	api.deleting["q-1"], api.deleting["q-2"] = true, true
	p := newSidecar(t, c, api, 2)
	p.awaitReady(t, true)
	await(t, p.stop(t.Context()), "holds the stop permit")
	assert.NotContains(t, p.log.String(), "no peer id", "the claims of others are no matter")
	require.NoError(t, api.Release(t.Context(), "q-2"))

	own := newSidecar(t, c, api, 1)
	own.awaitReady(t, true)
	api.change(func(a *apiServer) { a.set.Replicas = 0 })
	await(t, own.stop(t.Context()), "at 0 replicas") // the API server is not away
	assert.Contains(t, own.log.String(), "no peer id")
}

// TestServerThatRefusesToAnswerServes: a key that is wrong here may be right elsewhere.
func TestServerThatRefusesToAnswerServes(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*qdranttest.Server){
		"401":  func(s *qdranttest.Server) { s.SetAPIKey("another") },
		"500":  func(s *qdranttest.Server) { s.Fail(http.MethodGet, "/cluster", http.StatusInternalServerError, "no") },
		"hang": func(s *qdranttest.Server) { s.Hang() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, api := newCluster(t, 3), newAPIServer(3)
			p := newSidecar(t, c, api, 0, func(o *Options) { o.AskTimeout, o.MaxWait = 50*time.Millisecond, 500*time.Millisecond })
			p.awaitReady(t, true)
			c.Server(1).Stop()
			fault(c.Server(0))
			p.awaitReady(t, false)
			api.change(func(a *apiServer) { a.deleting["q-0"] = true })
			answer := p.stop(t.Context())
			p.awaitHold(t, ForShards)
			stillHeld(t, answer)
			await(t, answer, "held for as long as is allowed")
		})
	}
}

// TestASecondStopAfterTheFirst: a server that hangs while it stops is deleted once more, with less time, and the hook is called again.
func TestASecondStopAfterTheFirst(t *testing.T) {
	t.Parallel()
	c, api := newCluster(t, 2), newAPIServer(2)
	api.deleting["q-1"], api.set.Replicas = true, 1
	p := newSidecar(t, c, api, 1, func(o *Options) { o.Grace, o.MinHold = StopTime+300*time.Millisecond, 200*time.Millisecond })
	p.awaitReady(t, true)
	await(t, p.stop(t.Context()), "the grace period ends")
	c.Server(1).Stop() // its shards are still counted on: without the first answer the second would be held
	require.Eventually(t, func() bool { seen, _ := p.seen(); return seen.self.Down() }, soon, time.Millisecond)
	began := time.Now()
	await(t, p.stop(t.Context()), "let go before")
	assert.Less(t, time.Since(began), 200*time.Millisecond, "there are no clients who have to hear of it")
}

func TestAdoptedClaimsAreLeftToTend(t *testing.T) {
	t.Parallel()
	c, api := newCluster(t, 3), newAPIServer(3)
	p := newSidecar(t, c, api, 0)
	_, _, err := api.Take(t.Context(), "q-0", time.Hour)
	require.NoError(t, err)
	p.awaitReady(t, true)
	require.Eventually(t, func() bool { return api.holds() == "" }, soon, time.Millisecond, "its chores are done")
	assert.Empty(t, api.claim(0).Peer)
}

func TestChores(t *testing.T) {
	t.Parallel()
	c, api := newCluster(t, 3), newAPIServer(3)
	api.claims[0] = map[string]string{kube.AnnotationPeer: kube.FoundingText, kube.AnnotationVerdict: "wait-peers: …", kube.AnnotationDrained: "77"}
	api.claims[1] = map[string]string{kube.AnnotationPeer: "77"}
	_, _, err := api.Take(t.Context(), "q-0", time.Hour)
	require.NoError(t, err)
	newSidecar(t, c, api, 0)
	require.Eventually(t, func() bool {
		return api.claim(0) == kube.Claim{Peer: qdrant.PeerID(c.Server(0).ID())} && api.holds() == ""
	}, soon, time.Millisecond)

	p := newSidecar(t, c, api, 1)
	require.Eventually(t, func() bool { return strings.Contains(p.log.String(), "belongs to peer 77") }, soon, time.Millisecond)
	p.awaitReady(t, true)
	assert.EqualValues(t, 77, api.claim(1).Peer, "the id of another peer is never overwritten")
}

func TestRun(t *testing.T) {
	t.Parallel()
	c, api := newCluster(t, 1), newAPIServer(1)
	free := func() string {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer func() { _ = listener.Close() }()
		return listener.Addr().String()
	}
	o := Options{
		Names: names, Pod: "q-0", Kubernetes: api, Permit: api, Shared: t.TempDir(), Storage: t.TempDir(), Listen: free(), MetricsListen: free(),
		Client: func(string) *qdrant.Client { return qdrant.New(c.Server(0).URL(), "") }, Interval: 5 * time.Millisecond,
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, o) }()
	ask := func(address, path string) string {
		s := &sidecar{url: "http://" + address}
		status, text, err := s.get(t.Context(), path)
		return fmt.Sprint(status, " ", text, " ", err)
	}
	require.Eventually(t, func() bool { return strings.HasPrefix(ask(o.Listen, "/ready"), "200 whole") }, soon, 5*time.Millisecond)
	assert.Contains(t, ask(o.Listen, "/healthz"), "200")
	assert.Contains(t, ask(o.Listen, "/metrics"), "404")
	text := ask(o.MetricsListen, "/metrics")
	for _, metric := range []string{
		"shepherd_pod_ready 1", "shepherd_ready_wait_seconds 0", "shepherd_stop_wait_seconds 0", `shepherd_stops_released_total{reason="max_wait"} 0`,
		`shepherd_observation_errors_total{target="kubernetes"} 0`, "shepherd_last_observation_timestamp_seconds ",
	} {
		assert.Contains(t, text, metric)
	}
	require.ErrorContains(t, Run(t.Context(), o), "listening on "+o.Listen)
	cancel()
	require.NoError(t, <-ended)
	o.Pod = "other"
	require.ErrorContains(t, Run(t.Context(), o), "reading the ordinal")
}
