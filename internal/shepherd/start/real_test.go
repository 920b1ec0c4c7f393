package start_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qdrant-shepherd/shepherd/client/childprocess"
	"github.com/qdrant-shepherd/shepherd/client/qdrantprocess"
	"github.com/qdrant-shepherd/shepherd/internal/clusterapi"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/kube"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/start"
	"github.com/qdrant-shepherd/shepherd/internal/shepherd/watch"
)

// startTimeout is long enough for a machine that is busy with much else.
const startTimeout = 5 * time.Minute

// realPod is a pod whose server is a real one: what start decides is what it is run with.
type realPod struct {
	name            string
	ordinal         int
	dir             string
	http, grpc, p2p int
	options         start.Options
	server          *childprocess.Process
	log             *lockedBuffer // of start and watch
	probe, scrape   string        // where watch listens
	end             func()        // of watch
}

// lockedBuffer is a log that several write to.
type lockedBuffer struct {
	mu  sync.Mutex
	log bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.String()
}

type realCluster struct {
	binary string
	api    *apiServer
	pods   []*realPod
}

func newRealCluster(t *testing.T, n int) *realCluster {
	t.Helper()
	binary := os.Getenv("QDRANT_BIN")
	if binary == "" {
		t.Skip("SKIP: QDRANT_BIN is not set; set it to the path of a Qdrant server binary; `make qdrant-binary` copies one out of the image")
	}
	c := &realCluster{binary: binary, api: newAPIServer(n)}
	var listeners []net.Listener
	port := func() int {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		listeners = append(listeners, listener)
		return listener.Addr().(*net.TCPAddr).Port
	}
	directory := t.TempDir()
	for ordinal := range n {
		p := &realPod{
			name: names.Pod(ordinal), ordinal: ordinal, dir: filepath.Join(directory, names.Pod(ordinal)),
			http: port(), grpc: port(), p2p: port(), log: &lockedBuffer{}, end: func() {},
			probe: fmt.Sprintf("127.0.0.1:%d", port()), scrape: fmt.Sprintf("127.0.0.1:%d", port()),
		}
		require.NoError(t, os.MkdirAll(p.storage(), 0o755))
		p.options = start.Options{
			Names: names, Pod: p.name, Kubernetes: c.api, Storage: p.storage(), Shared: p.dir, ReplicasLimit: n,
			URI:      func(pod string) string { return fmt.Sprintf("http://127.0.0.1:%d", c.pod(pod).p2p) },
			Client:   func(pod string) *clusterapi.Client { return c.pod(pod).client() },
			Interval: 200 * time.Millisecond, Log: slog.New(slog.NewTextHandler(p.log, nil)),
		}
		c.pods = append(c.pods, p)
	}
	for _, listener := range listeners {
		require.NoError(t, listener.Close())
	}
	t.Cleanup(func() {
		for _, p := range c.pods {
			p.kill()
			if t.Failed() {
				server, _ := os.ReadFile(filepath.Join(p.dir, "qdrant.log"))
				t.Logf("%s, start:\n%s\nserver:\n%s", p.name, p.log, server[max(0, len(server)-3000):])
			}
		}
	})
	return c
}

func (c *realCluster) pod(name string) *realPod { return c.pods[names.Ordinal(name)%len(c.pods)] }

func (p *realPod) storage() string { return filepath.Join(p.dir, "storage") }

func (p *realPod) client() *clusterapi.Client {
	return clusterapi.New(fmt.Sprintf("http://127.0.0.1:%d", p.http), "")
}

// up is what a pod does: its init container, then its server.
func (c *realCluster) up(ctx context.Context, p *realPod) error {
	if err := start.Run(ctx, p.options); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(p.dir, start.ArgumentsFile))
	if err != nil {
		return err
	}
	command := exec.Command(c.binary, strings.Fields(string(text))...)
	command.Dir = p.dir
	command.Env = append(qdrantprocess.Environment(p.dir, p.http, p.grpc), "QDRANT__CLUSTER__ENABLED=true", "QDRANT__CLUSTER__P2P__PORT="+strconv.Itoa(p.p2p))
	if p.server, err = childprocess.Start(command, childprocess.Files{Log: filepath.Join(p.dir, "qdrant.log")}); err != nil {
		return err
	}
	p.watch(c.api)
	return nil
}

// watch runs the sidecar next to the server.
func (p *realPod) watch(api *apiServer) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = watch.Run(ctx, watch.Options{
			Names: names, Pod: p.name, Client: p.options.Client, Kubernetes: api, Permit: api, Shared: p.dir, Storage: p.storage(), Listen: p.probe, MetricsListen: p.scrape,
			MinHold: 100 * time.Millisecond, Interval: 100 * time.Millisecond, PeersInterval: peersInterval, Log: p.options.Log,
		})
	}()
	p.end = sync.OnceFunc(func() {
		cancel()
		<-ended
	})
}

// peersInterval is between two looks of a hold.
const peersInterval = 200 * time.Millisecond

// held is for how long the sidecar has held a stop, as of its last look; 0 if it holds none.
func (p *realPod) held(ctx context.Context, t require.TestingT) time.Duration {
	_, text, err := get(ctx, p.scrape, "/metrics")
	require.NoError(t, err)
	found := regexp.MustCompile(`(?m)^shepherd_stop_wait_seconds (\S+)$`).FindStringSubmatch(text)
	require.Len(t, found, 2)
	seconds, err := strconv.ParseFloat(found[1], 64)
	require.NoError(t, err)
	return time.Duration(seconds * float64(time.Second))
}

// ask calls the sidecar.
func (p *realPod) ask(ctx context.Context, path string) (int, string, error) {
	return get(ctx, p.probe, path)
}

func get(ctx context.Context, address, path string) (int, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
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

func (p *realPod) running() bool { return p.server != nil && p.server.Running() }

// kill ends the server and the sidecar at once, as the loss of a node does.
func (p *realPod) kill() {
	p.end()
	if p.running() {
		p.server.Kill()
	}
}

// upAll starts pods at the same time, and returns when all are voters of one cluster. A server that ends is not started again: no pod
// may need a second attempt.
func (c *realCluster) upAll(t *testing.T, pods ...*realPod) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	var starting sync.WaitGroup
	for _, p := range pods {
		starting.Go(func() { assert.NoError(t, c.up(ctx, p), p.name) })
	}
	starting.Wait()
	require.False(t, t.Failed())
	c.await(t, len(c.pods))
}

// await returns when all running pods are ready, in one cluster with that many members, and their claims have their peers' ids.
func (c *realCluster) await(t *testing.T, members int) {
	t.Helper()
	require.EventuallyWithT(t, func(ct *assert.CollectT) {
		leaders := map[clusterapi.PeerID]bool{}
		for _, p := range c.pods {
			if p.server == nil {
				continue
			}
			assert.True(ct, p.running(), "the server of %s ended", p.name)
			status, text, err := p.ask(t.Context(), "/ready")
			assert.NoError(ct, err)
			assert.Equal(ct, http.StatusOK, status, "%s: %s", p.name, text)
			view, err := p.client().Cluster(t.Context())
			if !assert.NoError(ct, err) {
				return
			}
			assert.Len(ct, view.Peers, members, p.name)
			assert.Equal(ct, view.PeerID, c.api.claim(p.ordinal).Peer)
			leaders[view.Raft.Leader] = true
		}
		assert.Len(ct, leaders, 1)
		assert.NotContains(ct, leaders, clusterapi.PeerID(0))
	}, startTimeout, 100*time.Millisecond)
}

// waitsWith checks that a pod does not start, for this reason.
func (c *realCluster) waitsWith(t *testing.T, p *realPod, verdict start.Verdict) start.Decision {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- start.Run(ctx, p.options) }()
	require.Eventually(t, func() bool { return c.api.verdict(p.ordinal) == verdict }, startTimeout, 50*time.Millisecond)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.NoFileExists(t, filepath.Join(p.dir, start.ArgumentsFile))
	return start.ParseAnnotation(c.api.claim(p.ordinal).Verdict)
}

// call asks a server for what has no method in the client.
func (p *realPod) call(t *testing.T, method, path, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, p.client().URL()+path, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	var text bytes.Buffer
	_, err = text.ReadFrom(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, text.String())
}

// forget drops all replicas of a peer and removes it, as tend does; while a leader is elected that fails, and is tried again.
func (p *realPod) forget(t *testing.T, id clusterapi.PeerID) {
	t.Helper()
	require.EventuallyWithT(t, func(ct *assert.CollectT) {
		state, err := p.client().State(t.Context())
		if !assert.NoError(ct, err) {
			return
		}
		for _, collection := range state.Collections {
			for _, replica := range collection.Replicas {
				if replica.Peer == id {
					assert.NoError(ct, p.client().DropReplica(t.Context(), collection.Name, replica.Shard, id))
				}
			}
		}
		assert.NoError(ct, p.client().RemovePeer(t.Context(), id))
	}, startTimeout, 200*time.Millisecond)
}

// TestRealServers goes through the life of a release with real servers.
func TestRealServers(t *testing.T) {
	c := newRealCluster(t, 3)
	step := func(name string, do func(t *testing.T)) {
		began := time.Now()
		require.True(t, t.Run(name, do), name)
		t.Logf("%s: %s", name, time.Since(began).Round(time.Millisecond))
	}
	step("first install, all pods at once, no crash", func(t *testing.T) {
		c.upAll(t, c.pods...)
		c.pods[0].call(t, http.MethodPut, "/collections/c", `{"vectors":{"size":4,"distance":"Dot"},"shard_number":6,"replication_factor":3}`)
	})
	step("full-cluster restart", func(t *testing.T) {
		for _, p := range c.pods {
			p.kill()
		}
		c.upAll(t, c.pods...)
	})
	step("a stop is held until a pod that was down is whole again", func(t *testing.T) {
		p, away := c.pods[1], c.pods[2]
		// Of its three shards each two pods share one, so that a pod's stop depends on either of the others.
		p.call(t, http.MethodPut, "/collections/d", `{"vectors":{"size":4,"distance":"Dot"},"shard_number":3,"replication_factor":2}`)
		away.kill()
		var points []string
		for i := range 100 {
			points = append(points, fmt.Sprintf(`{"id":%d,"vector":[1,2,3,%d]}`, i, i))
		}
		c.pods[0].call(t, http.MethodPut, "/collections/d/points?wait=true", `{"points":[`+strings.Join(points, ",")+`]}`)
		c.api.remove(p.name, true)
		answer := make(chan string, 1)
		go func() {
			_, text, err := p.ask(t.Context(), "/stop")
			if err != nil {
				text = err.Error()
			}
			answer <- text
		}()
		// It is each look of the hold that says for how long it has lasted.
		require.EventuallyWithT(t, func(ct *assert.CollectT) {
			assert.Greater(ct, p.held(t.Context(), ct), 5*peersInterval)
		}, startTimeout, 10*time.Millisecond)
		require.Empty(t, answer, "let go while another pod is down")
		assert.NoError(t, c.up(t.Context(), away))
		select {
		case text := <-answer:
			assert.Contains(t, text, "this pod holds the stop permit")
		case <-time.After(startTimeout):
			t.Fatal("held for ever")
		}
		state, err := away.client().State(t.Context())
		require.NoError(t, err)
		own := c.api.claim(p.ordinal).Peer
		at := slices.IndexFunc(state.Collections, func(c clusterapi.CollectionState) bool { return c.Name == "d" })
		require.NotEqual(t, -1, at)
		replicas := state.Collections[at].Replicas
		require.Len(t, replicas, 6)
		for _, replica := range replicas {
			held := slices.ContainsFunc(replicas, func(r clusterapi.Replica) bool { return r.Shard == replica.Shard && r.Peer == own })
			assert.True(t, !held || replica.State == clusterapi.Active, "let go while the other copy is not whole: %+v", replica)
		}
		p.kill()
		c.api.remove(p.name, false)
		c.upAll(t, p)
		p.call(t, http.MethodDelete, "/collections/d", "")
		require.Eventually(t, func() bool { holder, _ := c.api.Holder(t.Context()); return holder == "" }, startTimeout, 10*time.Millisecond)
	})
	for _, ordinal := range []int{0, 2} {
		step(fmt.Sprintf("pod %d loses its volume", ordinal), func(t *testing.T) {
			p, other := c.pods[ordinal], c.pods[1]
			before := c.api.claim(ordinal).Peer
			p.kill()
			require.NoError(t, os.RemoveAll(p.storage()))
			require.NoError(t, os.Mkdir(p.storage(), 0o755))
			d := c.waitsWith(t, p, start.WaitLostVolume)
			assert.Equal(t, before, d.Peer)
			other.forget(t, before)
			c.upAll(t, p)
			assert.NotEqual(t, before, c.api.claim(ordinal).Peer)
		})
	}
	step("a pod comes back on the volume of a peer that was drained and removed", func(t *testing.T) {
		p := c.pods[2]
		before := c.api.claim(2).Peer
		c.pods[1].forget(t, before)
		c.api.annotate(2, kube.AnnotationDrained, before.String())
		p.kill()
		c.upAll(t, p)
		assert.NotEqual(t, before, c.api.claim(2).Peer)
		assert.Zero(t, c.api.claim(2).Drained)
		aside, err := filepath.Glob(filepath.Join(p.storage(), ".shepherd/set-aside/*-peer-"+before.String()+"/raft_state.json"))
		require.NoError(t, err)
		assert.Len(t, aside, 1)
	})
	step("an old copy of a volume is put back", func(t *testing.T) {
		p := c.pods[1]
		p.kill()
		old := t.TempDir()
		require.NoError(t, os.CopyFS(old, os.DirFS(p.storage())))
		c.upAll(t, p)
		p.kill()
		require.NoError(t, os.Rename(p.storage(), p.storage()+".latest"))
		require.NoError(t, os.Mkdir(p.storage(), 0o755))
		require.NoError(t, os.CopyFS(p.storage(), os.DirFS(old)))
		c.waitsWith(t, p, start.WaitOldVolume)
		require.NoError(t, os.RemoveAll(p.storage()))
		require.NoError(t, os.Rename(p.storage()+".latest", p.storage()))
		c.upAll(t, p)
	})
}
