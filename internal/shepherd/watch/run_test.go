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
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/qdrant-shepherd/shepherd/client/qdranttest"
	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
)

// Most tests run in a bubble, whose time passes only while everything waits: what they say of time depends on no machine.
const (
	interval = 5 * time.Millisecond
	// soon bounds what takes a few looks, severalLooks is the time for many more of them than any decision takes.
	soon         = time.Minute
	severalLooks = 20 * interval
)

// inBubble runs a subtest with a clock of its own. What runs in it reaches servers by function calls: a network would stop that clock.
func inBubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, test)
	})
}

// eventually waits for a condition, by the bubble's clock.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for began := time.Now(); !condition(); <-time.After(time.Millisecond) {
		if time.Since(began) > soon {
			require.Fail(t, "waited in vain: "+what)
		}
	}
}

// noServer is the way to a pod whose server does not run.
type noServer struct{}

func (noServer) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
}

// apiServer stands for the API server: a StatefulSet, its pods and claims, and the stop permit.
type apiServer struct {
	mu       sync.Mutex
	set      kube.StatefulSet
	deleting map[string]bool
	unready  map[string]bool // pods that the kubelet has not called ready yet
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
	return kube.Pod{Name: name, OwnerUID: "s1", Ready: !a.unready[name], Deleting: a.deleting[name]}, a.refuses()
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
	parse := func(key string) (id clusterapi.PeerID) {
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
	web http.Handler
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
		Client: func(pod string) *clusterapi.Client {
			for _, s := range c.Servers() {
				if s.Name() == pod && s.Running() {
					return clusterapi.NewWithHTTP("http://"+pod, "", s.Client())
				}
			}
			return clusterapi.NewWithHTTP("http://"+pod, "", &http.Client{Transport: noServer{}})
		},
		MinHold: 10 * time.Millisecond, APIWait: 50 * time.Millisecond,
		Interval: interval, PeersInterval: interval, IdleInterval: 2 * interval, AskTimeout: time.Second,
		Log: slog.New(slog.NewTextHandler(log, nil)),
	}
	for _, edit := range edits {
		edit(&o)
	}
	w, err := newWatcher(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			w.look(ctx)
			w.doOnceTasks(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(o.Interval):
			}
		}
	}()
	s := &sidecar{watcher: w, web: w.handler(), log: log, end: sync.OnceFunc(func() {
		cancel()
		<-ended
	})}
	t.Cleanup(s.end)
	return s
}

// get asks the sidecar as its HTTP server would; who asks and goes away is a context that ends.
func (s *sidecar) get(ctx context.Context, path string) (int, string) {
	recorder := httptest.NewRecorder()
	s.web.ServeHTTP(recorder, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
	return recorder.Code, recorder.Body.String()
}

func (s *sidecar) awaitReady(t *testing.T, ready bool) {
	t.Helper()
	want := http.StatusServiceUnavailable
	if ready {
		want = http.StatusOK
	}
	eventually(t, fmt.Sprintf("%s answers %d", s.options.Pod, want), func() bool {
		status, _ := s.get(t.Context(), "/ready")
		return status == want
	})
}

// stop asks to stop, and returns a channel for the answer.
func (s *sidecar) stop(ctx context.Context) <-chan string {
	answer := make(chan string, 1)
	go func() {
		_, text := s.get(ctx, "/stop")
		answer <- text
	}()
	return answer
}

// awaitHold returns when the stop is held for the reason.
func (s *sidecar) awaitHold(t *testing.T, reason Reason) {
	t.Helper()
	eventually(t, fmt.Sprintf("held for %s", reason), func() bool {
		return testutil.CollectAndCount(s.metrics.waiting) == 1 && testutil.ToFloat64(s.metrics.waiting.WithLabelValues(string(reason))) == 1
	})
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

// stillHeld waits for several looks of the hold, at none of which the stop may be let go.
func (s *sidecar) stillHeld(t *testing.T, answer <-chan string) {
	t.Helper()
	select {
	case text := <-answer:
		t.Fatalf("the stop was let go: %s", text)
	case <-time.After(20 * s.options.PeersInterval):
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
	synctest.Test(t, func(t *testing.T) {
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
			case <-time.After(severalLooks):
			}
			api.change(func(a *apiServer) { a.deleting[names.Pod(s.ordinal)] = false })
			require.NoError(t, c.Server(s.ordinal).Start())
			newSidecar(t, c, api, s.ordinal).awaitReady(t, true)
		}
		eventually(t, "the last one gives the permit back too", func() bool { return api.holds() == "" })
	})
}

func TestStopWaitsForAnotherPod(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
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
		stays := time.After(severalLooks)
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
		eventually(t, "its tasks are done", func() bool { return api.claim(1).Peer == clusterapi.PeerID(c.Server(1).ID()) })
		<-time.After(severalLooks)
		require.Equal(t, "q-1", api.holds())
	})
}

func TestPermitOfADeadPodRunsOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
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
		p.stillHeld(t, answer)
		api.change(func(a *apiServer) { a.until = time.Now() })
		await(t, answer, "permit")
	})
}

func TestNobodyWaitsForTheAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
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
		eventually(t, "it gives the permit back", func() bool { return api.holds() == "" })
		eventually(t, "no stop is held", func() bool { return testutil.ToFloat64(p.metrics.stopWait) == 0 })
		assert.Zero(t, testutil.ToFloat64(p.metrics.released.WithLabelValues(string(Permitted))))
	})
}

func TestLeaving(t *testing.T) {
	t.Parallel()
	// leaving is a pod with shards whose stop is held because it leaves.
	leaving := func(t *testing.T) (*qdranttest.Cluster, *apiServer, *sidecar, <-chan string) {
		t.Helper()
		c, api := newCluster(t, 3), newAPIServer(3)
		p := newSidecar(t, c, api, 2)
		p.awaitReady(t, true)
		api.change(func(a *apiServer) { a.deleting["q-2"], a.set.Replicas = true, 2 })
		answer := p.stop(t.Context())
		p.awaitHold(t, ForDrain)
		p.stillHeld(t, answer)
		return c, api, p, answer
	}
	inBubble(t, "turned round", func(t *testing.T) {
		c, api, p, answer := leaving(t)
		c.Server(0).Stop()
		api.change(func(a *apiServer) { a.set.Replicas = 3 })
		p.awaitHold(t, ForShards)
		require.NoError(t, c.Server(0).Start())
		await(t, answer, "permit")

		// The same pod, come back, leaves after all.
		require.NoError(t, api.Release(t.Context(), "q-2"))
		api.change(func(a *apiServer) { a.set.Replicas = 2 })
		answer = p.stop(t.Context())
		p.awaitHold(t, ForDrain)
		p.stillHeld(t, answer)
	})
	inBubble(t, "drained", func(t *testing.T) {
		c, api, p, answer := leaving(t)
		for shard := range uint32(6) {
			c.Place("c", shard, 0, 1)
		}
		p.stillHeld(t, answer) // without shards, and still a voter
		require.NoError(t, p.options.Client("q-0").RemovePeer(t.Context(), clusterapi.PeerID(c.Server(2).ID())))
		await(t, answer, "no peer of this pod is in the cluster")
		p.awaitReady(t, false)
		assert.Empty(t, api.holds(), "a pod that leaves needs no permit")
	})
}

func TestReleasedAtOnce(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*apiServer){
		"not being deleted": func(a *apiServer) { a.deleting["q-0"] = false },
		"at 0 replicas":     func(a *apiServer) { a.set.Replicas = 0 },
		"is gone":           func(a *apiServer) { a.set = kube.StatefulSet{Gone: true} },
		"namespace":         func(a *apiServer) { a.set.NamespaceEnding = true },
	} {
		inBubble(t, name, func(t *testing.T) {
			c, api := newCluster(t, 2), newAPIServer(2)
			c.Server(1).Stop() // nothing is well, and nobody waits for it
			p := newSidecar(t, c, api, 0, func(o *Options) { o.MinHold = time.Hour })
			api.change(func(a *apiServer) { a.deleting["q-0"] = true; change(a) })
			began := time.Now()
			await(t, p.stop(t.Context()), name)
			assert.Zero(t, time.Since(began), "at once")
		})
	}
}

func TestServerAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
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
	})
}

func TestAPIServerAway(t *testing.T) {
	t.Parallel()
	inBubble(t, "a stop goes by the cluster alone", func(t *testing.T) {
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
	inBubble(t, "also when only the permit is refused", func(t *testing.T) {
		c, api := newCluster(t, 3), newAPIServer(3)
		api.noPermit = true
		api.deleting["q-0"] = true
		p := newSidecar(t, c, api, 0)
		p.awaitReady(t, true)
		answer := p.stop(t.Context())
		p.awaitHold(t, ForPermit)
		await(t, answer, "API server does not answer")
	})
	inBubble(t, "a hold ends all the same", func(t *testing.T) {
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
	synctest.Test(t, func(t *testing.T) {
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
		eventually(t, "the API server was asked many times", func() bool { return testutil.ToFloat64(p.metrics.errors.WithLabelValues("kubernetes")) > 20 })
		p.stillHeld(t, answer)
		require.Greater(t, testutil.ToFloat64(p.metrics.stopWait), 0.1, "longer than MaxWait and APIWait")
		api.change(func(a *apiServer) {
			a.away = false
			a.claims[1] = map[string]string{kube.AnnotationDrained: fmt.Sprint(c.Server(1).ID())}
		})
		await(t, answer, "was drained")
	})
}

func TestAPIServerRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, api := newCluster(t, 3), newAPIServer(3)
		c.Server(1).Stop()
		api.deleting["q-0"] = true
		p := newSidecar(t, c, api, 0, func(o *Options) { o.APIWait = 200 * time.Millisecond })
		api.away = true
		answer := p.stop(t.Context())
		p.awaitHold(t, ForShards) // it has been away for APIWait
		eventually(t, "the stop has been held for long", func() bool { return testutil.ToFloat64(p.metrics.stopWait) > 0.4 })
		began := time.Now()
		api.change(func(a *apiServer) { a.away, a.denies = false, true })
		await(t, answer, "has refused to answer")
		assert.GreaterOrEqual(t, time.Since(began), 400*time.Millisecond, "one answer is no proof of a role that is gone")
	})
}

// TestPermitThatCouldNotBeHadOnce: what the API server once failed at says nothing of now.
func TestPermitThatCouldNotBeHadOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, api := newCluster(t, 3), newAPIServer(3)
		api.noPermit, api.deleting["q-0"] = true, true
		p := newSidecar(t, c, api, 0, func(o *Options) { o.APIWait = time.Second })
		p.awaitReady(t, true)
		answer := p.stop(t.Context())
		p.awaitHold(t, ForPermit)
		c.Server(1).Stop()
		p.awaitHold(t, ForShards)
		eventually(t, "the stop has been held for long", func() bool { return testutil.ToFloat64(p.metrics.stopWait) > 1.5 })
		require.NoError(t, c.Server(1).Start())
		p.awaitHold(t, ForPermit)
		p.stillHeld(t, answer)
		api.change(func(a *apiServer) { a.noPermit = false })
		await(t, answer, "holds the stop permit")
	})
}

// TestPermitIsAskedForOnceMore: before a stop goes without the permit.
func TestPermitIsAskedForOnceMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, api := newCluster(t, 3), newAPIServer(3)
		api.noPermit, api.deleting["q-0"] = true, true
		p := newSidecar(t, c, api, 0, func(o *Options) { o.PeersInterval = 500 * time.Millisecond })
		p.awaitReady(t, true)
		answer := p.stop(t.Context())
		p.awaitHold(t, ForPermit)
		api.change(func(a *apiServer) { a.noPermit, a.holder, a.until = false, "q-2", time.Now().Add(time.Hour) })
		eventually(t, "another pod holds the permit", func() bool { return strings.Contains(p.log.String(), "which q-2 holds") })
		p.stillHeld(t, answer)
		require.NoError(t, api.Release(t.Context(), "q-2"))
		await(t, answer, "holds the stop permit")
	})
}

// TestStopsWithoutAPIServerGoOneByOne: all pods are deleted, and nobody can have the permit.
func TestStopsWithoutAPIServerGoOneByOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
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
			eventually(t, "the stop has been held for long", func() bool { return testutil.ToFloat64(p.metrics.stopWait) > 1.2 })
			p.stillHeld(t, answers[1+ordinal])
		}
		require.NoError(t, c.Server(0).Start())
		eventually(t, "another stop is let go", func() bool { return len(answers[1]) > 0 || len(answers[2]) > 0 })
	})
}

// TestPermitIsAskedForAlsoWhenNothingElseAnswers: the permit alone says who may go.
func TestPermitIsAskedForAlsoWhenNothingElseAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, api := newCluster(t, 3), newAPIServer(3)
		api.claimErr = map[int]error{0: errAway}
		api.deleting["q-0"] = true
		_, _, err := api.Take(t.Context(), "q-2", time.Hour)
		require.NoError(t, err)
		p := newSidecar(t, c, api, 0)
		p.awaitReady(t, true)
		answer := p.stop(t.Context())
		p.awaitHold(t, ForPermit)
		eventually(t, "the stop has been held for long", func() bool { return testutil.ToFloat64(p.metrics.stopWait) > 0.2 })
		p.stillHeld(t, answer)
		require.NoError(t, api.Release(t.Context(), "q-2"))
		await(t, answer, "holds the stop permit")
	})
}

func TestUnreadableClaims(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
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
	})
}

// TestServerThatRefusesToAnswerServes: a key that is wrong here may be right elsewhere.
func TestServerThatRefusesToAnswerServes(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*qdranttest.Server){
		"401":  func(s *qdranttest.Server) { s.SetAPIKey("another") },
		"500":  func(s *qdranttest.Server) { s.Fail(http.MethodGet, "/cluster", http.StatusInternalServerError, "no") },
		"hang": func(s *qdranttest.Server) { s.Hang() },
	} {
		inBubble(t, name, func(t *testing.T) {
			c, api := newCluster(t, 3), newAPIServer(3)
			p := newSidecar(t, c, api, 0, func(o *Options) { o.AskTimeout, o.MaxWait = 50*time.Millisecond, 500*time.Millisecond })
			p.awaitReady(t, true)
			c.Server(1).Stop()
			fault(c.Server(0))
			p.awaitReady(t, false)
			api.change(func(a *apiServer) { a.deleting["q-0"] = true })
			answer := p.stop(t.Context())
			p.awaitHold(t, ForShards)
			p.stillHeld(t, answer)
			await(t, answer, "held for as long as is allowed")
		})
	}
}

// TestASecondStopAfterTheFirst: a server that hangs while it stops is deleted once more, with less time, and the hook is called again.
func TestASecondStopAfterTheFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, api := newCluster(t, 2), newAPIServer(2)
		api.deleting["q-1"], api.set.Replicas = true, 1
		p := newSidecar(t, c, api, 1, func(o *Options) { o.Grace, o.MinHold = StopTime+300*time.Millisecond, 200*time.Millisecond })
		p.awaitReady(t, true)
		await(t, p.stop(t.Context()), "the grace period ends")
		c.Server(1).Stop() // its shards are still counted on: without the first answer the second would be held
		eventually(t, "the server is down", func() bool { seen, _ := p.seen(); return seen.self.Down() })
		began := time.Now()
		await(t, p.stop(t.Context()), "let go before")
		assert.Less(t, time.Since(began), 200*time.Millisecond, "there are no clients who have to hear of it")
	})
}

func TestAdoptedClaimsAreLeftToTend(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, api := newCluster(t, 3), newAPIServer(3)
		p := newSidecar(t, c, api, 0)
		_, _, err := api.Take(t.Context(), "q-0", time.Hour)
		require.NoError(t, err)
		p.awaitReady(t, true)
		eventually(t, "its tasks are done", func() bool { return api.holds() == "" })
		assert.Empty(t, api.claim(0).Peer)
	})
}

// TestThePermitIsKeptUntilKubernetesCallsThePodReady: a pod whose kubelet has not asked yet has no traffic, and the next one would stop
// beside it.
func TestThePermitIsKeptUntilKubernetesCallsThePodReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, api := newCluster(t, 3), newAPIServer(3)
		api.unready = map[string]bool{"q-0": true}
		p := newSidecar(t, c, api, 0)
		_, _, err := api.Take(t.Context(), "q-0", time.Hour)
		require.NoError(t, err)
		p.awaitReady(t, true)
		<-time.After(severalLooks)
		assert.Equal(t, "q-0", api.holds())
		api.change(func(a *apiServer) { delete(a.unready, "q-0") })
		eventually(t, "the permit is given back", func() bool { return api.holds() == "" })
	})
}

func TestOnceTasks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, api := newCluster(t, 3), newAPIServer(3)
		api.claims[0] = map[string]string{kube.AnnotationPeer: kube.FoundingText, kube.AnnotationVerdict: "wait-peers: …", kube.AnnotationDrained: "77"}
		api.claims[1] = map[string]string{kube.AnnotationPeer: "77"}
		_, _, err := api.Take(t.Context(), "q-0", time.Hour)
		require.NoError(t, err)
		newSidecar(t, c, api, 0)
		eventually(t, "its tasks are done", func() bool {
			return api.claim(0) == kube.Claim{Peer: clusterapi.PeerID(c.Server(0).ID())} && api.holds() == ""
		})

		p := newSidecar(t, c, api, 1)
		eventually(t, "it complains", func() bool { return strings.Contains(p.log.String(), "belongs to peer 77") })
		p.awaitReady(t, true)
		assert.EqualValues(t, 77, api.claim(1).Peer, "the id of another peer is never overwritten")
	})
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
		Client: func(string) *clusterapi.Client { return clusterapi.New(c.Server(0).URL(), "") }, Interval: 5 * time.Millisecond,
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, o) }()
	ask := func(address, path string) string {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
		require.NoError(t, err)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err.Error()
		}
		defer func() { assert.NoError(t, response.Body.Close()) }()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return fmt.Sprint(response.StatusCode, " ", string(body))
	}
	eventually(t, "it is ready", func() bool { return strings.HasPrefix(ask(o.Listen, "/ready"), "200 whole") })
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
